// POST /auth/full
#include "credentials.hpp"
#include "handlers.hpp"
#include "rfc3339.hpp"
#include "validation.hpp"

namespace wallet_sync {
namespace {

constexpr UnixTime kTokenLifetime = 14 * 24 * 3600;  // PROTOCOL "Values": token

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
  const AccountId id = AccountId::of(*email);
  const auto token = Token::generate(id);
  if (!token) {
    co_return error_response(500);
  }
  const UnixTime now = call.services.now();
  const LoginLimit& limit = call.settings.login_limit;
  const NewToken saved{token->digest(), device, now + kTokenLifetime};
  auto outcome = co_await call.services.store.save_token(id, checked.account->password, saved, limit, now);
  if (!outcome) {
    co_return store_failure(outcome.error());
  }
  switch (*outcome) {
    case LoginOutcome::saved: break;
    case LoginOutcome::credentials_changed: co_return wrong_credentials(call);
    case LoginOutcome::too_many_failures: co_return too_many_failures(limit.window);
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
