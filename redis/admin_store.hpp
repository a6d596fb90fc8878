// What an operator does with a store, from outside the server and while it serves: looking at all of it, and
// changes of accounts that no password is needed for. The same connections, keys and transactions as a
// worker's.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "redis_store.hpp"

namespace wallet_sync {

using HashFields = std::map<std::string, std::string, std::less<>>;

// All that Redis has of an account, as it is.
struct StoredAccount {
  AccountId id;
  HashFields account;     // empty: there is no such account
  std::int64_t ttl = -1;  // seconds until it is gone unless it is verified; negative: it stays
  HashFields wallet;      // of the wallet itself only its size, unless it was asked for
  std::int64_t wallet_bytes = 0;
  HashFields tokens;  // SHA-256 → TokenRecord
  FailedLogins failed;
  std::vector<std::string> wrong_types;  // the parts whose keys are not of their type

  std::string field(std::string_view name) const;
  bool verified() const { return field("verified") == "1"; }
};

// Who has what of a cluster. Two that are equal, and at rest, mean that between them no key changed its place
// and no cursor of SCAN became void.
struct Layout {
  std::vector<std::size_t> slots;  // one of each master; without a cluster, one
  std::string masters;             // as they tell of themselves
  bool at_rest = true;             // no slot is on its way

  bool operator==(const Layout&) const = default;
};

struct StoreNumbers {
  UserId last_user_id = 0;  // 0 in a cluster: see read_last_number
  std::int64_t whitelisted = 0;
};

// A part of all keys. SCAN's promise: what is there all the time is seen, perhaps twice.
struct ScanPage {
  std::vector<std::string> keys;  // ours, by the prefix
  std::string next;               // "0": it was the last
};

class AdminStore final : public RedisStore {
 public:
  using RedisStore::RedisStore;

  bool clustered() const { return topology().clustered(); }
  Task<Result<Layout>> read_layout();
  // What the master of the slot has. `cursor` is "0" at first.
  Task<Result<ScanPage>> scan(std::size_t slot, std::string cursor);
  // Each as it stood at one moment.
  Task<Result<std::vector<StoredAccount>>> read_accounts(std::vector<AccountId> ids, bool with_wallets);
  Task<Result<StoreNumbers>> read_numbers();
  // How many user ids the slot of a cluster has given.
  Task<Result<std::int64_t>> read_last_number(std::size_t slot);

  // False: there is no such account, or what has its id is another address'. So are the next two.
  Task<Result<bool>> verify_by_hand(Email email, UnixTime now);
  // No token of the account is valid any more, and its websockets are closed.
  Task<Result<bool>> revoke_tokens(Email email, UnixTime now);
  Task<Result<bool>> delete_by_hand(Email email);

  // Of the list that `wallet_sync_accounts whitelist stored` reads. False: it was there (not there) before.
  Task<Result<bool>> add_to_whitelist(Email email, UnixTime now);
  Task<Result<bool>> remove_from_whitelist(Email email);
  // Address and since when.
  Task<Result<std::vector<std::pair<std::string, std::string>>>> read_whitelist();

  // Moving in; see import_store.hpp. In a cluster an account without an id is given one with all the rest.
  Task<Result<struct ImportResult>> import_account(const struct ImportedAccount& imported, bool dry_run);
  // No signup is given one of the ids up to this one from now on; not in a cluster.
  Task<Result<bool>> reserve_user_ids(UserId last);
  // In a cluster: no signup in the account's slot is, if it is an id of that slot.
  Task<Result<bool>> reserve_in_slot(AccountId account, UserId last);
  // 0 in a cluster.
  Task<Result<UserId>> draw_user_id();

 private:
  Task<Result<std::vector<StoredAccount>>> read_of_one_master(std::vector<AccountId> ids, bool with_wallets);
  // Runs `writes` on the account of the address, whatever its state.
  template <typename Writes>
  Task<Result<bool>> change_by_hand(Email email, Writes writes);
};

}  // namespace wallet_sync
