// Accounts: signing up, verifying the address, failed logins.
#include "records.hpp"
#include "redis_store.hpp"
#include "user_ids.hpp"

namespace wallet_sync {

Task<Result<LoginState>> RedisStore::read_login(Email email) {
  const AccountId id = AccountId::of(email);
  Commands commands;
  commands.push_back(AccountFields::read(keys_.account(id)));
  commands.emplace_back("GET", keys_.failures(id));
  commands.emplace_back("TTL", keys_.failures(id));
  auto replies = co_await ask(id, std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  LoginState state;
  if (!read_account((*replies)[0], state.account)) {
    co_return failed(StoreError::internal);
  }
  if (state.account && !email.is_also_spelled(state.account->email)) {
    state.account.reset();
  }
  state.failed = read_failures((*replies)[1], (*replies)[2]);
  co_return state;
}

// MULTI keeps the three together: a counter without an expiry would lock the account for good. EXPIRE … NX is
// of Redis 7.
Task<Result<FailedLogins>> RedisStore::count_failed_login(AccountId id, std::uint32_t window) {
  const std::string key = keys_.failures(id).text();
  Commands commands;
  commands.emplace_back("MULTI");
  commands.emplace_back("INCR", key);
  commands.emplace_back("EXPIRE", key, window, "NX");
  commands.emplace_back("TTL", key);
  commands.emplace_back("EXEC");
  auto replies = co_await ask(id, std::move(commands), Repeat::no);
  if (!replies) {
    co_return replies.error();
  }
  const auto counted = read_counted_failure(replies->back());
  if (!counted) {
    co_return failed(StoreError::internal);
  }
  co_return *counted;
}

// The id comes from a counter: INCR, or in a cluster, where one counter for all would be in one slot, from
// the counter of the account's slot, in the account's transaction. What a failover loses it loses of both.
//
// The salt is random and ours alone: finding it there after a lost reply means that our EXEC ran.
Task<Result<bool>> RedisStore::create_account(AccountId id, Account account,
                                              std::optional<Verification> pending, UnixTime now) {
  const bool clustered = topology_.clustered();
  std::string ids;
  if (clustered) {
    ids = keys_.user_ids(slot_of_tag(id.view()));
  } else {
    // A number drawn in vain is a gap, no harm.
    Commands draw;
    draw.emplace_back("INCR", keys_.next_user_id());
    auto drawn = co_await ask(id, std::move(draw), Repeat::no);
    if (!drawn) {
      co_return drawn.error();
    }
    if (drawn->front().type != Reply::Type::integer) {
      co_return failed(StoreError::internal);
    }
    account.id = drawn->front().integer;
  }

  Look look;
  look.watch = {keys_.account(id).text()};
  look.reads.push_back(OwnerFields::read(keys_.account(id)));
  if (clustered) {
    look.watch.push_back(ids);
    look.reads.emplace_back("HGET", ids, "last");
  }
  auto decide = [&](Seen seen, bool maybe_written) -> Result<Decision<bool>> {
    const auto owner = OwnerFields::of(seen[0]);
    if (!owner) {
      return StoreError::internal;
    }
    std::int64_t last = 0;
    if (clustered && !seen[1].is_nil()) {
      last = to_integer(seen[1].text).value_or(-1);
    }
    if (last < 0 || last >= kMostOfASlot) {
      return StoreError::internal;
    }
    if (owner->has<"email">()) {
      const bool ours = maybe_written && owner->text<"password-salt">() == account.password.salt;
      return Decision<bool>{ours, {}};
    }
    if (clustered) {
      account.id = user_id_of(slot_of_tag(id.view()), last + 1);
    }
    Command write("HSET", keys_.account(id), "email", account.email, "user-id", account.id, "password-key",
                  account.password.key, "password-salt", account.password.salt, "client-salt-seed",
                  account.client_salt_seed, "verified", account.verified ? kVerified : kUnverified, "created",
                  now, "updated", now);
    if (pending) {
      for (const std::string& argument : {std::string("verify-token"), pending->digest,
                                          std::string("verify-expires"), std::to_string(pending->expires)}) {
        write.add(argument);
      }
    }
    Decision<bool> accepted{true, {std::move(write)}};
    if (pending && pending->account_lifetime > 0) {
      accepted.writes.emplace_back("EXPIRE", keys_.account(id), pending->account_lifetime);
    }
    if (clustered) {
      accepted.writes.emplace_back("HSET", ids, "last", last + 1);
    }
    return accepted;
  };
  co_return co_await change<bool>(id, std::move(look), decide);
}

Task<Result<bool>> RedisStore::remove_unverified(AccountId id, Verification pending) {
  Look look;
  look.watch = {keys_.account(id).text()};
  look.reads.push_back(PendingFields::read(keys_.account(id)));
  auto decide = [&](Seen seen, bool) -> Result<Decision<bool>> {
    const auto stored = PendingFields::of(seen[0]);
    if (!stored) {
      return StoreError::internal;
    }
    if (stored->text<"verified">() != kUnverified || stored->text<"verify-token">() != pending.digest) {
      return Decision<bool>{false, {}};
    }
    return Decision<bool>{true, {Command("DEL", keys_.account(id))}};
  };
  co_return co_await change<bool>(id, std::move(look), decide);
}

Task<Result<bool>> RedisStore::verify(Token token, UnixTime now) {
  const AccountId id = token.account();
  const std::string digest = token.digest().text();
  Look look;
  look.watch = {keys_.account(id).text()};
  look.reads.push_back(PendingFields::read(keys_.account(id)));
  auto decide = [&](Seen seen, bool maybe_written) -> Result<Decision<bool>> {
    const auto stored = PendingFields::of(seen[0]);
    if (!stored) {
      return StoreError::internal;
    }
    if (maybe_written && stored->text<"verified-by">() == digest) {
      return Decision<bool>{true, {}};
    }
    if (!equal_secrets(stored->text<"verify-token">(), digest) ||
        to_integer(stored->text<"verify-expires">()).value_or(0) <= now) {
      return Decision<bool>{false, {}};
    }
    Decision<bool> accepted{true, {}};
    accepted.writes.emplace_back("HSET", keys_.account(id), "verified", kVerified, "verified-by", digest,
                                 "updated", now);
    accepted.writes.emplace_back("HDEL", keys_.account(id), "verify-token", "verify-expires", "resent");
    accepted.writes.emplace_back("PERSIST", keys_.account(id));
    return accepted;
  };
  co_return co_await change<bool>(id, std::move(look), decide);
}

// The interval counts from one renewal to the next, so the first mail that got lost can be asked for again at
// once.
Task<Result<Renewal>> RedisStore::renew_verification(Email email, Verification pending,
                                                     std::uint32_t interval, UnixTime now) {
  const AccountId id = AccountId::of(email);
  Look look;
  look.watch = {keys_.account(id).text()};
  look.reads.push_back(PendingFields::read(keys_.account(id)));
  auto decide = [&](Seen seen, bool maybe_written) -> Result<Decision<Renewal>> {
    const auto stored = PendingFields::of(seen[0]);
    if (!stored) {
      return StoreError::internal;
    }
    const std::string& address = stored->text<"email">();
    if (!stored->has<"verified">() || !email.is_also_spelled(address)) {
      return Decision<Renewal>{{ResendOutcome::unknown_account, {}}, {}};
    }
    if (stored->text<"verified">() == kVerified) {
      return Decision<Renewal>{{ResendOutcome::already_verified, {}}, {}};
    }
    if (maybe_written && stored->text<"verify-token">() == pending.digest) {
      return Decision<Renewal>{{ResendOutcome::renewed, address}, {}};
    }
    if (to_integer(stored->text<"resent">()).value_or(0) > now - interval) {
      return Decision<Renewal>{{ResendOutcome::too_soon, {}}, {}};
    }
    Decision<Renewal> renewed{{ResendOutcome::renewed, address}, {}};
    renewed.writes.emplace_back("HSET", keys_.account(id), "verify-token", pending.digest, "verify-expires",
                                pending.expires, "resent", now, "updated", now);
    return renewed;
  };
  co_return co_await change<Renewal>(id, std::move(look), decide);
}

Task<Result<bool>> RedisStore::forget_renewal(AccountId id, Verification pending) {
  Look look;
  look.watch = {keys_.account(id).text()};
  look.reads.push_back(PendingFields::read(keys_.account(id)));
  auto decide = [&](Seen seen, bool) -> Result<Decision<bool>> {
    const auto stored = PendingFields::of(seen[0]);
    if (!stored) {
      return StoreError::internal;
    }
    if (stored->text<"verify-token">() != pending.digest || !stored->has<"resent">()) {
      return Decision<bool>{false, {}};
    }
    return Decision<bool>{true, {Command("HDEL", keys_.account(id), "resent")}};
  };
  co_return co_await change<bool>(id, std::move(look), decide);
}

}  // namespace wallet_sync
