// wallet-sync-import: the accounts and wallets of a wallet-sync server that keeps them in SQLite.
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <unordered_map>

#include "datetime.hpp"
#include "import_report.hpp"
#include "server_words.hpp"
#include "session.hpp"
#include "user_ids.hpp"

using namespace wallet_sync;

namespace {

constexpr const char* kUsageText = R"(Usage: wallet-sync-import [OPTION...] FILE.sqlite

Moves the accounts of a wallet-sync server that keeps them in SQLite into Redis: passwords, salt seeds, verification,
wallets and user ids. Both servers may serve meanwhile; the file is only read. It may be run again, after it was
stopped or when the file has changed since: what is newer in the file is taken over, what is newer in Redis stays, and
whoever is skipped is told with the reason. Tokens are not taken over: devices log in again.

Options:
  --dry-run             only tells what would be done
  --unverified-lifetime TIME
                        so long an account that is not verified may wait for it, such as 7d (the default) or off
  --redis "ADDRESS [PARAMETER...]"
                        what the directive wallet_sync_redis says; default: the variable WALLET_SYNC_REDIS, or else
                        127.0.0.1:6379
  --progress            shows how far it is, also where the output is no terminal
  --json                one JSON object a line; the last one has the numbers
  --help                this text

Status: 0 done, 1 somebody was skipped, or it was stopped, or Redis or the file cannot be used, 2 wrong usage,
3 Redis holds data of another schema version: a newer wallet-sync is needed.
)";

constexpr std::size_t kRowsAtOnce = 64;
constexpr std::size_t kBytesAtOnce = 4 << 20;

volatile sig_atomic_t stop_wanted = 0;

class Progress {
 public:
  Progress(bool wanted, std::int64_t total) : wanted_(wanted), total_(total) {}
  void show(std::int64_t done) const {
    if (wanted_) {
      constexpr int kWidth = 40;
      const int filled = total_ > 0 ? static_cast<int>(done * kWidth / total_) : kWidth;
      std::fprintf(stderr, "\r[%-*.*s] %lld/%lld%s", kWidth, filled,
                   "########################################", static_cast<long long>(done),
                   static_cast<long long>(total_), done == total_ ? "\n" : "");
    }
  }

 private:
  bool wanted_;
  std::int64_t total_;
};

class Import {
 public:
  Import(Session& session, Database& file, ImportReport& report, bool dry_run, std::uint32_t lifetime)
      : session_(session), file_(file), report_(report), dry_run_(dry_run), lifetime_(lifetime) {}

  // False: it was stopped.
  bool run(const Progress& progress) {
    learn_user_ids();
    Statement rows(file_, kRowsSql);
    std::vector<Row> batch;
    std::size_t bytes = 0;
    std::int64_t done = 0;
    progress.show(0);
    while (stop_wanted == 0 && rows.step()) {
      batch.push_back(read_row(rows, lifetime_));
      if (const auto& imported = batch.back().imported; imported && imported->wallet) {
        bytes += imported->wallet->encrypted.size();
      }
      if (batch.size() == kRowsAtOnce || bytes >= kBytesAtOnce) {
        done += static_cast<std::int64_t>(batch.size());
        take(batch);
        bytes = 0;
        progress.show(done);
      }
    }
    done += static_cast<std::int64_t>(batch.size());
    take(batch);
    if (stop_wanted == 0) {
      progress.show(done);
    }
    return stop_wanted == 0;
  }

 private:
  // User ids are kept, so nobody else may have them, nor get them from now on.
  void learn_user_ids() {
    if (!dry_run_) {
      reserve_user_ids();
    }
    session_.for_each_account(false, [&](const StoredAccount& account) {
      if (const auto id = to_integer(account.field("user-id"))) {
        owners_.emplace(*id, account.id.hex());
        present_.insert(account.id.hex());
      }
    });
  }

  void reserve_user_ids() {
    if (session_.store().clustered()) {
      return reserve_in_slots();
    }
    Statement last(file_, "SELECT max(user_id) FROM accounts WHERE user_id < ?");
    last.bind(0, kFirstOfCluster);
    last.step();
    const std::int64_t last_id = last.integer(0);
    if (last_id > 0) {
      session_.run<bool>([&] { return session_.store().reserve_user_ids(last_id); });
    }
  }

  // Each slot has its counter, and its accounts have ids of it, unless they come from a server that is no
  // cluster.
  void reserve_in_slots() {
    Statement rows(file_, "SELECT user_id, email FROM accounts WHERE user_id >= ?");
    rows.bind(0, kFirstOfCluster);
    std::unordered_map<std::size_t, std::pair<AccountId, UserId>> last;
    while (rows.step()) {
      if (const auto email = Email::parse(rows.text(1))) {
        const AccountId account = AccountId::of(*email);
        const UserId id = rows.integer(0);
        if (const std::size_t slot = slot_of_tag(account.view());
            slot == slot_of_user_id(id) && is_of_cluster(id)) {
          const auto place = last.try_emplace(slot, account, id).first;
          place->second.second = std::max(place->second.second, id);
        }
      }
    }
    for (const auto& [slot, highest] : last) {
      session_.run<bool>([&, account = highest.first, id = highest.second] {
        return session_.store().reserve_in_slot(account, id);
      });
    }
  }

