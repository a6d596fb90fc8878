// What a handler is given besides the request: the settings of its location and the outside world.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "email.hpp"
#include "store.hpp"
#include "task.hpp"
#include "websocket.hpp"

namespace wallet_sync {

// Who may sign up (PROTOCOL, signup).
struct AccountPolicy {
  enum class Mode { open, whitelist, email } mode = Mode::whitelist;
  std::set<std::string, std::less<>> whitelist;  // normalized addresses
  bool stored = false;  // there are more on the list in the store, which changes while we run

  // Without a look into the store.
  bool admits(const Email& email) const {
    return mode != Mode::whitelist || whitelist.contains(email.normalized());
  }
};

struct Settings {
  bool account_deletion = false;  // DELETE /api/3/account, which is no part of the protocol
  AccountPolicy accounts;
  LoginLimit login_limit;
  std::uint32_t unverified_lifetime =
      7 * 24 * 3600;                   // seconds until an account that is not verified is gone; 0: never
  std::uint32_t resend_interval = 60;  // seconds between two mails of /verify/resend to one account
};

// Runs scrypt off the event loop.
class KeyDerivation {
 public:
  virtual ~KeyDerivation() = default;
  // The digits of the key; nullopt when the queue is full (or memory is): answer 503.
  virtual Task<std::optional<std::string>> derive(std::string password, std::string salt_hex,
                                                  ScryptCost cost) = 0;
};

// Hands a mail over to the next server, off the event loop.
class Mailer {
 public:
  virtual ~Mailer() = default;
  // false: it was not handed over; the reason is in the log.
  virtual Task<bool> send_verification(std::string address, std::string token) = 0;
};

struct Services {
  Store& store;
  Sockets& sockets;
  KeyDerivation& kdf;
  Mailer* mailer;  // null unless mail is configured
  UnixTime (*now)();
};

}  // namespace wallet_sync
