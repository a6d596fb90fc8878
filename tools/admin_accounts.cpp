// Commands about single accounts, and the list of all.
#include <unistd.h>

#include <iostream>

#include "admin.hpp"
#include "encoding.hpp"
#include "json.hpp"
#include "password.hpp"
#include "records.hpp"

using namespace wallet_sync;

namespace {

int say(const AdminOptions& options, const Email& email, std::string_view result, std::string_view sentence) {
  if (options.json) {
    std::puts(JsonWriter().text("email", email.spelling()).text("result", result).finish().c_str());
  } else {
    std::printf("%s: %.*s\n", shown(email.spelling()).c_str(), static_cast<int>(sentence.size()),
                sentence.data());
  }
  return kDone;
}

int no_account(const AdminOptions& options, const Email& email) {
  say(options, email, "not found", "there is no such account");
  return kFailed;
}

std::size_t valid_tokens(const StoredAccount& account, UnixTime now) {
  std::size_t valid = 0;
  for (const auto& [digest, text] : account.tokens) {
    const auto record = TokenRecord::parse(text);
    valid += record && record->expires > now ? 1U : 0U;
  }
  return valid;
}

std::string of(const HashFields& fields, std::string_view name) {
  const auto found = fields.find(name);
  return found != fields.end() ? found->second : std::string();
}

std::int64_t number_of(const HashFields& fields, std::string_view name) {
  return to_integer(of(fields, name)).value_or(0);
}

void show_json(const StoredAccount& account, bool all) {
  const std::string email = account.field("email");
  JsonWriter json;
  json.text("email", is_utf8(email) ? email : "")
      .number("userId", number_of(account.account, "user-id"))
      .boolean("verified", account.verified())
      .text("created", shown_time(account.field("created")))
      .text("updated", shown_time(account.field("updated")))
      .number("sequence", number_of(account.wallet, "sequence"))
      .number("walletBytes", account.wallet_bytes)
      .number("tokens", static_cast<std::int64_t>(valid_tokens(account, Session::now())));
  if (all) {
    json.text("account", account.id.hex())
        .text("walletUpdated", shown_time(of(account.wallet, "updated")))
        .boolean("saltSeed", !account.field("client-salt-seed").empty())
        .number("failedLogins", account.failed.count)
        .number("expiresIn", account.ttl);
  }
  std::puts(json.finish().c_str());
}

// What the hash was made with, and nothing of it.
std::string password_kind(const StoredAccount& account) {
  const auto key = PasswordKey::parse(account.field("password-key"));
  return key ? "scrypt, N=" + std::to_string(key->cost.n) + ", r=" + std::to_string(key->cost.r) +
                   ", p=" + std::to_string(key->cost.p)
             : std::string("not readable");
}

void show_text(const StoredAccount& account) {
  const auto line = [](const char* name, const std::string& value) {
    std::printf("%-14s %s\n", name, value.c_str());
  };
  line("email", shown(account.field("email")));
  line("user id", shown(account.field("user-id")));
  line("account", account.id.hex());
  line("verified", account.verified() ? "yes" : "no");
  if (account.ttl >= 0) {
    line("gone in", std::to_string(account.ttl) + " s, unless it is verified");
  }
  line("created", shown_time(account.field("created")));
  line("updated", shown_time(account.field("updated")));
  line("password", password_kind(account));
  line("salt seed", account.field("client-salt-seed").empty() ? "none" : "yes");
  if (account.wallet.empty()) {
    line("wallet", "none");
  } else {
    line("wallet", "sequence " + shown(of(account.wallet, "sequence")) + ", " +
                       std::to_string(account.wallet_bytes) + " bytes, of " +
                       shown_time(of(account.wallet, "updated")));
  }
  for (const auto& [digest, text] : account.tokens) {
    const auto record = TokenRecord::parse(text);
    line("token", record ? "until " + shown_time(std::to_string(record->expires)) : "not readable");
  }
  if (account.failed.count > 0) {
    line("failed logins", std::to_string(account.failed.count) + ", forgotten in " +
                              std::to_string(account.failed.seconds_left) + " s");
  }
}

}  // namespace