  // Whether the row can be given to the store.
  bool prepare(Row& row) {
    if (!row.imported) {
      report_.skipped(row, row.refused);
      return false;
    }
    const std::string id = AccountId::of(row.imported->email).hex();
    if (const auto [other, fresh] = users_.emplace(id, row.user_id); !fresh) {
      report_.skipped(row, "its address is that of user " + std::to_string(other->second) +
                               ", too, whatever the case of its letters");
      return false;
    }
    const auto owner = owners_.find(row.user_id);
    const bool taken = owner != owners_.end() && owner->second != id;
    if ((taken || is_no_id_of_ours(row)) && !present_.contains(id)) {
      row.imported->account.id =
          dry_run_ ? 0 : session_.run<UserId>([&] { return session_.store().draw_user_id(); });
    }
    return true;
  }

  // One that Redis would never give: a cluster's where there is none, or one of another slot's or beyond them
  // all.
  bool is_no_id_of_ours(const Row& row) const {
    if (row.user_id < kFirstOfCluster) {
      return false;
    }
    return !session_.store().clustered() || !is_of_cluster(row.user_id) ||
           slot_of_user_id(row.user_id) != slot_of_tag(AccountId::of(row.imported->email).view());
  }

  void take(std::vector<Row>& batch) {
    std::vector<Row*> taken;
    std::vector<std::function<Task<Result<ImportResult>>()>> makers;
    for (Row& row : batch) {
      if (prepare(row)) {
        taken.push_back(&row);
        makers.emplace_back(
            [this, &row] { return session_.store().import_account(*row.imported, dry_run_); });
      }
    }
    const std::vector<ImportResult> results = session_.run_all(makers);
    for (std::size_t i = 0; i < taken.size(); ++i) {
      report_.done(*taken[i], results[i]);
    }
    batch.clear();
  }

  Session& session_;
  Database& file_;
  ImportReport& report_;
  bool dry_run_;
  std::uint32_t lifetime_;
  std::unordered_map<std::int64_t, std::string> owners_;  // of user ids in Redis
  std::unordered_set<std::string> present_;               // accounts in Redis
  std::unordered_map<std::string, std::int64_t> users_;   // of the accounts of the file so far
};

// Valid tokens, and of how many accounts.
std::pair<std::int64_t, std::int64_t> count_devices(Database& file) {
  if (!file.has_table("auth_tokens")) {
    return {0, 0};
  }
  std::int64_t devices = 0;
  std::unordered_set<std::int64_t> users;
  Statement tokens(file, "SELECT t.user_id, t.expiration FROM auth_tokens t JOIN accounts USING (user_id)");
  while (tokens.step()) {
    const auto expires = parse_datetime(tokens.text(1));
    if (expires && expires->seconds > Session::now()) {
      ++devices;
      users.insert(tokens.integer(0));
    }
  }
  return {devices, static_cast<std::int64_t>(users.size())};
}

std::int64_t count_accounts(Database& file) {
  Statement count(file, "SELECT count(*) FROM accounts");
  count.step();
  return count.integer(0);
}

void report_lost_wallets(Database& file, ImportReport& report) {
  Statement lost(file, "SELECT user_id FROM wallets WHERE user_id NOT IN (SELECT user_id FROM accounts)");
  while (lost.step()) {
    Row row;
    row.user_id = lost.integer(0);
    report.skipped(row, "there is no account to this wallet");
  }
}

std::uint32_t lifetime_of(Arguments& arguments) {
  const std::string text = arguments.value("--unverified-lifetime").value_or("7d");
  if (text == "off") {
    return 0;
  }
  const auto time = milliseconds_of(text);
  if (!time || *time < 1000) {
    arguments.fail("--unverified-lifetime " + text + ": write a time such as 7d, up to 24d, or off");
  }
  return static_cast<std::uint32_t>(*time / 1000);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments(argc, argv);
  if (arguments.flag("--help") || arguments.flag("-h")) {
    std::fputs(kUsageText, stdout);
    return kDone;
  }
  const bool dry_run = arguments.flag("--dry-run");
  const bool progress = arguments.flag("--progress") || isatty(STDERR_FILENO) != 0;
  const bool json = arguments.flag("--json");
  const std::uint32_t lifetime = lifetime_of(arguments);
  Session session(arguments);
  if (arguments.rest().size() != 1) {
    arguments.fail("which file?");
  }
  Database file = Database::open_to_read(arguments.program(), arguments.rest()[0]);
  file.run("BEGIN");  // one state of it, whoever writes meanwhile
  ImportReport report(json, dry_run);
  const auto [devices, accounts] = count_devices(file);
  report_lost_wallets(file, report);

  struct sigaction action {};
  action.sa_handler = [](int) { stop_wanted = 1; };
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second one ends it at once
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  Import import(session, file, report, dry_run, lifetime);
  const bool finished = import.run(Progress(progress, count_accounts(file)));
  report.finish(devices, accounts, !finished);
  return finished && report.all_is_well() ? kDone : kFailed;
}
