// Between nginx' headers and src/http.hpp.
#pragma once

#include "http.hpp"
#include "ngx.hpp"

namespace wallet_sync {

// Accept names text/html.
bool accepts_html(ngx_http_request_t* r);

// Status, type, length and the other fields of the reply's header. False: no memory.
bool set_headers(ngx_http_request_t* r, const Response& response);

}  // namespace wallet_sync