int list_accounts(Session& session, const AdminOptions& options) {
  if (!options.json) {
    std::printf("%10s  %-8s  %-20s  %10s  %8s  %6s  %s\n", "USER ID", "VERIFIED", "CREATED", "SEQUENCE",
                "BYTES", "TOKENS", "EMAIL");
  }
  session.for_each_account(false, [&](const StoredAccount& account) {
    if (account.account.empty() || (options.verified && !account.verified()) ||
        (options.unverified && account.verified())) {
      return;
    }
    if (options.json) {
      return show_json(account, false);
    }
    std::printf("%10s  %-8s  %-20s  %10s  %8lld  %6zu  %s\n", shown(account.field("user-id")).c_str(),
                account.verified() ? "yes" : "no", shown_time(account.field("created")).c_str(),
                account.wallet.empty() ? "-" : shown(of(account.wallet, "sequence")).c_str(),
                static_cast<long long>(account.wallet_bytes), valid_tokens(account, Session::now()),
                shown(account.field("email")).c_str());
  });
  return kDone;
}

int show_account(Session& session, const AdminOptions& options, const Email& email) {
  const std::vector<AccountId> ids{AccountId::of(email)};
  const auto accounts =
      session.run<std::vector<StoredAccount>>([&] { return session.store().read_accounts(ids, false); });
  const StoredAccount& account = accounts.front();
  if (!email.is_also_spelled(account.field("email"))) {
    return no_account(options, email);
  }
  options.json ? show_json(account, true) : show_text(account);
  return kDone;
}

int verify_account(Session& session, const AdminOptions& options, const Email& email) {
  const bool done = session.run<bool>([&] { return session.store().verify_by_hand(email, Session::now()); });
  return done ? say(options, email, "verified", "is verified") : no_account(options, email);
}

int revoke_tokens(Session& session, const AdminOptions& options, const Email& email) {
  const bool done = session.run<bool>([&] { return session.store().revoke_tokens(email, Session::now()); });
  return done ? say(options, email, "revoked", "all tokens are revoked") : no_account(options, email);
}

int delete_account(Session& session, const AdminOptions& options, const Email& email) {
  if (!options.yes) {
    if (isatty(STDIN_FILENO) == 0) {
      std::fputs("wallet-sync-admin: nobody is there to be asked; add --yes to delete the account\n", stderr);
      return kUsage;
    }
    std::printf("Delete %s with its wallet, for ever? Write yes: ", shown(email.spelling()).c_str());
    std::fflush(stdout);
    std::string answer;
    std::getline(std::cin, answer);
    if (answer != "yes") {
      std::puts("Nothing was deleted.");
      return kFailed;
    }
  }
  const bool done = session.run<bool>([&] { return session.store().delete_by_hand(email); });
  return done ? say(options, email, "deleted", "is deleted") : no_account(options, email);
}

int add_to_whitelist(Session& session, const AdminOptions& options, const Email& email) {
  const bool added =
      session.run<bool>([&] { return session.store().add_to_whitelist(email, Session::now()); });
  return added ? say(options, email, "added", "may sign up")
               : say(options, email, "unchanged", "was on the list already");
}

int remove_from_whitelist(Session& session, const AdminOptions& options, const Email& email) {
  const bool removed = session.run<bool>([&] { return session.store().remove_from_whitelist(email); });
  return removed ? say(options, email, "removed", "may not sign up any more")
                 : say(options, email, "unchanged", "was not on the list");
}

int list_whitelist(Session& session, const AdminOptions& options) {
  using List = std::vector<std::pair<std::string, std::string>>;
  for (const auto& [address, since] : session.run<List>([&] { return session.store().read_whitelist(); })) {
    if (options.json) {
      std::puts(JsonWriter().text("email", address).text("since", shown_time(since)).finish().c_str());
    } else {
      std::printf("%-20s  %s\n", shown_time(since).c_str(), shown(address).c_str());
    }
  }
  return kDone;
}
