// Who may open a websocket, where the accounts of websockets stand, and whether Redis takes writes.
#include <unordered_map>

#include "records.hpp"
#include "redis_store.hpp"

namespace wallet_sync {
namespace {

// `wallet` is the reply to SequenceField, `account` the one to CredentialMarks.
std::optional<Standing> standing_of(const Reply& wallet, const Reply& account) {
  const auto sequence = read_sequence(wallet);
  const auto marks = CredentialMarks::of(account);
  if (!sequence || !marks) {
    return std::nullopt;
  }
  return Standing{TokenState::unknown, *sequence, marks->text<"password-salt">() + marks->text<"revoked">()};
}

}  // namespace

// Within a transaction everything is refused that a change would be: for lack of memory by what is queued,
// for a full disk or missing replicas by what writes.
Task<Result<bool>> RedisStore::takes_writes() {
  const std::vector<std::size_t> slots = topology_.one_slot_of_each();
  for (const std::size_t slot : slots) {
    const std::string probe = topology_.clustered() ? keys_.probe(slot) : keys_.probe();
    Commands commands;
    commands.emplace_back("DEL", probe);
    commands.emplace_back("SET", probe, "", "XX");  // of a key that is not there
    const auto replies = co_await Read(topology_.of_slot(slot).links, std::move(commands), Repeat::yes);
    if (!replies) {
      co_return replies.error();
    }
    if (replies->empty() || redirection_of(replies->front()) || redirection_of(replies->back())) {
      continue;  // the slot is somewhere else by now: the next question finds out
    }
    // DEL is refused like any write, but for want of memory: SET is then. An ACL may forbid that, for nobody
    // else needs it.
    const Reply& set = replies->back();
    if (replies->front().is_error() || (set.is_error() && !set.text.starts_with("NOPERM"))) {
      co_return false;
    }
  }
  co_return true;
}

Task<Result<TokenState>> RedisStore::read_token(Token token, UnixTime now) {
  const AccountId id = token.account();
  Commands commands;
  commands.emplace_back("HGET", keys_.tokens(id), token.digest().view());
  auto replies = co_await ask(id, std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  co_return token_state((*replies)[0], now);
}

// The token is read last: if it is valid then, the password that was read before is the one it was issued
// for.
Task<Result<Standing>> RedisStore::read_standing(Token token, UnixTime now) {
  const AccountId id = token.account();
  Commands commands;
  commands.push_back(SequenceField::read(keys_.wallet(id)));
  commands.push_back(CredentialMarks::read(keys_.account(id)));
  commands.emplace_back("HGET", keys_.tokens(id), token.digest().view());
  auto replies = co_await ask(id, std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  auto standing = standing_of((*replies)[0], (*replies)[1]);
  if (!standing) {
    co_return failed(StoreError::internal);
  }
  standing->token = token_state((*replies)[2], now);
  co_return *std::move(standing);
}

void RedisStore::add_standing(const AccountId& account, Commands& commands) const {
  commands.push_back(SequenceField::read(keys_.wallet(account)));
  commands.push_back(CredentialMarks::read(keys_.account(account)));
}

Task<Result<Standing>> RedisStore::read_one_standing(AccountId account) {
  Commands commands;
  add_standing(account, commands);
  auto replies = co_await ask(account, std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  auto standing = standing_of((*replies)[0], (*replies)[1]);
  if (!standing) {
    co_return failed(StoreError::internal);
  }
  co_return *std::move(standing);
}

// One trip to each shard. What a shard does not answer, because it has failed or is not the right one any
// more, leaves the others' answers alone.
Task<std::vector<Result<Standing>>> RedisStore::read_standings(std::vector<AccountId> accounts) {
  std::vector<Result<Standing>> standings(accounts.size(), StoreError::unavailable);
  std::unordered_map<Shard*, std::vector<std::size_t>> by_shard;
  for (std::size_t i = 0; i < accounts.size(); ++i) {
    by_shard[&topology_.of(accounts[i])].push_back(i);
  }
  std::vector<std::vector<std::size_t>> groups;
  groups.reserve(by_shard.size());
  for (auto& [shard, group] : by_shard) {
    groups.push_back(std::move(group));
  }
  for (const std::vector<std::size_t>& group : groups) {
    Commands commands;
    commands.reserve(2 * group.size());
    for (const std::size_t i : group) {
      add_standing(accounts[i], commands);
    }
    // By now the shard may be gone: it is looked up again.
    auto replies =
        co_await Read(topology_.of(accounts[group.front()]).links, std::move(commands), Repeat::yes);
    if (!replies) {
      failed(replies.error());
      continue;
    }
    for (std::size_t n = 0; n < group.size(); ++n) {
      const std::size_t at = 2 * n;
      if (at + 1 >= replies->size() || (*replies)[at].is_error() || (*replies)[at + 1].is_error()) {
        standings[group[n]] = co_await read_one_standing(accounts[group[n]]);
      } else if (auto standing = standing_of((*replies)[at], (*replies)[at + 1])) {
        standings[group[n]] = *std::move(standing);
      } else {
        standings[group[n]] = failed(StoreError::internal);
      }
    }
  }
  co_return standings;
}

}  // namespace wallet_sync
