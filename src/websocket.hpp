// The protocol's websockets (PROTOCOL, GET /websocket; RFC 6455): who may open one, and what is said on it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http.hpp"
#include "store.hpp"

namespace wallet_sync {

// RFC 6455 section 4.2.1: nullopt if the request is a proper upgrade, otherwise the refusal.
std::optional<Response> refuse_handshake(const UpgradeHeaders& headers);

// RFC 6455 section 4.2.2: the value of Sec-WebSocket-Accept.
std::string websocket_accept(std::string_view key);

std::string wallet_update_message(Sequence sequence);

inline constexpr std::size_t kMaxClientMessage = 512;  // bytes; larger ones are answered by 1009

// Close codes we send ourselves (RFC 6455 section 7.4.1).
inline constexpr std::uint16_t kCloseGoingAway = 1001;
inline constexpr std::uint16_t kClosePolicy = 1008;

// What a socket is opened with: where its account stood at that moment.
struct Standing {
  TokenState token = TokenState::unknown;
  Sequence sequence = 0;  // 0: no wallet
  std::string
      password;  // changes whenever the password does or all tokens are revoked; empty: no such account
};

// A place among the account's sockets, subscribed to its events: what happens from its making on is not
// missed.
class PendingSocket {
 public:
  virtual ~PendingSocket() = default;  // gives the place up
  virtual void stand_at(Standing standing) = 0;
};

class Sockets {
 public:
  virtual ~Sockets() = default;
  virtual Task<Result<std::unique_ptr<PendingSocket>>> reserve(AccountId account) = 0;
};

}  // namespace wallet_sync
