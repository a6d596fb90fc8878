// The first argument of wallet_sync_redis.
#pragma once

#include <string_view>

#include "ngx.hpp"
#include "server.hpp"

namespace wallet_sync {

// host:port, unix:path, sentinel://NAME@host:port,… or cluster://host:port,…: sets where the server is. Names
// are resolved now, a worker would be blocked by it. False: logged, naming the directive.
bool parse_redis_address(ngx_conf_t* cf, std::string_view text, Server& server);

// The host of host:port, as it is written, without brackets.
std::string_view host_of(std::string_view address);

}  // namespace wallet_sync
