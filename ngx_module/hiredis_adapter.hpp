// A hiredis context as a connection of nginx.
#pragma once

#include "ngx.hpp"

struct redisAsyncContext;

namespace wallet_sync {

// Installs the event hooks. What hiredis wants written is written once per turn of the loop, for all commands
// of the turn together. False: worker_connections are used up.
bool attach_to_nginx(redisAsyncContext* context, ngx_log_t* log);

}  // namespace wallet_sync
