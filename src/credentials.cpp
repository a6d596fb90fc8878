#include "credentials.hpp"

namespace wallet_sync {
namespace {

// Stands in for the salt of an account that does not exist; its key is never equal to a stored one.
constexpr std::string_view kNobodysSalt = "00000000000000000000000000000000";

Checked refuse(Response refusal) { return {std::nullopt, std::move(refusal)}; }

}  // namespace

Response wrong_credentials(const Call& call) {
  return error_response(
      401, call.api == Api::v1 ? "No match for email and password" : "No match for email and/or password");
}

Task<Checked> check_credentials(const Call& call, Email email, std::string password) {
  const AccountId id = AccountId::of(email);
  const LoginLimit& limit = call.settings.login_limit;
  Store& store = call.services.store;

  auto state = co_await store.read_login(email);
  if (!state) {
    co_return refuse(store_failure(state.error()));
  }
  if (limit.exceeded_by(state->failed)) {
    co_return refuse(too_many_failures(state->failed.seconds_left));
  }

  std::string salt(state->account ? std::string_view(state->account->password.salt) : kNobodysSalt);
  const auto stored =
      state->account ? PasswordKey::parse(state->account->password.key) : std::make_optional<PasswordKey>();
  if (!stored) {
    co_return refuse(store_failure(StoreError::internal));
  }
  auto key = co_await call.services.kdf.derive(std::move(password), std::move(salt), stored->cost);
  if (!key) {
    co_return refuse(hashing_unavailable());
  }
  if (!state->account || !equal_secrets(*key, stored->digits)) {
    if (limit.attempts == 0) {
      co_return refuse(wrong_credentials(call));
    }
    // Guesses may run side by side. Those that come in beyond the limit learn nothing: the count is taken
    // after the KDF, and a right guess is refused by the store for the same reason.
    auto failed = co_await store.count_failed_login(id, limit.window);
    if (!failed) {
      co_return refuse(store_failure(failed.error()));
    }
    co_return refuse(failed->count > limit.attempts ? too_many_failures(failed->seconds_left)
                                                    : wrong_credentials(call));
  }
  // Others may have used the attempts up meanwhile. The store refuses a right guess then, but what is done on
  // the way there, another hash for a new password, or what is said of the account, would tell that it was
  // right.
  auto later = co_await store.read_login(email);
  if (!later) {
    co_return refuse(store_failure(later.error()));
  }
  if (limit.exceeded_by(later->failed)) {
    co_return refuse(too_many_failures(later->failed.seconds_left));
  }
  if (!state->account->verified) {
    co_return refuse(error_response(401, "Account is not verified"));
  }
  co_return Checked{std::move(state->account), {}};
}

}  // namespace wallet_sync
