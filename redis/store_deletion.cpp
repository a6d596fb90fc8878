// The end of an account. All of its keys go in one EXEC, so whoever works on it (a login, a write, a change
// of its password) watches one of them and finds it changed.
#include "redis_store.hpp"
#include "verdict.hpp"

namespace wallet_sync {

Task<Result<DeletionResult>> RedisStore::delete_account(AccountId id, PasswordHash checked,
                                                        LoginLimit limit) {
  Look look;
  look.watch = {keys().account(id).text(), keys().wallet(id).text(), keys().tokens(id).text()};
  look.reads.push_back(PasswordFields::read(keys().account(id)));
  look.reads.emplace_back("GET", keys().failures(id));
  look.reads.emplace_back("TTL", keys().failures(id));
  auto decide = [&](Seen seen, bool maybe_written) -> Result<Decision<DeletionResult>> {
    const auto current = PasswordFields::of(seen[0]);
    if (maybe_written && current && current->text<"password-salt">() != checked.salt) {
      // Nobody is there any more; or already somebody else, and then it cannot be told who made room.
      if (current->has<"password-salt">()) {
        return StoreError::unknown;
      }
      return Decision<DeletionResult>{{DeletionOutcome::deleted}, {}};
    }
    const FailedLogins failed = read_failures(seen[1], seen[2]);
    switch (judge(seen[0], failed, checked, limit)) {
      case Verdict::same: break;
      case Verdict::changed: return Decision<DeletionResult>{{DeletionOutcome::credentials_changed}, {}};
      case Verdict::locked:
        return Decision<DeletionResult>{{DeletionOutcome::too_many_failures, failed.seconds_left}, {}};
      case Verdict::nonsense: return StoreError::internal;
    }
    return Decision<DeletionResult>{{DeletionOutcome::deleted}, deletion(id)};
  };
  co_return co_await change<DeletionResult>(id, std::move(look), decide);
}

Commands RedisStore::deletion(const AccountId& id) const {
  Commands writes;
  writes.emplace_back("DEL", keys().account(id), keys().wallet(id), keys().tokens(id), keys().failures(id));
  writes.push_back(publish(id, kAccountDeleted));
  return writes;
}

// A hash, so that it takes no more rights than the rest. In a cluster it is in one slot: only signups ask for
// it, which hash a password.
Task<Result<bool>> RedisStore::is_whitelisted(Email email) {
  Commands commands;
  commands.emplace_back("HGET", keys().whitelist(), email.normalized());
  auto replies = co_await ask_of_key(keys().whitelist(), std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  co_return !replies->front().is_nil();
}

}  // namespace wallet_sync
