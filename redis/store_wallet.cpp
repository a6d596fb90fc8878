// Reading and replacing wallets.
#include "records.hpp"
#include "redis_store.hpp"

namespace wallet_sync {
namespace {

constexpr std::size_t kWritePrefixDigits = 16;

}  // namespace

RedisStore::RedisStore(EventLoop& loop, Server server, Monitor& monitor)
    : server_(std::move(server)),
      monitor_(monitor),
      keys_(server_.key_prefix),
      deadlines_(loop),
      topology_(deadlines_, server_, monitor),
      write_prefix_(new_salt().value_or("").substr(0, kWritePrefixDigits) + ".") {}

// The wallet is read first and the token second: a token that is valid at the later moment was valid at the
// earlier one, so no wallet is shown to a token that was revoked before it was written.
Task<Result<WalletVersion>> RedisStore::show_wallet(Token token, UnixTime now, WalletReader& reader) {
  const AccountId id = token.account();
  return glance<WalletVersion>(
      id,
      [this, id, token](auto& commands) {
        WalletFields::add_to(commands, keys_.wallet(id));
        commands.add("HGET", keys_.tokens(id), token.digest().view());
      },
      [now, &reader](std::span<Reply> replies) -> Result<WalletVersion> {
        std::optional<ShownWallet> wallet;
        if (!read_wallet(replies[0], wallet)) {
          return StoreError::internal;
        }
        const TokenState state = token_state(replies[1], now);
        if (wallet && state == TokenState::valid) {
          reader.on_wallet(*wallet);
        }
        return WalletVersion{state, wallet ? wallet->sequence : 0};
      });
}

Task<Result<WalletVersion>> RedisStore::get_wallet_version(Token token, UnixTime now) {
  const AccountId id = token.account();
  return glance<WalletVersion>(
      id,
      [this, id, token](auto& commands) {
        SequenceField::add_to(commands, keys_.wallet(id));
        commands.add("HGET", keys_.tokens(id), token.digest().view());
      },
      [now](std::span<Reply> replies) -> Result<WalletVersion> {
        const auto sequence = read_sequence(replies[0]);
        if (!sequence) {
          return StoreError::internal;
        }
        return WalletVersion{token_state(replies[1], now), *sequence};
      });
}

// Stores the next version of a wallet. WATCH covers the wallet and the tokens: neither another write nor a
// password change slips in between.
Task<Result<PutOutcome>> RedisStore::put_wallet(Token token, Wallet wallet, UnixTime now) {
  const AccountId id = token.account();
  Look look;
  look.watch = {keys_.wallet(id).text(), keys_.tokens(id).text()};
  look.weight = wallet.encrypted.size();
  look.reads.reserve(2);
  look.reads.emplace_back("HGET", keys_.tokens(id), token.digest().view());
  look.reads.push_back(WalletStateFields::read(keys_.wallet(id)));
  const std::string write = next_write_id();

  auto decide = [&](Seen seen, bool maybe_written) -> Result<Decision<PutOutcome>> {
    const auto current = read_wallet_state(seen[1]);
    if (!current) {
      return StoreError::internal;
    }
    if (maybe_written && holds_mark(current->marks, write)) {
      return Decision<PutOutcome>{PutOutcome::stored, {}};
    }
    switch (token_state(seen[0], now)) {
      case TokenState::unknown: return Decision<PutOutcome>{PutOutcome::unknown_token, {}};
      case TokenState::wrong_scope: return Decision<PutOutcome>{PutOutcome::wrong_scope, {}};
      case TokenState::valid: break;
    }
    if (wallet.sequence != std::uint64_t{current->sequence} + 1) {  // no wallet yet counts as sequence 0
      return Decision<PutOutcome>{PutOutcome::conflict, {}};
    }
    Decision<PutOutcome> accepted{PutOutcome::stored, {}};
    accepted.writes.reserve(2);
    accepted.writes.push_back(write_wallet(id, wallet, current->marks, write, now));
    accepted.writes.push_back(publish(id, std::to_string(wallet.sequence)));
    return accepted;
  };
  co_return co_await change<PutOutcome>(id, std::move(look), decide);
}

Command RedisStore::write_wallet(const AccountId& id, const Wallet& wallet, std::string_view marks,
                                 std::string_view write, UnixTime now) const {
  return Command("HSET", keys_.wallet(id), "sequence", wallet.sequence, "hmac", wallet.hmac, "wallet",
                 wallet.encrypted, "write", add_mark(marks, write), "updated", now);
}

// In a cluster to those only who listen at the nodes of the account's slot, not to all nodes.
Command RedisStore::publish(const AccountId& id, std::string_view message) const {
  return Command(server_.cluster.empty() ? "PUBLISH" : "SPUBLISH", keys_.events(id), message);
}

// Unique among all writes of all workers: it tells our own write from another's when EXEC lost its reply.
std::string RedisStore::next_write_id() { return write_prefix_ + std::to_string(++writes_); }

}  // namespace wallet_sync
