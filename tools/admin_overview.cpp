// Commands about all that Redis holds.
#include <array>
#include <limits>
#include <unordered_map>

#include "admin.hpp"
#include "encoding.hpp"
#include "json.hpp"
#include "password.hpp"
#include "records.hpp"
#include "user_ids.hpp"

using namespace wallet_sync;

namespace {

constexpr std::size_t kMostTokens = 1000;  // as a login leaves them, or fewer

class Checker {
 public:
  Checker(Session& session, bool json) : session_(session), keys_(session.store().keys()), json_(json) {}

  void look_at(const StoredAccount& account) {
    for (const std::string& part : account.wrong_types) {
      complain(account, "the key of its " + part + " is of another type");
    }
    if (account.account.empty()) {
      if (account.wrong_types.empty() && (!account.wallet.empty() || !account.tokens.empty())) {
        complain(account, "there is no account to its wallet or tokens");
      }
      return;
    }
    ++accounts_;
    look_at_address(account);
    look_at_password(account);
    look_at_verification(account);
    look_at_wallet(account);
    look_at_tokens(account);
  }

  void look_at_other(const std::string& key) {
    if (key == keys_.next_user_id() || key == keys_.whitelist() || key == keys_.schema() ||
        keys_.is_user_ids(key)) {
      return;
    }
    complain("", "the key \"" + shown(key) + "\" is none of wallet-sync's");
  }

  // The numbers are read last: an id is drawn before its account is made.
  int finish() {
    const auto numbers = session_.run<StoreNumbers>([&] { return session_.store().read_numbers(); });
    std::unordered_map<std::size_t, UserId> last;  // of a cluster's slots
    for (const auto& [id, account] : ids_) {
      UserId drawn = numbers.last_user_id;
      if (session_.store().clustered()) {
        const std::size_t slot = id >= kFirstOfCluster ? slot_of_user_id(id) : kSlots;
        const auto [place, fresh] = last.try_emplace(slot, id);
        if (fresh && slot != kSlots) {
          place->second = user_id_of(
              slot, session_.run<std::int64_t>([&] { return session_.store().read_last_number(slot); }));
        }
        drawn = slot != kSlots ? place->second : id;  // one that came with its account
      }
      if (id > drawn) {
        complain(account, "its user id " + std::to_string(id) + " is beyond the last one drawn, " +
                              std::to_string(drawn));
      }
    }
    if (json_) {
      std::puts(JsonWriter().number("accounts", accounts_).number("problems", problems_).finish().c_str());
    } else {
      std::printf("%lld accounts, %lld problems\n", static_cast<long long>(accounts_),
                  static_cast<long long>(problems_));
    }
    return problems_ == 0 ? kDone : kFailed;
  }

 private:
  void complain(const std::string& account, const std::string& problem) {
    ++problems_;
    const std::string text = is_utf8(problem) ? problem : std::string("a key that is no text");
    if (json_) {
      std::puts(JsonWriter().text("account", account).text("problem", text).finish().c_str());
    } else {
      std::printf("%s%s%s\n", account.c_str(), account.empty() ? "" : ": ", text.c_str());
    }
  }
  void complain(const StoredAccount& account, const std::string& problem) {
    complain(account.id.hex(), problem);
  }

  void look_at_address(const StoredAccount& account) {
    const auto email = Email::parse(account.field("email"));
    if (!email || AccountId::of(*email) != account.id) {
      complain(account, "its address is not the one it is named by");
    }
    const auto id = to_integer(account.field("user-id"));
    if (!id || *id < 1) {
      complain(account, "it has no user id");
    } else if (const auto [other, fresh] = ids_.emplace(*id, account.id.hex()); !fresh) {
      complain(account, "its user id " + std::to_string(*id) + " is that of " + other->second + ", too");
    }
    if (!to_integer(account.field("created")) || !to_integer(account.field("updated"))) {
      complain(account, "it is not known when it was made or changed");
    }
  }

  void look_at_password(const StoredAccount& account) {
    const std::string salt = account.field("password-salt");
    if (!PasswordKey::parse(account.field("password-key")) || salt.size() != 32 || !is_lower_hex(salt)) {
      complain(account, "its password is not readable: nobody can log in");
    }
    const std::string seed = account.field("client-salt-seed");
    if (!seed.empty() && (seed.size() != 64 || !is_hex(seed))) {
      complain(account, "its salt seed is not readable");
    }
  }

