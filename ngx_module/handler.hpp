// What nginx calls for requests: the content handlers of a location with `wallet_sync`, of one with
// `wallet_sync_metrics`, and of one with `wallet_sync_health`.
#pragma once

#include "ngx.hpp"

namespace wallet_sync {

ngx_int_t handle_request(ngx_http_request_t* r);
ngx_int_t show_metrics(ngx_http_request_t* r);
ngx_int_t show_health(ngx_http_request_t* r);

// Another module reads a body that is too large: the request is answered later in this turn of the loop.
// False: no memory.
bool refuse_body(ngx_http_request_t* r);

}  // namespace wallet_sync
