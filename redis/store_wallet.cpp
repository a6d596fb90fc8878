// Reading and replacing wallets.
#include "records.hpp"
#include "redis_store.hpp"

namespace wallet_sync {

RedisStore::RedisStore(EventLoop& loop, Server server, Monitor& monitor)
    : server_(std::move(server)),
      monitor_(monitor),
      keys_(server_.key_prefix),
      link_(loop, server_, monitor),
      pool_(loop, server_, monitor, link_),
      transactions_(pool_, link_, monitor),
      write_prefix_(new_salt().value_or("") + ".") {}

Task<Result<Replies>> RedisStore::ask(Commands commands) {
  auto replies = co_await link_.request(std::move(commands));
  if (!replies) {
    co_return transactions_.failed(replies.error());
  }
  for (const Reply& reply : *replies) {
    if (reply.is_error()) {
      monitor_.warn("Redis at " + server_.name() + " refuses: " + reply.text);
      co_return transactions_.failed(StoreError::refused);
    }
  }
  co_return replies;
}

// The wallet is read first and the token second: a token that is valid at the later moment was valid at the
// earlier one, so no wallet is shown to a token that was revoked before it was written.
Task<Result<WalletView>> RedisStore::get_wallet(Token token, UnixTime now) {
  const AccountId id = token.account();
  Commands commands;
  commands.reserve(2);
  commands.emplace_back("HMGET", keys_.wallet(id), "sequence", "hmac", "wallet");
  commands.emplace_back("HGET", keys_.tokens(id), token.digest());
  auto replies = co_await ask(std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  WalletView view;
  view.token = token_state((*replies)[1], now);
  if (!read_wallet(std::move((*replies)[0]), view.wallet)) {
    co_return transactions_.failed(StoreError::internal);
  }
  co_return view;
}

// Stores the next version of a wallet. WATCH covers the wallet and the tokens: neither another write nor a
// password change slips in between.
Task<Result<PutOutcome>> RedisStore::put_wallet(Token token, Wallet wallet, UnixTime now) {
  const AccountId id = token.account();
  Commands look;
  look.reserve(3);
  look.emplace_back("WATCH", keys_.wallet(id), keys_.tokens(id));
  look.emplace_back("HGET", keys_.tokens(id), token.digest());
  look.emplace_back("HMGET", keys_.wallet(id), "sequence", "write");
  const std::string write = next_write_id();

  auto decide = [&](const Replies& seen, bool maybe_written) -> Result<Decision<PutOutcome>> {
    const auto current = read_sequence(seen[1]);
    if (!current) {
      return StoreError::internal;
    }
    if (maybe_written && seen[1].elements[1].text == write) {
      return Decision<PutOutcome>{PutOutcome::stored, {}};
    }
    switch (token_state(seen[0], now)) {
      case TokenState::unknown: return Decision<PutOutcome>{PutOutcome::unknown_token, {}};
      case TokenState::wrong_scope: return Decision<PutOutcome>{PutOutcome::wrong_scope, {}};
      case TokenState::valid: break;
    }
    if (wallet.sequence != std::uint64_t{*current} + 1) {  // no wallet yet counts as sequence 0
      return Decision<PutOutcome>{PutOutcome::conflict, {}};
    }
    Decision<PutOutcome> accepted{PutOutcome::stored, {}};
    accepted.writes.push_back(write_wallet(id, wallet, write, now));
    accepted.writes.emplace_back("PUBLISH", keys_.events(id), wallet.sequence);
    return accepted;
  };
  co_return co_await transactions_.run<PutOutcome>(std::move(look), decide);
}

Command RedisStore::write_wallet(const AccountId& id, const Wallet& wallet, const std::string& write,
                                 UnixTime now) const {
  return Command("HSET", keys_.wallet(id), "sequence", wallet.sequence, "hmac", wallet.hmac, "wallet",
                 wallet.encrypted, "write", write, "updated", now);
}

// Unique among all writes of all workers: it tells our own write from another's when EXEC lost its reply.
std::string RedisStore::next_write_id() { return write_prefix_ + std::to_string(++writes_); }

}  // namespace wallet_sync
