#include "import_store.hpp"

#include "admin_store.hpp"
#include "records.hpp"
#include "user_ids.hpp"

namespace wallet_sync {
namespace {

constexpr std::string_view kYes = "1";

void add_time(Command& command, std::string_view name, const ImportedTime& time) {
  command.add(name);
  command.add(std::to_string(time.seconds));
  if (!time.exactly.empty()) {
    command.add(std::string(name) + "-exactly");
    command.add(time.exactly);
  }
}

// The account that is here: the reply to read_here's HMGET.
struct Here {
  explicit Here(const std::vector<Reply>& field)
      : there(!field[0].is_nil()),
        email(field[0].text),
        id(to_integer(field[1].text).value_or(0)),
        password{field[2].text, field[3].text},
        verified(field[4].text == kYes),
        updated(to_integer(field[5].text).value_or(0)),
        imported(!field[6].is_nil() && field[6].text == field[3].text) {}
  bool there;
  std::string_view email;
  UserId id;
  PasswordHash password;
  bool verified;
  UnixTime updated;
  bool imported;  // its password is that of an earlier import
};

constexpr std::size_t kHereFields = 7;
Command read_here(const std::string& key) {
  return Command("HMGET", key, "email", "user-id", "password-key", "password-salt", "verified", "updated",
                 "imported-salt");
}

}  // namespace

Task<Result<ImportResult>> AdminStore::import_account(const ImportedAccount& imported, bool dry_run) {
  const AccountId id = AccountId::of(imported.email);
  const std::string key = keys().account(id).text();
  Account account = imported.account;
  const std::string ids = clustered() ? keys().user_ids(topology().slot(id)) : std::string();
  Look look;
  look.watch = {key, keys().wallet(id).text(), keys().tokens(id).text()};
  look.weight = imported.wallet ? imported.wallet->encrypted.size() : 0;
  look.reads.push_back(read_here(key));
  look.reads.emplace_back("HMGET", keys().wallet(id), "sequence", "hmac", "wallet", "write");
  if (clustered()) {
    look.watch.push_back(ids);
    look.reads.emplace_back("HGET", ids, "last");
  }
  const std::string write = next_write_id();

  const auto account_fields = [&] {
    Command command("HSET", key, "email", account.email, "user-id", account.id, "password-key",
                    account.password.key, "password-salt", account.password.salt, "client-salt-seed",
                    account.client_salt_seed, "verified", account.verified ? kYes : "0", "imported-salt",
                    account.password.salt);
    add_time(command, "created", imported.created);
    add_time(command, "updated", imported.updated);
    if (!account.verified) {
      add_time(command, "verify-expires", imported.verify_expires);
    }
    return command;
  };
  const auto wallet_fields = [&](std::string_view marks) {
    Command command("HSET", keys().wallet(id), "sequence", imported.wallet->sequence, "hmac",
                    imported.wallet->hmac, "wallet", imported.wallet->encrypted, "write",
                    add_mark(marks, write));
    add_time(command, "updated", imported.wallet_updated);
    return command;
  };

  auto judge = [&](Seen seen, bool maybe_written) -> Result<Decision<ImportResult>> {
    const auto sequence = read_sequence(seen[1]);
    if (!seen[0].is_array(kHereFields) || !seen[1].is_array(4) || !sequence) {
      return StoreError::internal;
    }
    const Here here(seen[0].elements);
    const std::vector<Reply>& wallet = seen[1].elements;
    Decision<ImportResult> decision{{ImportOutcome::unchanged, here.id}, {}};
    if (!here.there) {
      if (clustered() && imported.account.id == 0 && !dry_run) {
        const std::int64_t number = (seen[2].is_nil() ? 0 : to_integer(seen[2].text).value_or(-1)) + 1;
        if (number < 1 || number > kMostOfASlot) {
          return StoreError::internal;
        }
        account.id = user_id_of(topology().slot(id), number);
        decision.writes.emplace_back("HSET", ids, "last", number);
      }
      decision.outcome = {ImportOutcome::created, account.id};
      decision.writes.emplace_back("DEL", keys().wallet(id), keys().tokens(id));  // there should be none
      decision.writes.push_back(account_fields());
      if (imported.wallet) {
        decision.writes.push_back(wallet_fields({}));
      } else if (!account.verified && imported.unverified_lifetime > 0) {
        decision.writes.emplace_back("EXPIRE", key, imported.unverified_lifetime);
      }
      return decision;
    }
    if (!imported.email.is_also_spelled(here.email)) {
      decision.outcome.outcome = ImportOutcome::other_address;
      return decision;
    }
    const bool newer = imported.wallet && imported.wallet->sequence > *sequence;
    if (!same_password(here.password, account.password)) {
      const bool no_wallets = !imported.wallet && *sequence == 0;
      if (!here.imported || imported.updated.seconds < here.updated || (!newer && !no_wallets)) {
        decision.outcome.outcome = ImportOutcome::other_password;
        return decision;
      }
      decision.outcome.outcome = ImportOutcome::updated;
      Command change("HSET", key, "password-key", account.password.key, "password-salt",
                     account.password.salt, "client-salt-seed", account.client_salt_seed, "imported-salt",
                     account.password.salt);
      add_time(change, "updated", imported.updated);
      decision.writes.push_back(std::move(change));
      if (newer) {
        decision.writes.push_back(wallet_fields(wallet[3].text));
      }
      decision.writes.emplace_back("DEL", keys().tokens(id), keys().failures(id));
      decision.writes.push_back(publish(id, kPasswordChanged));
      return decision;
    }
    if (maybe_written && (!imported.wallet || holds_mark(wallet[3].text, write))) {
      decision.outcome.outcome = ImportOutcome::created;
      return decision;
    }
    if (account.verified && !here.verified) {
      decision.writes.emplace_back("HSET", key, "verified", kYes);
      decision.writes.emplace_back("HDEL", key, "verify-token", "verify-expires", "resent");
    }
    if (!here.verified && (account.verified || newer)) {
      decision.writes.emplace_back("PERSIST", key);
    }
    if (newer) {
      decision.writes.push_back(wallet_fields(wallet[3].text));
      decision.writes.push_back(publish(id, std::to_string(imported.wallet->sequence)));
    }
    if (!decision.writes.empty()) {
      decision.outcome.outcome = ImportOutcome::updated;
    } else if (imported.wallet && imported.wallet->sequence < *sequence) {
      decision.outcome.outcome = ImportOutcome::newer_here;
    } else if (imported.wallet &&
               (wallet[1].text != imported.wallet->hmac || wallet[2].text != imported.wallet->encrypted)) {
      decision.outcome.outcome = ImportOutcome::other_wallet;
    }
    return decision;
  };
  auto decide = [&](Seen seen, bool maybe_written) -> Result<Decision<ImportResult>> {
    auto decision = judge(seen, maybe_written);
    if (decision && dry_run) {
      decision->writes.clear();
    }
    return decision;
  };
  co_return co_await change<ImportResult>(id, std::move(look), decide);
}

}  // namespace wallet_sync
