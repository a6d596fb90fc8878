// Where Redis is and how it is spoken to: what the directive wallet_sync_redis says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace wallet_sync {

struct Server {
  std::string unix_path;  // or host and port
  std::string host;       // an IP address: hiredis would resolve a name by blocking
  int port = 6379;

  std::string user;  // empty: the default user
  std::string password;
  int database = 0;

  std::size_t pool = 64;  // connections for transactions, per worker
  std::int64_t connect_timeout_ms = 1000;
  std::int64_t command_timeout_ms = 2000;
  std::string key_prefix = "wsync";

  // For log lines: never with the password.
  std::string name() const {
    return unix_path.empty() ? host + ":" + std::to_string(port) : "unix:" + unix_path;
  }
  bool operator==(const Server&) const = default;
};

}  // namespace wallet_sync
