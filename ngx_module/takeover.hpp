// What it takes to turn the connection of a request into a websocket.
#pragma once

#include "http.hpp"
#include "ngx.hpp"

namespace wallet_sync {

// The headers that RFC 6455 looks at.
UpgradeHeaders upgrade_headers(ngx_http_request_t* r);

// Ends the request (it is logged now) but not its connection, of which only nginx' own structures stay.
// REQUIRES: nothing refers to the request any more, and all it sent is out. The pool, and all in it, is gone.
void release_request(ngx_http_request_t* r);

}  // namespace wallet_sync
