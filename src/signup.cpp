// POST /signup
#include "encoding.hpp"
#include "handlers.hpp"
#include "validation.hpp"

namespace wallet_sync {
namespace {

constexpr UnixTime kVerificationLifetime = 2 * 24 * 3600;  // PROTOCOL "Values": verify token

Response registered(const Call& call, bool verified) {
  return json_response(201, call.api == Api::v1 ? "{}" : JsonWriter().boolean("verified", verified).finish());
}

}  // namespace

Task<Response> signup(const Call& call) {
  const auto email = Email::parse(call.fields.text("email"));
  if (!email) {
    co_return invalid(call, "Invalid or missing 'email'");
  }
  const std::string& password = call.fields.text("password");
  if (!valid_password(call.api, password)) {
    co_return invalid(call, "Invalid or missing 'password'");
  }
  Account account;
  account.email = email->spelling();
  if (call.api == Api::v3) {
    account.client_salt_seed = call.fields.text("clientSaltSeed");
    if (!valid_salt_seed(account.client_salt_seed)) {
      co_return invalid(call, "Invalid or missing 'clientSaltSeed'");
    }
  }
  const AccountPolicy& policy = call.settings.accounts;
  if (!policy.admits(*email)) {
    Result<bool> listed = false;
    if (policy.stored) {
      listed = co_await call.services.store.is_whitelisted(*email);
    }
    if (!listed) {
      co_return store_failure(listed.error());
    }
    if (!*listed) {
      co_return error_response(403, "Account not whitelisted");
    }
  }

  const AccountId id = AccountId::of(*email);
  auto existing = co_await call.services.store.read_login(*email);
  if (!existing) {
    co_return store_failure(existing.error());
  }
  if (existing
          ->account) {  // only spares the KDF: create_account decides, for accounts of other addresses too
    co_return error_response(409, "Error registering");
  }

  auto salt = new_salt();
  if (!salt) {
    co_return error_response(500);
  }
  auto key = co_await call.services.kdf.derive(password, *salt, kPasswordCost);
  if (!key) {
    co_return hashing_unavailable();
  }
  account.password = {PasswordKey{kPasswordCost, *std::move(key)}.text(), *std::move(salt)};

  account.verified = policy.mode != AccountPolicy::Mode::email;
  if (account.verified) {
    auto created = co_await call.services.store.create_account(id, std::move(account), std::nullopt,
                                                               call.services.now());
    if (!created) {
      co_return store_failure(created.error());
    }
    co_return *created ? registered(call, true) : error_response(409, "Error registering");
  }

  auto token = Token::generate(id);
  if (!token || call.services.mailer == nullptr) {
    co_return error_response(500);
  }
  const UnixTime now = call.services.now();
  const Verification pending{token->digest().text(), now + kVerificationLifetime,
                             call.settings.unverified_lifetime};
  auto created = co_await call.services.store.create_account(id, std::move(account), pending, now);
  if (!created) {
    co_return store_failure(created.error());
  }
  if (!*created) {
    co_return error_response(409, "Error registering");
  }
  if (!co_await call.services.mailer->send_verification(email->spelling(), std::string(token->text()))) {
    // The address must not stay blocked by an account nobody can verify. Should this fail as well,
    // /verify/resend still gets its owner a link.
    auto removed = co_await call.services.store.remove_unverified(id, pending);
    (void)removed;
    co_return mail_unavailable();
  }
  co_return registered(call, false);
}

// POST /verify/resend. The reply never tells whether a mail was sent just now or a moment ago.
Task<Response> resend_verification(const Call& call) {
  const auto email = Email::parse(call.fields.text("email"));
  if (!email) {
    co_return invalid(call, "Invalid or missing 'email'");
  }
  const AccountId id = AccountId::of(*email);
  auto token = Token::generate(id);
  if (!token || call.services.mailer == nullptr) {
    co_return error_response(500);
  }
  const UnixTime now = call.services.now();
  const Verification pending{token->digest().text(), now + kVerificationLifetime, 0};
  auto renewal =
      co_await call.services.store.renew_verification(*email, pending, call.settings.resend_interval, now);
  if (!renewal) {
    co_return store_failure(renewal.error());
  }
  if (renewal->outcome == ResendOutcome::unknown_account) {
    co_return error_response(401, "No match for email");
  }
  if (renewal->outcome == ResendOutcome::renewed &&
      !co_await call.services.mailer->send_verification(renewal->address, std::string(token->text()))) {
    auto forgotten = co_await call.services.store.forget_renewal(id, pending);
    (void)forgotten;
    co_return mail_unavailable();
  }
  co_return json_response(200, "{}");
}

}  // namespace wallet_sync
