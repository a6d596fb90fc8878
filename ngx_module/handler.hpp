// The content handlers: of a location with `wallet_sync`, and of one with `wallet_sync_metrics`.
#pragma once

#include "ngx.hpp"

namespace wallet_sync {

ngx_int_t handle_request(ngx_http_request_t* r);
ngx_int_t show_metrics(ngx_http_request_t* r);

}  // namespace wallet_sync
