#include "admin_store.hpp"

#include <limits>

#include "records.hpp"

namespace wallet_sync {
namespace {

constexpr int kKeysPerPage = 500;
constexpr std::size_t kRepliesPerAccount = 9;  // MULTI, seven times QUEUED, EXEC

HashFields fields_of(const Reply& reply) {
  HashFields fields;
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    fields.emplace(reply.elements[i].text, reply.elements[i + 1].text);
  }
  return fields;
}

// The order of read_accounts' commands. False: it is not what they are answered with.
bool read_account(const Reply& exec, bool with_wallet, StoredAccount& stored) {
  if (!exec.is_array(kRepliesPerAccount - 2)) {
    return false;
  }
  const std::vector<Reply>& part = exec.elements;
  for (const auto& [index, name] :
       {std::pair<std::size_t, const char*>{0, "account"}, {2, "wallet"}, {4, "tokens"}, {5, "failures"}}) {
    if (part[index].is_error()) {
      stored.wrong_types.emplace_back(name);
    }
  }
  stored.account = fields_of(part[0]);
  stored.ttl = part[1].integer;
  if (with_wallet) {
    stored.wallet = fields_of(part[2]);
  } else {
    static constexpr std::array kNames{"sequence", "hmac", "updated"};
    for (std::size_t i = 0; i < kNames.size() && part[2].is_array(kNames.size()); ++i) {
      if (!part[2].elements[i].is_nil()) {
        stored.wallet.emplace(kNames[i], part[2].elements[i].text);
      }
    }
  }
  stored.wallet_bytes = part[3].integer;
  stored.tokens = fields_of(part[4]);
  stored.failed = read_failures(part[5], part[6]);
  return true;
}

}  // namespace

std::string StoredAccount::field(std::string_view name) const {
  const auto found = account.find(name);
  return found != account.end() ? found->second : std::string();
}

