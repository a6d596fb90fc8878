// Checking a password: the part that login and password change share.
#pragma once

#include <optional>
#include <string>

#include "api.hpp"

namespace wallet_sync {

struct Checked {
  std::optional<Account> account;  // the owner, if the password was right
  Response refusal;                // otherwise the reply
};

// An unknown address and a wrong password take the same time and end in the same 401; either counts as a
// failed login, and with too many of them the answer is 429 without any KDF work.
Task<Checked> check_credentials(const Call& call, Email email, std::string password);

// 401; the two API versions word it differently.
Response wrong_credentials(const Call& call);

}  // namespace wallet_sync
