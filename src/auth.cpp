// POST /auth/full
#include "credentials.hpp"
#include "handlers.hpp"
#include "rfc3339.hpp"
#include "validation.hpp"

namespace wallet_sync {
namespace {

constexpr UnixTime kTokenLifetime = 14 * 24 * 3600;  // PROTOCOL "Values": token

// The account's key as it would be made today, if it is in the old form or cheaper; empty: it is fine.
Task<std::string> renewed_key(const Call& call, const PasswordHash& hash, std::string password) {
  auto key = PasswordKey::parse(hash.key);
  if (key && key->cost.work() < kPasswordCost.work()) {
    auto digits = co_await call.services.kdf.derive(std::move(password), hash.salt, kPasswordCost);
    if (!digits) {
      co_return std::string();  // the queue is full: another login will do it
    }
    key = PasswordKey{kPasswordCost, *std::move(digits)};
  }
  std::string text = key ? key->text() : std::string();
  co_return text == hash.key ? std::string() : std::move(text);
}

}  // namespace

Task<Response> authenticate(const Call& call) {
  const auto email = Email::parse(call.fields.text("email"));
  if (!email) {
    co_return invalid(call, "Invalid 'email'");
  }
  const std::string& password = call.fields.text("password");
  if (!valid_password(call.api, password)) {
    co_return invalid(call, "Invalid or missing 'password'");
  }
  const std::string& device = call.fields.text("deviceId");
  if (device.empty()) {
    co_return invalid(call, "Missing 'deviceId'");
  }

  Checked checked = co_await check_credentials(call, *email, password);
  if (!checked.account) {
    co_return checked.refusal;
  }
  CheckedPassword right;
  right.stored = checked.account->password;
  right.renewed_key = co_await renewed_key(call, right.stored, password);
  const AccountId id = AccountId::of(*email);
  const auto token = Token::generate(id);
  if (!token) {
    co_return error_response(500);
  }
  const UnixTime now = call.services.now();
  const LoginLimit& limit = call.settings.login_limit;
  const NewToken saved{token->digest().text(), device, now + kTokenLifetime};
  auto result = co_await call.services.store.save_token(id, std::move(right), saved, limit, now);
  if (!result) {
    co_return store_failure(result.error());
  }
  switch (result->outcome) {
    case LoginOutcome::saved: break;
    case LoginOutcome::credentials_changed: co_return wrong_credentials(call);
    case LoginOutcome::too_many_failures: co_return too_many_failures(result->seconds_left);
  }
  co_return json_response(200, JsonWriter()
                                   .text("token", token->text())
                                   .text("deviceId", device)
                                   .text("scope", "*")
                                   .number("userId", checked.account->id)
                                   .text("expiration", rfc3339(saved.expires))
                                   .finish());
}

}  // namespace wallet_sync