Task<Result<ScanPage>> AdminStore::scan(std::string cursor) {
  Commands commands;
  commands.emplace_back("SCAN", cursor, "MATCH", keys().pattern(), "COUNT", kKeysPerPage);
  auto replies = co_await ask_only(std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  Reply& reply = replies->front();
  if (!reply.is_array(2) || !reply.elements[0].is_text()) {
    co_return failed(StoreError::internal);
  }
  ScanPage page{{}, std::move(reply.elements[0].text)};
  for (Reply& key : reply.elements[1].elements) {
    page.keys.push_back(std::move(key.text));
  }
  co_return page;
}

// A transaction for each account: what is told of it belongs together.
Task<Result<std::vector<StoredAccount>>> AdminStore::read_accounts(std::vector<AccountId> ids,
                                                                   bool with_wallets) {
  std::vector<StoredAccount> accounts;
  if (ids.empty()) {
    co_return accounts;
  }
  Commands commands;
  commands.reserve(ids.size() * kRepliesPerAccount);
  for (const AccountId& id : ids) {
    commands.emplace_back("MULTI");
    commands.emplace_back("HGETALL", keys().account(id));
    commands.emplace_back("TTL", keys().account(id));
    if (with_wallets) {
      commands.emplace_back("HGETALL", keys().wallet(id));
    } else {
      commands.emplace_back("HMGET", keys().wallet(id), "sequence", "hmac", "updated");
    }
    commands.emplace_back("HSTRLEN", keys().wallet(id), "wallet");
    commands.emplace_back("HGETALL", keys().tokens(id));
    commands.emplace_back("GET", keys().failures(id));
    commands.emplace_back("TTL", keys().failures(id));
    commands.emplace_back("EXEC");
  }
  auto replies = co_await ask_only(std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  accounts.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    StoredAccount& stored = accounts.emplace_back(StoredAccount{ids[i], {}, -1, {}, 0, {}, {}, {}});
    if (!read_account((*replies)[(i + 1) * kRepliesPerAccount - 1], with_wallets, stored)) {
      co_return failed(StoreError::internal);
    }
  }
  co_return accounts;
}

Task<Result<StoreNumbers>> AdminStore::read_numbers() {
  Commands commands;
  commands.emplace_back("GET", keys().next_user_id());
  commands.emplace_back("HLEN", keys().whitelist());
  auto replies = co_await ask_only(std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  co_return StoreNumbers{to_integer((*replies)[0].text).value_or(0), (*replies)[1].integer};
}

// What is done twice, since the first EXEC lost its reply, does no harm: all of it can be repeated.
template <typename Writes>
Task<Result<bool>> AdminStore::change_by_hand(Email email, Writes writes) {
  const AccountId id = AccountId::of(email);
  Look look;
  look.watch = {keys().account(id).text(), keys().wallet(id).text(), keys().tokens(id).text()};
  look.reads.emplace_back("HMGET", keys().account(id), "email", "verified");
  auto decide = [&](Seen seen, bool maybe_written) -> Result<Decision<bool>> {
    if (!seen[0].is_array(2)) {
      return StoreError::internal;
    }
    const std::vector<Reply>& field = seen[0].elements;
    if (field[0].is_nil()) {
      return Decision<bool>{maybe_written, {}};
    }
    if (!email.is_also_spelled(field[0].text)) {
      return Decision<bool>{false, {}};
    }
    return Decision<bool>{true, writes(id, field[1].text == "1")};
  };
  co_return co_await change<bool>(id, std::move(look), decide);
}

Task<Result<bool>> AdminStore::verify_by_hand(Email email, UnixTime now) {
  auto writes = [this, now](const AccountId& id, bool verified) {
    Commands commands;
    if (!verified) {
      commands.emplace_back("HSET", keys().account(id), "verified", "1", "updated", now);
      commands.emplace_back("HDEL", keys().account(id), "verify-token", "verify-expires", "resent");
      commands.emplace_back("PERSIST", keys().account(id));
    }
    return commands;
  };
  co_return co_await change_by_hand(std::move(email), writes);
}

// The mark is for the websockets of a worker that does not hear of it at once: see read_standings.
Task<Result<bool>> AdminStore::revoke_tokens(Email email, UnixTime now) {
  const std::string mark = next_write_id();
  auto writes = [&](const AccountId& id, bool) {
    Commands commands;
    commands.emplace_back("HSET", keys().account(id), "revoked", mark, "updated", now);
    commands.emplace_back("DEL", keys().tokens(id));
    commands.push_back(publish(id, kTokensRevoked));
    return commands;
  };
  co_return co_await change_by_hand(std::move(email), writes);
}

Task<Result<bool>> AdminStore::delete_by_hand(Email email) {
  auto writes = [this](const AccountId& id, bool) { return deletion(id); };
  co_return co_await change_by_hand(std::move(email), writes);
}

Task<Result<bool>> AdminStore::add_to_whitelist(Email email, UnixTime now) {
  Commands commands;
  commands.emplace_back("HSETNX", keys().whitelist(), email.normalized(), now);
  auto replies = co_await ask_only(std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  co_return replies->front().integer == 1;
}

Task<Result<bool>> AdminStore::remove_from_whitelist(Email email) {
  Commands commands;
  commands.emplace_back("HDEL", keys().whitelist(), email.normalized());
  auto replies = co_await ask_only(std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  co_return replies->front().integer == 1;
}

Task<Result<std::vector<std::pair<std::string, std::string>>>> AdminStore::read_whitelist() {
  Commands commands;
  commands.emplace_back("HGETALL", keys().whitelist());
  auto replies = co_await ask_only(std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  std::vector<std::pair<std::string, std::string>> list;
  for (auto& [address, since] : fields_of(replies->front())) {
    list.emplace_back(address, since);
  }
  co_return list;
}

Task<Result<bool>> AdminStore::reserve_user_ids(UserId last) {
  auto numbers = co_await read_numbers();
  if (!numbers) {
    co_return numbers.error();
  }
  if (numbers->last_user_id < last) {  // what others draw meanwhile only moves it on
    Commands commands;
    commands.emplace_back("INCRBY", keys().next_user_id(), last - numbers->last_user_id);
    auto replies = co_await ask_only(std::move(commands), Repeat::no);
    if (!replies) {
      co_return replies.error();
    }
  }
  co_return true;
}

Task<Result<UserId>> AdminStore::draw_user_id() {
  Commands commands;
  commands.emplace_back("INCR", keys().next_user_id());
  auto replies = co_await ask_only(std::move(commands), Repeat::no);
  if (!replies) {
    co_return replies.error();
  }
  co_return replies->front().integer;
}

}  // namespace wallet_sync
