// POST /api/3/password
#include "credentials.hpp"
#include "handlers.hpp"
#include "validation.hpp"

namespace wallet_sync {
namespace {

// The wallet fields are all there, or all absent. False: a mixture.
bool read_wallet(const Fields& fields, std::optional<Wallet>& wallet) {
  Wallet given{fields.sequence("sequence"), fields.text("encryptedWallet"), fields.text("hmac")};
  const int present = int{given.sequence != 0} + int{!given.encrypted.empty()} + int{!given.hmac.empty()};
  if (present == 3) {
    wallet = std::move(given);
  }
  return present == 0 || present == 3;
}

}  // namespace

Task<Response> change_password(const Call& call) {
  const Fields& fields = call.fields;
  const auto email = Email::parse(fields.text("email"));
  if (!email) {
    co_return invalid(call, "Invalid or missing 'email'");
  }
  if (!valid_password(call.api, fields.text("oldPassword"))) {
    co_return invalid(call, "Invalid or missing 'oldPassword'");
  }
  if (!valid_password(call.api, fields.text("newPassword"))) {
    co_return invalid(call, "Invalid or missing 'newPassword'");
  }
  if (fields.text("oldPassword") == fields.text("newPassword")) {
    co_return invalid(call, "'oldPassword' and 'newPassword' should not be the same");
  }
  PasswordChange change;
  change.client_salt_seed = fields.text("clientSaltSeed");
  if (!valid_salt_seed(change.client_salt_seed)) {
    co_return invalid(call, "Invalid or missing 'clientSaltSeed'");
  }
  if (!read_wallet(fields, change.wallet)) {
    co_return invalid(call,
                      "Fields 'encryptedWallet', 'sequence', and 'hmac' should be all non-empty and "
                      "non-zero, or all omitted");
  }

  Checked checked = co_await check_credentials(call, *email, fields.text("oldPassword"));
  if (!checked.account) {
    co_return checked.refusal;
  }
  auto salt = new_salt();
  if (!salt) {
    co_return error_response(500);
  }
  auto key = co_await call.services.kdf.derive(fields.text("newPassword"), *salt, kPasswordCost);
  if (!key) {
    co_return hashing_unavailable();
  }
  change.checked = checked.account->password;
  change.replacement = {PasswordKey{kPasswordCost, *std::move(key)}.text(), *std::move(salt)};

  const LoginLimit& limit = call.settings.login_limit;
  auto result = co_await call.services.store.change_password(AccountId::of(*email), std::move(change), limit,
                                                             call.services.now());
  if (!result) {
    co_return store_failure(result.error());
  }
  switch (result->outcome) {
    case ChangeOutcome::changed: break;
    case ChangeOutcome::credentials_changed: co_return wrong_credentials(call);
    case ChangeOutcome::too_many_failures: co_return too_many_failures(result->seconds_left);
    case ChangeOutcome::bad_sequence:
      co_return error_response(409, "Bad sequence number or wallet does not exist");
    case ChangeOutcome::wallet_missing_in_request:
      co_return error_response(409, "Wallet exists; need an updated wallet when changing password");
  }
  co_return json_response(200, "{}");
}

}  // namespace wallet_sync
