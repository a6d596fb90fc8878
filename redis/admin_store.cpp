#include "admin_store.hpp"

#include <algorithm>
#include <limits>
#include <unordered_map>

#include "records.hpp"
#include "user_ids.hpp"

namespace wallet_sync {
namespace {

constexpr int kKeysPerPage = 500;
constexpr std::size_t kFirstSlotField = 8;     // of a line of CLUSTER NODES
constexpr std::size_t kRepliesPerAccount = 9;  // MULTI, seven times QUEUED, EXEC

HashFields fields_of(const Reply& reply) {
  HashFields fields;
  for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
    fields.emplace(reply.elements[i].text, reply.elements[i + 1].text);
  }
  return fields;
}

std::string line_with(std::string_view text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  if (at == text.npos) {
    return {};
  }
  const std::size_t begin = text.substr(0, at).find_last_of('\n') + 1;
  return std::string(text.substr(begin, text.find_first_of("\r\n", at) - begin));
}

// Of CLUSTER NODES, the line of the node that was asked: what does not change by itself, its id, address and
// slots.
std::string own_line(std::string_view nodes) {
  const std::string line = line_with(nodes, "myself,");
  std::string kept;
  std::size_t field = 0;
  for (std::size_t begin = 0; begin < line.size(); ++field) {
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    if (field < 2 || field >= kFirstSlotField) {
      kept += line.substr(begin, end - begin) + ' ';
    }
    begin = end + 1;
  }
  return kept;
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

// A master is known by its id, address, slots and those that come or go; and by its process, whose death
// makes cursors void.
Task<Result<Layout>> AdminStore::read_layout() {
  Layout layout;
  if (!clustered()) {
    layout.slots.push_back(0);
    co_return layout;
  }
  Commands ping;
  ping.emplace_back("PING");
  if (auto map_is_there = co_await ask_there(0, std::move(ping)); !map_is_there) {
    co_return map_is_there.error();
  }
  layout.slots = topology().one_slot_of_each();
  for (const std::size_t slot : layout.slots) {
    Commands commands;
    commands.emplace_back("CLUSTER", "NODES");
    commands.emplace_back("INFO", "server");
    auto replies = co_await ask_there(slot, std::move(commands));
    if (!replies) {
      co_return replies.error();
    }
    const std::string own = own_line((*replies)[0].text);
    layout.masters += own + line_with((*replies)[1].text, "run_id:") + '\n';
    layout.at_rest = layout.at_rest && own.find('[') == own.npos;
  }
  co_return layout;
}

Task<Result<ScanPage>> AdminStore::scan(std::size_t slot, std::string cursor) {
  Commands commands;
  commands.emplace_back("SCAN", cursor, "MATCH", keys().pattern(), "COUNT", kKeysPerPage);
  auto replies = co_await ask_there(slot, std::move(commands));
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

// A transaction for each account: what is told of it belongs together. Those of a master share a trip.
Task<Result<std::vector<StoredAccount>>> AdminStore::read_accounts(std::vector<AccountId> ids,
                                                                   bool with_wallets) {
  std::stable_sort(ids.begin(), ids.end(), [this](const AccountId& one, const AccountId& other) {
    return &topology().of(one) < &topology().of(other);
  });
  std::vector<StoredAccount> accounts;
  accounts.reserve(ids.size());
  for (std::size_t begin = 0, end = 0; begin < ids.size(); begin = end) {
    const Shard* shard = &topology().of(ids[begin]);
    while (end < ids.size() && (end == begin || &topology().of(ids[end]) == shard)) {
      ++end;
    }
    auto part = co_await read_of_one_master(
        {ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.begin() + static_cast<std::ptrdiff_t>(end)},
        with_wallets);
    if (!part) {
      co_return part.error();
    }
    std::move(part->begin(), part->end(), std::back_inserter(accounts));
  }
  co_return accounts;
}

Task<Result<std::vector<StoredAccount>>> AdminStore::read_of_one_master(std::vector<AccountId> ids,
                                                                        bool with_wallets) {
  std::vector<StoredAccount> accounts;
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
  auto replies = co_await ask_there(topology().slot(ids.front()), std::move(commands));
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
  StoreNumbers numbers;
  Commands length;
  length.emplace_back("HLEN", keys().whitelist());
  auto replies = co_await ask_of_key(keys().whitelist(), std::move(length));
  if (!replies) {
    co_return replies.error();
  }
  numbers.whitelisted = replies->front().integer;
  if (!clustered()) {
    Commands last;
    last.emplace_back("GET", keys().next_user_id());
    replies = co_await ask_of_key(keys().next_user_id(), std::move(last));
    if (!replies) {
      co_return replies.error();
    }
    numbers.last_user_id = to_integer(replies->front().text).value_or(0);
  }
  co_return numbers;
}

Task<Result<std::int64_t>> AdminStore::read_last_number(std::size_t slot) {
  const std::string key = keys().user_ids(slot);
  Commands commands;
  commands.emplace_back("HGET", key, "last");
  auto replies = co_await ask_of_key(key, std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  co_return to_integer(replies->front().text).value_or(0);
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
  auto replies = co_await ask_of_key(keys().whitelist(), std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  co_return replies->front().integer == 1;
}

Task<Result<bool>> AdminStore::remove_from_whitelist(Email email) {
  Commands commands;
  commands.emplace_back("HDEL", keys().whitelist(), email.normalized());
  auto replies = co_await ask_of_key(keys().whitelist(), std::move(commands));
  if (!replies) {
    co_return replies.error();
  }
  co_return replies->front().integer == 1;
}

Task<Result<std::vector<std::pair<std::string, std::string>>>> AdminStore::read_whitelist() {
  Commands commands;
  commands.emplace_back("HGETALL", keys().whitelist());
  auto replies = co_await ask_of_key(keys().whitelist(), std::move(commands));
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
    auto replies = co_await ask_of_key(keys().next_user_id(), std::move(commands), Repeat::no);
    if (!replies) {
      co_return replies.error();
    }
  }
  co_return true;
}

Task<Result<bool>> AdminStore::reserve_in_slot(AccountId account, UserId last) {
  const std::size_t slot = topology().slot(account);
  if (last < kFirstOfCluster || slot_of_user_id(last) != slot) {
    co_return true;  // nobody is given it here
  }
  const std::string ids = keys().user_ids(slot);
  const std::int64_t number = number_of_user_id(last);
  Look look;
  look.watch = {ids};
  look.reads.emplace_back("HGET", ids, "last");
  auto decide = [&](Seen seen, bool) -> Result<Decision<bool>> {
    Decision<bool> decision{true, {}};
    if (to_integer(seen[0].text).value_or(0) < number) {
      decision.writes.emplace_back("HSET", ids, "last", number);
    }
    return decision;
  };
  co_return co_await change<bool>(account, std::move(look), decide);
}

Task<Result<UserId>> AdminStore::draw_user_id() {
  if (clustered()) {
    co_return UserId{0};
  }
  Commands commands;
  commands.emplace_back("INCR", keys().next_user_id());
  auto replies = co_await ask_of_key(keys().next_user_id(), std::move(commands), Repeat::no);
  if (!replies) {
    co_return replies.error();
  }
  co_return replies->front().integer;
}

}  // namespace wallet_sync
