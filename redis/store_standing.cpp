// Who may open a websocket, and where the accounts of websockets stand.
#include "records.hpp"
#include "redis_store.hpp"

namespace wallet_sync {
namespace {

// `wallet` is the reply to HMGET sequence, `account` the one to HMGET password-salt revoked: a password
// change draws a new salt, and whoever revokes the tokens leaves another mark.
std::optional<Standing> standing_of(const Reply& wallet, const Reply& account) {
  const auto sequence = read_sequence(wallet);
  if (!sequence || !account.is_array(2)) {
    return std::nullopt;
  }
  return Standing{TokenState::unknown, *sequence, account.elements[0].text + account.elements[1].text};
}

}  // namespace

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
  commands.emplace_back("HMGET", keys_.account(id), "password-salt", "revoked");
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
    commands.emplace_back("HMGET", keys_.account(id), "password-salt", "revoked");
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