  void look_at_verification(const StoredAccount& account) {
    const std::string verified = account.field("verified");
    if (verified != "0" && verified != "1") {
      complain(account, "it is not known whether it is verified");
    }
    if (account.verified() && account.ttl >= 0) {
      complain(account, "it is verified and will be gone in " + std::to_string(account.ttl) + " s");
    }
    if (!account.verified() && !account.tokens.empty()) {
      complain(account, "it is not verified and has tokens");
    }
  }

  void look_at_wallet(const StoredAccount& account) {
    if (account.wallet.empty() && account.wallet_bytes == 0) {
      return;
    }
    const auto sequence = account.wallet.find("sequence");
    const auto number = sequence != account.wallet.end() ? to_integer(sequence->second) : std::nullopt;
    if (!number || *number < 1 || *number > std::numeric_limits<Sequence>::max()) {
      complain(account, "its wallet's sequence is not readable");
    }
    if (account.wallet_bytes == 0 || !account.wallet.contains("hmac")) {
      complain(account, "its wallet is not all there");
    }
  }

  void look_at_tokens(const StoredAccount& account) {
    for (const auto& [digest, text] : account.tokens) {
      if (digest.size() != 64 || !is_lower_hex(digest) || !TokenRecord::parse(text)) {
        complain(account, "a token is not readable");
      }
    }
    if (account.tokens.size() > kMostTokens) {
      complain(account, "it has " + std::to_string(account.tokens.size()) + " tokens");
    }
  }

  Session& session_;
  const Keyspace& keys_;
  bool json_;
  std::int64_t accounts_ = 0;
  std::int64_t problems_ = 0;
  std::unordered_map<std::int64_t, std::string> ids_;
};

}  // namespace

int show_statistics(Session& session, const AdminOptions& options) {
  struct Number {
    const char* name;
    const char* json_name;
    std::int64_t value = 0;
  };
  enum { accounts, verified, wallets, bytes, largest, tokens, expired, locked, whitelisted, last_id };
  std::array<Number, last_id + 1> numbers{{{"accounts", "accounts"},
                                           {"of them verified", "verified"},
                                           {"wallets", "wallets"},
                                           {"bytes of wallets", "walletBytes"},
                                           {"bytes of the largest", "largestWallet"},
                                           {"valid tokens", "tokens"},
                                           {"expired tokens", "expiredTokens"},
                                           {"addresses with failed logins", "failedLogins"},
                                           {"on the whitelist", "whitelisted"},
                                           {"last user id", "lastUserId"}}};
  const UnixTime now = Session::now();
  UserId highest = 0;
  session.for_each_account(false, [&](const StoredAccount& account) {
    numbers[locked].value += account.failed.count > 0 ? 1 : 0;
    if (account.account.empty()) {
      return;
    }
    ++numbers[accounts].value;
    highest = std::max(highest, to_integer(account.field("user-id")).value_or(0));
    numbers[verified].value += account.verified() ? 1 : 0;
    numbers[wallets].value += account.wallet.empty() ? 0 : 1;
    numbers[bytes].value += account.wallet_bytes;
    numbers[largest].value = std::max(numbers[largest].value, account.wallet_bytes);
    for (const auto& [digest, text] : account.tokens) {
      const auto record = TokenRecord::parse(text);
      ++numbers[record && record->expires > now ? tokens : expired].value;
    }
  });
  const auto stored = session.run<StoreNumbers>([&] { return session.store().read_numbers(); });
  numbers[whitelisted].value = stored.whitelisted;
  numbers[last_id].value = session.store().clustered() ? highest : stored.last_user_id;
  JsonWriter json;
  for (const Number& number : numbers) {
    json.number(number.json_name, number.value);
    if (!options.json) {
      std::printf("%-30s %lld\n", number.name, static_cast<long long>(number.value));
    }
  }
  if (options.json) {
    std::puts(json.finish().c_str());
  }
  return kDone;
}

int check_store(Session& session, const AdminOptions& options) {
  Checker checker(session, options.json);
  session.for_each_account(
      false, [&](const StoredAccount& account) { checker.look_at(account); },
      [&](const std::string& key) { checker.look_at_other(key); });
  return checker.finish();
}
