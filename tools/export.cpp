// wallet-sync-export: what Redis holds, as a database of a wallet-sync server that keeps it in SQLite.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "datetime.hpp"
#include "encoding.hpp"
#include "json.hpp"
#include "password.hpp"
#include "records.hpp"
#include "session.hpp"
#include "sqlite.hpp"

using namespace wallet_sync;

namespace {

constexpr const char* kUsageText = R"(Usage: wallet-sync-export [OPTION...] FILE.sqlite

Writes all accounts and wallets of a wallet-sync server into a new database, in the form that wallet-sync-import
reads. The server may serve meanwhile: each account is written as it stood at one moment. Redis has tokens as hashes
only, so the table auth_tokens stays empty, and accounts that are not verified get new verification tokens, which
nobody knows: devices log in again, and links are asked for again.

Options:
  --redis "ADDRESS [PARAMETER...]"
                        what the directive wallet_sync_redis says; default: the variable WALLET_SYNC_REDIS, or else
                        127.0.0.1:6379
  --json                one JSON object a line; the last one has the numbers
  --help                this text

Status: 0 done, 1 somebody was skipped, or Redis or the file cannot be used, 2 wrong usage,
3 Redis holds data of another schema version: a newer wallet-sync is needed.
)";

constexpr const char* kSchema = R"(
CREATE TABLE accounts (
  normalized_email TEXT NOT NULL UNIQUE, email TEXT NOT NULL, key TEXT NOT NULL, client_salt_seed TEXT NOT NULL,
  server_salt TEXT NOT NULL, verify_token TEXT UNIQUE, verify_expiration DATETIME,
  user_id INTEGER PRIMARY KEY AUTOINCREMENT, created DATETIME, updated DATETIME);
CREATE TABLE auth_tokens (
  token TEXT NOT NULL UNIQUE, user_id INTEGER NOT NULL, device_id TEXT NOT NULL, scope TEXT NOT NULL,
  expiration DATETIME NOT NULL, PRIMARY KEY (user_id, device_id));
CREATE TABLE wallets (
  user_id INTEGER NOT NULL PRIMARY KEY, encrypted_wallet TEXT NOT NULL, sequence INTEGER NOT NULL,
  hmac TEXT NOT NULL, updated DATETIME);
)";

std::string field(const HashFields& fields, const std::string& name) {
  const auto found = fields.find(name);
  return found != fields.end() ? found->second : std::string();
}

// As it was imported, unless it has changed since. Empty: it is not known.
std::string time_of(const HashFields& fields, const std::string& name) {
  const auto seconds = to_integer(field(fields, name));
  if (!seconds || *seconds == 0) {
    return {};
  }
  const std::string exactly = field(fields, name + "-exactly");
  const auto parsed = parse_datetime(exactly);
  return parsed && parsed->seconds == *seconds ? exactly : format_datetime(*seconds);
}

class Export {
 public:
  Export(Database& file, bool json)
      : json_(json),
        has_(file, "SELECT user_id FROM accounts WHERE user_id = ? OR normalized_email = ?"),
        account_(file, "INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"),
        wallet_(file, "INSERT INTO wallets VALUES (?, ?, ?, ?, ?)") {}

  void write(const StoredAccount& stored) {
    if (stored.account.empty()) {
      return;
    }
    const std::string spelling = field(stored.account, "email");
    const auto email = Email::parse(spelling);
    const auto key = PasswordKey::parse(field(stored.account, "password-key"));
    const auto id = to_integer(field(stored.account, "user-id"));
    if (!email || !id || !stored.wrong_types.empty()) {
      return skip(spelling, "it is not what wallet-sync writes; see wallet-sync-admin check");
    }
    if (!key || key->cost != ScryptCost{1U << 15, 8, 1}) {
      return skip(spelling, "its password is hashed in another way than that server can check");
    }
    has_.reset();
    has_.bind(0, *id);
    has_.bind(1, email->normalized());
    if (has_.step()) {
      return skip(spelling, "its user id or address is that of another one; see wallet-sync-admin check");
    }
    write_account(stored, *email, key->digits, *id);
    if (!stored.wallet.empty()) {
      write_wallet(stored.wallet, *id);
    }
    for (const auto& [digest, text] : stored.tokens) {
      const auto record = TokenRecord::parse(text);
      devices_ += record && record->expires > Session::now() ? 1 : 0;
    }
  }

