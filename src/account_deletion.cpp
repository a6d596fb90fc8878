// DELETE /api/3/account: beyond the protocol, and only where wallet_sync_account_deletion allows it.
#include "credentials.hpp"
#include "handlers.hpp"
#include "validation.hpp"

namespace wallet_sync {

Task<Response> delete_account(const Call& call) {
  const auto email = Email::parse(call.fields.text("email"));
  if (!email) {
    co_return invalid(call, "Invalid or missing 'email'");
  }
  if (!valid_password(call.api, call.fields.text("password"))) {
    co_return invalid(call, "Invalid or missing 'password'");
  }
  Checked checked = co_await check_credentials(call, *email, call.fields.text("password"));
  if (!checked.account) {
    co_return checked.refusal;
  }
  auto result = co_await call.services.store.delete_account(AccountId::of(*email), checked.account->password,
                                                            call.settings.login_limit);
  if (!result) {
    co_return store_failure(result.error());
  }
  switch (result->outcome) {
    case DeletionOutcome::deleted: break;
    case DeletionOutcome::credentials_changed: co_return wrong_credentials(call);
    case DeletionOutcome::too_many_failures: co_return too_many_failures(result->seconds_left);
  }
  co_return json_response(200, "{}");
}

}  // namespace wallet_sync
