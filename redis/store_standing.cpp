// Who may open a websocket, where the accounts of websockets stand, and whether Redis takes writes.
#include "records.hpp"
#include "redis_store.hpp"

namespace wallet_sync {
namespace {

// `wallet` is the reply to HMGET sequence, `salt` the one to HGET password-salt: a password change draws a
// new one.
std::optional<Standing> standing_of(const Reply& wallet, const Reply& salt) {
  const auto sequence = read_sequence(wallet);
  if (!sequence) {
    return std::nullopt;
  }
  return Standing{TokenState::unknown, *sequence, salt.text};
}

}  // namespace

// Within a transaction everything is refused that a change would be: for lack of memory by what is queued,
// for a full disk or missing replicas by what writes.
Task<Result<bool>> RedisStore::takes_writes() {
  Commands commands;
  commands.emplace_back("MULTI");
  commands.emplace_back("DEL", keys_.probe());
  commands.emplace_back("EXEC");
  const auto replies = co_await Read(links_, std::move(commands), Repeat::yes);
  if (!replies) {
    co_return replies.error();
  }
  const Reply& result = replies->back();
  co_return result.is_array(1) && !result.elements.front().is_error();
}

Task<Result<TokenState>> RedisStore::read_token(Token token, UnixTime now) {
  Commands commands;
  commands.emplace_back("HGET", keys_.tokens(token.account()), token.digest());
  auto replies = co_await ask(std::move(commands));
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
  commands.emplace_back("HMGET", keys_.wallet(id), "sequence");
  commands.emplace_back("HGET", keys_.account(id), "password-salt");
  commands.emplace_back("HGET", keys_.tokens(id), token.digest());
  auto replies = co_await ask(std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  auto standing = standing_of((*replies)[0], (*replies)[1]);
  if (!standing) {
    co_return changes_.failed(StoreError::internal);
  }
  standing->token = token_state((*replies)[2], now);
  co_return *std::move(standing);
}

Task<Result<std::vector<Standing>>> RedisStore::read_standings(std::vector<AccountId> accounts) {
  Commands commands;
  commands.reserve(2 * accounts.size());
  for (const AccountId& id : accounts) {
    commands.emplace_back("HMGET", keys_.wallet(id), "sequence");
    commands.emplace_back("HGET", keys_.account(id), "password-salt");
  }
  auto replies = co_await ask(std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  std::vector<Standing> standings;
  standings.reserve(accounts.size());
  for (std::size_t i = 0; i + 1 < replies->size(); i += 2) {
    auto standing = standing_of((*replies)[i], (*replies)[i + 1]);
    if (!standing) {
      co_return changes_.failed(StoreError::internal);
    }
    standings.push_back(*std::move(standing));
  }
  co_return standings;
}

}  // namespace wallet_sync
