// wallet-sync-admin: what an operator does with the accounts in Redis, while the server serves.
#include "admin.hpp"

#include <cstdio>

using namespace wallet_sync;

namespace {

constexpr const char* kUsageText = R"(Usage: wallet-sync-admin [OPTION...] COMMAND [ARGUMENT...]

Looks after the accounts of a wallet-sync server, directly in its Redis. The server may serve meanwhile: every change
is a transaction like its own.

Commands:
  list [--verified | --unverified]
                        all accounts, in no order; streams, however many there are
  show EMAIL            one account: when it was made, its wallet's size and sequence, who is logged in. No secrets.
  verify EMAIL          as if the link in the mail had been opened
  revoke EMAIL          no token of the account is valid any more; its websockets are closed
  delete EMAIL [--yes]  the account with its wallet and tokens; its websockets are closed. Its user id is not given
                        again. Asks first, unless --yes is there.
  whitelist list
  whitelist add EMAIL...
  whitelist remove EMAIL...
                        who may sign up where "wallet_sync_accounts whitelist stored" stands; takes effect at once
  stats                 how many accounts, wallets and tokens there are
  check                 whether all that Redis holds fits together; status 1 if it does not

Options:
  --redis "ADDRESS [PARAMETER...]"
                        what the directive wallet_sync_redis says, such as "unix:/run/redis.sock prefix=wsync" or
                        "sentinel://wallets@10.0.0.1,10.0.0.2 tls=on password_file=/etc/redis.password"; default: the
                        variable WALLET_SYNC_REDIS, or else 127.0.0.1:6379
  --json                one JSON object a line
  --help                this text

Status: 0 done, 1 not done (no such account, Redis away, something wrong found), 2 wrong usage,
3 Redis holds data of another schema version: a newer wallet-sync is needed.
)";

using OfAccount = int (*)(Session&, const AdminOptions&, const Email&);

struct Command1 {
  std::string_view name;
  OfAccount run;
};

constexpr Command1 kOfOneAccount[] = {{"show", show_account},
                                      {"verify", verify_account},
                                      {"revoke", revoke_tokens},
                                      {"delete", delete_account}};

Email email_of(const Arguments& arguments, const std::string& text) {
  auto email = Email::parse(text);
  if (!email) {
    arguments.fail("\"" + shown(text) + "\" is no e-mail address");
  }
  return *std::move(email);
}

int run_whitelist(Session& session, const AdminOptions& options, const Arguments& arguments,
                  const std::vector<std::string>& words) {
  const std::string action = words.size() > 1 ? words[1] : "";
  if (action == "list" && words.size() == 2) {
    return list_whitelist(session, options);
  }
  if ((action != "add" && action != "remove") || words.size() < 3) {
    arguments.fail("write whitelist list, whitelist add EMAIL... or whitelist remove EMAIL...");
  }
  std::vector<Email> emails;
  for (auto word = words.begin() + 2; word != words.end(); ++word) {
    emails.push_back(email_of(arguments, *word));
  }
  for (const Email& email : emails) {
    (action == "add" ? add_to_whitelist : remove_from_whitelist)(session, options, email);
  }
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments(argc, argv);
  if (arguments.flag("--help") || arguments.flag("-h")) {
    std::fputs(kUsageText, stdout);
    return kDone;
  }
  const AdminOptions options{arguments.flag("--json"), arguments.flag("--yes"), arguments.flag("--verified"),
                             arguments.flag("--unverified")};
  Session session(arguments);
  const std::vector<std::string>& words = arguments.rest();
  if (words.empty()) {
    arguments.fail("which command?");
  }
  const std::string& command = words[0];
  if (command == "whitelist") {
    return run_whitelist(session, options, arguments, words);
  }
  for (const auto& [name, run] : kOfOneAccount) {
    if (command == name) {
      if (words.size() != 2) {
        arguments.fail(command + " takes one e-mail address");
      }
      return run(session, options, email_of(arguments, words[1]));
    }
  }
  const auto run = command == "list"    ? list_accounts
                   : command == "stats" ? show_statistics
                   : command == "check" ? check_store
                                        : nullptr;
  if (run == nullptr) {
    arguments.fail("unknown command " + shown(command));
  }
  if (words.size() > 1) {
    arguments.fail(command + " takes no argument");
  }
  return run(session, options);
}
