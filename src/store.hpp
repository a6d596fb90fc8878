// What the handlers ask of the store. redis/ implements it; tests may fake it.
//
// Invariant of every implementation: a change is applied whole or not at all, only if the state it was
// decided on is still the current one, and it is durable before it is reported.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "password.hpp"
#include "result.hpp"
#include "task.hpp"
#include "token.hpp"

namespace wallet_sync {

using Sequence = std::uint32_t;  // 1 is the first wallet; 0 stands for "no wallet"
using UserId = std::int64_t;
using UnixTime = std::int64_t;  // seconds

struct Wallet {
  Sequence sequence = 0;
  std::string encrypted;  // opaque
  std::string hmac;       // opaque
  bool operator==(const Wallet&) const = default;
};

struct Account {
  std::string email;  // as its owner wrote it
  UserId id = 0;
  PasswordHash password;
  std::string client_salt_seed;  // empty: made by API 1 (PROTOCOL, last paragraph of API 1)
  bool verified = false;
};

// A pending e-mail verification: the digest of the token that was mailed.
struct Verification {
  std::string digest;
  UnixTime expires = 0;
  // Of a new account: so many seconds after it was made it is gone, unless it has been verified; 0: it stays.
  std::uint32_t account_lifetime = 0;
};

struct FailedLogins {
  std::int64_t count = 0;
  std::uint32_t seconds_left = 0;  // until they are forgotten
};

// How many failed logins an account may have within the window; 0 attempts: no limit.
struct LoginLimit {
  std::int64_t attempts = 10;
  std::uint32_t window = 15 * 60;  // seconds
  bool exceeded_by(const FailedLogins& failed) const { return attempts > 0 && failed.count >= attempts; }
};

struct LoginState {
  std::optional<Account> account;
  FailedLogins failed;
};

enum class TokenState { valid, unknown, wrong_scope };

struct WalletView {
  TokenState token = TokenState::unknown;
  std::optional<Wallet> wallet;
};

struct WalletVersion {
  TokenState token = TokenState::unknown;
  Sequence sequence = 0;  // 0: there is no wallet
};

// A wallet while its texts are there: who is shown it copies what he needs of them, or takes them.
struct ShownWallet {
  Sequence sequence;
  std::string& encrypted;
  std::string& hmac;
};

// Called from the event loop, outside of any coroutine, at most once.
class WalletReader {
 public:
  virtual void on_wallet(const ShownWallet& wallet) noexcept = 0;

 protected:
  ~WalletReader() = default;
};

enum class PutOutcome { stored, unknown_token, wrong_scope, conflict };

struct NewToken {
  std::string digest;
  std::string device;
  UnixTime expires = 0;
};

struct CheckedPassword {
  PasswordHash stored;      // what the password was compared with, and was right
  std::string renewed_key;  // takes the place of its key; empty: the key is fine
};

enum class LoginOutcome { saved, credentials_changed, too_many_failures };

struct LoginResult {
  LoginOutcome outcome;
  std::uint32_t seconds_left = 0;  // with too_many_failures: until they are forgotten
};

struct PasswordChange {
  PasswordHash checked;  // the one the old password was compared with
  PasswordHash replacement;
  std::string client_salt_seed;
  std::optional<Wallet> wallet;
};

enum class ChangeOutcome {
  changed,
  credentials_changed,
  too_many_failures,
  bad_sequence,
  wallet_missing_in_request
};

struct ChangeResult {
  ChangeOutcome outcome;
  std::uint32_t seconds_left = 0;  // as above
};

enum class DeletionOutcome { deleted, credentials_changed, too_many_failures };

struct DeletionResult {
  DeletionOutcome outcome;
  std::uint32_t seconds_left = 0;  // as above
};

enum class ResendOutcome { renewed, unknown_account, already_verified, too_soon };

struct Renewal {
  ResendOutcome outcome;
  std::string address;  // if it is renewed: the account's own spelling, to which its mail goes
};

struct Standing;

class Store {
 public:
  virtual ~Store() = default;

  // No account if the one with the address's id belongs to another address: an id is a part of a hash.
  virtual Task<Result<LoginState>> read_login(Email email) = 0;
  // Counts one failed login; the count is forgotten `window` seconds after the first of them.
  virtual Task<Result<FailedLogins>> count_failed_login(AccountId account, std::uint32_t window) = 0;

  // false: the address is taken. `account.id` is ignored, a new one is drawn.
  virtual Task<Result<bool>> create_account(AccountId id, Account account,
                                            std::optional<Verification> pending, UnixTime now) = 0;
  // Undoes a create_account whose mail could not be handed over, unless it has been verified meanwhile.
  virtual Task<Result<bool>> remove_unverified(AccountId id, Verification pending) = 0;

  // Saves the token if the account's password is still `checked`, in place of the device's former token;
  // forgets failed logins.
  virtual Task<Result<LoginResult>> save_token(AccountId id, CheckedPassword checked, NewToken token,
                                               LoginLimit limit, UnixTime now) = 0;
  virtual Task<Result<ChangeResult>> change_password(AccountId id, PasswordChange change, LoginLimit limit,
                                                     UnixTime now) = 0;

  // Everything of the account, if its password is still `checked`: nothing is left of it, and its user id is
  // never given again.
  virtual Task<Result<DeletionResult>> delete_account(AccountId id, PasswordHash checked,
                                                      LoginLimit limit) = 0;
  // Whether the address is on the list that is kept in the store (AccountPolicy::stored).
  virtual Task<Result<bool>> is_whitelisted(Email email) = 0;

  // `reader` is shown the wallet, if the token is valid and there is one.
  virtual Task<Result<WalletVersion>> show_wallet(Token token, UnixTime now, WalletReader& reader) = 0;
  // The same, kept.
  Task<Result<WalletView>> get_wallet(Token token, UnixTime now);
  virtual Task<Result<WalletVersion>> get_wallet_version(Token token, UnixTime now) = 0;
  virtual Task<Result<PutOutcome>> put_wallet(Token token, Wallet wallet, UnixTime now) = 0;

  // Whether it is worth to do more for who shows it; what is done then has to look again.
  virtual Task<Result<TokenState>> read_token(Token token, UnixTime now) = 0;
  // Of a websocket that wants to open, and of those that are open after events may have been missed: one for
  // each account, in order; what some cannot be told need not concern the others.
  virtual Task<Result<Standing>> read_standing(Token token, UnixTime now) = 0;
  virtual Task<std::vector<Result<Standing>>> read_standings(std::vector<AccountId> accounts) = 0;

  // true: the account is verified now and the token is used up.
  virtual Task<Result<bool>> verify(Token token, UnixTime now) = 0;
  // Replaces the pending verification, at most once in `interval` seconds. An account of another address is
  // unknown.
  virtual Task<Result<Renewal>> renew_verification(Email email, Verification pending, std::uint32_t interval,
                                                   UnixTime now) = 0;
  // Lets the next renew_verification through at once: the mail of this one could not be handed over.
  virtual Task<Result<bool>> forget_renewal(AccountId id, Verification pending) = 0;
};

}  // namespace wallet_sync
