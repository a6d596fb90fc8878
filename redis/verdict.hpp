// Whether a password that was right before WATCH still allows what it was given for.
#pragma once

#include "records.hpp"

namespace wallet_sync {

enum class Verdict { same, changed, locked, nonsense };

// `account` is the reply to PasswordFields, `failed` what has been read of the failures.
inline Verdict judge(const Reply& account, const FailedLogins& failed, const PasswordHash& checked,
                     const LoginLimit& limit) {
  const auto fields = PasswordFields::of(account);
  if (!fields) {
    return Verdict::nonsense;
  }
  // Guesses made side by side must not get more attempts than the limit gives: a right one counts for nothing
  // once the wrong ones have used them up. Hence it comes first: not even that a guess was right a moment ago
  // is told.
  if (limit.exceeded_by(failed)) {
    return Verdict::locked;
  }
  const PasswordHash stored{fields->text<"password-key">(), fields->text<"password-salt">()};
  if (!same_password(stored, checked) || fields->text<"verified">() != kVerified) {
    return Verdict::changed;
  }
  return Verdict::same;
}

}  // namespace wallet_sync
