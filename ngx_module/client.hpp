// Whether the client of a request that waits is still there.
#pragma once

#include "ngx.hpp"

namespace wallet_sync {

// Calls `on_event` when something happens to the client's connection, from now until the request gets another
// handler. It may have happened already: ask client_has_left() as well.
void watch_client(ngx_http_request_t* r, ngx_http_event_handler_pt on_event);

// As ngx_http_test_reading() sees it, which takes a client that will send no more for one that has left, and
// would also end the request at once. What a client sends ahead stays where it is.
bool client_has_left(ngx_http_request_t* r);

}  // namespace wallet_sync
