// The content handler of a location with `wallet_sync`.
#pragma once

#include "ngx.hpp"

namespace wallet_sync {

ngx_int_t handle_request(ngx_http_request_t* r);

}  // namespace wallet_sync
