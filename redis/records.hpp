// How values of ours are laid out in the fields of a hash, and read back.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "named_fields.hpp"
#include "reply.hpp"
#include "store.hpp"

namespace wallet_sync {

// What is read of the hash `account`, by who reads it.
using AccountFields =
    NamedFields<"email", "user-id", "password-key", "password-salt", "client-salt-seed", "verified">;
using PasswordFields = NamedFields<"password-key", "password-salt", "verified">;
using OwnerFields = NamedFields<"email", "password-salt">;
using PendingFields =
    NamedFields<"verified", "verify-token", "verify-expires", "verified-by", "resent", "email">;
// A password change draws a new salt, and whoever revokes the tokens leaves another mark.
using CredentialMarks = NamedFields<"password-salt", "revoked">;

// The same of the hash `wallet`.
using WalletFields = NamedFields<"sequence", "hmac", "wallet">;
using WalletStateFields = NamedFields<"sequence", "write">;
using SequenceField = NamedFields<"sequence">;

// The field `verified`.
inline constexpr std::string_view kVerified = "1";
inline constexpr std::string_view kUnverified = "0";

// A field of the hash `tokens`: "<expiry> <scope> <device>"; the device, which is stored as its SHA-256,
// is the rest.
struct TokenRecord {
  UnixTime expires = 0;
  std::string_view scope;  // this and the next: of somebody else, such as the text that was parsed
  std::string_view device;

  std::string text() const;
  // nullopt: not something we wrote.
  static std::optional<TokenRecord> parse(std::string_view text);
};

// The state of a token given the reply to HGET on its digest.
TokenState token_state(const Reply& record, UnixTime now);

// The reply to AccountFields. False: not something we wrote. No account: `account` stays empty.
bool read_account(const Reply& reply, std::optional<Account>& account);

// The replies to GET and TTL of the failures: none if they are not something we wrote.
FailedLogins read_failures(const Reply& count, const Reply& ttl);
// The reply to EXEC of INCR, EXPIRE and TTL on them. nullopt: it makes no sense.
std::optional<FailedLogins> read_counted_failure(const Reply& exec);
// The reply to TTL: 0 if nothing expires, and never more than can be told.
std::uint32_t read_seconds_left(const Reply& ttl);

// The reply to WalletFields. False: not something we wrote. No wallet: `wallet` stays empty.
bool read_wallet(Reply& reply, std::optional<ShownWallet>& wallet);

// What a change has to know of the wallet that is there.
struct WalletState {
  Sequence sequence = 0;   // 0: there is none
  std::string_view marks;  // of the last few writes, into the reply
};

// The reply to WalletStateFields. nullopt: not something we wrote.
std::optional<WalletState> read_wallet_state(const Reply& reply);

// The field `write` names the last few writes, the newest first: a write that lost its reply finds itself
// there even when other devices have written since.
bool holds_mark(std::string_view marks, std::string_view write);
std::string add_mark(std::string_view marks, std::string_view write);

// The reply to an HMGET that begins with the wallet's sequence: 0 if there is no wallet; nullopt: not
// something we wrote.
std::optional<Sequence> read_sequence(const Reply& reply);

}  // namespace wallet_sync