  int finish() const {
    if (json_) {
      std::puts(JsonWriter()
                    .number("accounts", accounts_)
                    .number("wallets", wallets_)
                    .number("skipped", skipped_)
                    .number("unverified", unverified_)
                    .number("devices", devices_)
                    .finish()
                    .c_str());
    } else {
      std::printf("%lld accounts and %lld wallets written, %lld skipped\n", static_cast<long long>(accounts_),
                  static_cast<long long>(wallets_), static_cast<long long>(skipped_));
      if (devices_ > 0) {
        std::printf("%lld devices have to log in again there\n", static_cast<long long>(devices_));
      }
      if (unverified_ > 0) {
        std::printf("%lld accounts are not verified and have to ask for new links there\n",
                    static_cast<long long>(unverified_));
      }
    }
    return skipped_ == 0 ? kDone : kFailed;
  }

 private:
  void skip(const std::string& email, const std::string& reason) {
    ++skipped_;
    if (json_) {
      std::puts(
          JsonWriter().text("skipped", reason).text("email", is_utf8(email) ? email : "").finish().c_str());
    } else {
      std::printf("skipped %s: %s\n", shown(email).c_str(), reason.c_str());
    }
  }

  static void bind_time(Statement& statement, int parameter, const std::string& time) {
    time.empty() ? statement.bind_null(parameter) : statement.bind(parameter, time);
  }

  void write_account(const StoredAccount& stored, const Email& email, const std::string& digits, UserId id) {
    account_.reset();
    account_.bind(0, email.normalized());
    account_.bind(1, email.spelling());
    account_.bind(2, digits);
    account_.bind(3, field(stored.account, "client-salt-seed"));
    account_.bind(4, field(stored.account, "password-salt"));
    account_.bind_null(5);
    account_.bind_null(6);
    if (!stored.verified()) {
      ++unverified_;
      const auto token = Token::generate(stored.id);
      account_.bind(5, token ? token->text() : stored.id.view());
      bind_time(account_, 6, time_of(stored.account, "verify-expires"));
    }
    account_.bind(7, id);
    bind_time(account_, 8, time_of(stored.account, "created"));
    bind_time(account_, 9, time_of(stored.account, "updated"));
    account_.step();
    ++accounts_;
  }

  void write_wallet(const HashFields& wallet, UserId id) {
    wallet_.reset();
    wallet_.bind(0, id);
    wallet_.bind(1, field(wallet, "wallet"));
    wallet_.bind(2, to_integer(field(wallet, "sequence")).value_or(0));
    wallet_.bind(3, field(wallet, "hmac"));
    bind_time(wallet_, 4, time_of(wallet, "updated"));
    wallet_.step();
    ++wallets_;
  }

  bool json_;
  Statement has_;
  Statement account_;
  Statement wallet_;
  std::int64_t accounts_ = 0;
  std::int64_t wallets_ = 0;
  std::int64_t skipped_ = 0;
  std::int64_t unverified_ = 0;
  std::int64_t devices_ = 0;
};

// A new file that is ours alone, instead of one that was left there: whoever else has put it there would own
// the hashes of all passwords.
bool make_file(const std::string& path) {
  if (std::remove(path.c_str()) != 0 && errno != ENOENT) {
    return false;
  }
  const int file =
      open(path.c_str(), O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, S_IRUSR | S_IWUSR);
  return file >= 0 && close(file) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments(argc, argv);
  if (arguments.flag("--help") || arguments.flag("-h")) {
    std::fputs(kUsageText, stdout);
    return kDone;
  }
  const bool json = arguments.flag("--json");
  Session session(arguments);
  if (arguments.rest().size() != 1) {
    arguments.fail("which file?");
  }
  const std::string path = arguments.rest()[0];
  const std::string unfinished = path + ".part";
  struct stat ignored {};
  if (stat(path.c_str(), &ignored) == 0) {
    arguments.fail(path + " is there already");
  }
  umask(S_IRWXG | S_IRWXO);  // for what SQLite puts beside it
  if (!make_file(unfinished)) {
    std::perror(unfinished.c_str());
    return kFailed;
  }
  int status = kFailed;
  {
    Database file = Database::create(arguments.program(), unfinished);
    file.run("BEGIN");
    file.run(kSchema);
    Export out(file, json);
    session.for_each_account(true, [&](const StoredAccount& account) { out.write(account); });
    file.run("COMMIT");
    status = out.finish();
  }
  if (std::rename(unfinished.c_str(), path.c_str()) != 0) {
    std::perror(path.c_str());
    return kFailed;
  }
  return status;
}
