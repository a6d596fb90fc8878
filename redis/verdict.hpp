// Whether a password that was right before WATCH still allows what it was given for.
#pragma once

#include "records.hpp"

namespace wallet_sync {

enum class Verdict { same, changed, locked, nonsense };

// `account` is the reply to HMGET password-key password-salt verified, `failed` what has been read of the
// failures.
inline Verdict judge(const Reply& account, const FailedLogins& failed, const PasswordHash& checked,
                     const LoginLimit& limit) {
  if (!account.is_array(3)) {
    return Verdict::nonsense;
  }
  // Guesses made side by side must not get more attempts than the limit gives: a right one counts for nothing
  // once the wrong ones have used them up. Hence it comes first: not even that a guess was right a moment ago
  // is told.
  if (limit.exceeded_by(failed)) {
    return Verdict::locked;
  }
  const PasswordHash stored{account.elements[0].text, account.elements[1].text};
  if (!same_password(stored, checked) || account.elements[2].text != "1") {
    return Verdict::changed;
  }
  return Verdict::same;
}

}  // namespace wallet_sync
