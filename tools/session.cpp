#include "session.hpp"

#include <arpa/inet.h>
#include <netdb.h>

#include <chrono>
#include <fstream>
#include <memory>

#include "encoding.hpp"
#include "rfc3339.hpp"
#include "server_words.hpp"

using namespace wallet_sync;

namespace {

constexpr std::size_t kAccountsPerRead = 64;
constexpr unsigned kMostPasses = 5;
constexpr std::int64_t kPauseMs = 200;
constexpr std::size_t kLongestSecret = 1024;

class ToolReader final : public WordsReader {
 public:
  explicit ToolReader(std::string program) : program_(std::move(program)) {}

  std::optional<Address> resolve(std::string_view text, int default_port, std::string& why) override {
    if (text.starts_with("unix:")) {
      const std::string_view path = text.substr(5);
      return path.empty() ? std::nullopt : std::make_optional(Address{std::string(path), {}, 0});
    }
    std::string host(text);
    std::string port = std::to_string(default_port);
    const bool bracketed = text.starts_with('[') && text.find(']') != text.npos;
    const std::size_t colon = bracketed ? text.find(':', text.find(']')) : text.rfind(':');
    if (colon != text.npos) {
      port = text.substr(colon + 1);
      host = text.substr(0, colon);
    }
    if (bracketed) {
      host = text.substr(1, text.find(']') - 1);
    }
    const auto number = to_integer(port);
    if (!number || *number < 1 || *number > 65535 || host.empty()) {
      why = host.empty() ? "no host" : "invalid port";
      return std::nullopt;
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0) {
      why = gai_strerror(error);
      return std::nullopt;
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
    std::array<char, NI_MAXHOST> digits{};
    if (getnameinfo(found->ai_addr, found->ai_addrlen, digits.data(), digits.size(), nullptr, 0,
                    NI_NUMERICHOST) != 0) {
      return std::nullopt;
    }
    return Address{{}, digits.data(), static_cast<int>(*number)};
  }

  bool read_secret(std::string_view path, std::string& secret, std::string& why) override {
    std::ifstream file{std::string(path)};
    std::getline(file, secret);
    secret = secret.substr(0, secret.find('\r'));
    if (secret.empty() || secret.size() >= kLongestSecret) {
      why = "cannot read a secret from \"" + std::string(path) +
            "\"; write the path of a file whose first line is the secret, of less than 1024 bytes";
      return false;
    }
    return true;
  }

  void warn(const std::string& line) override {
    std::fprintf(stderr, "%s: --redis: %s\n", program_.c_str(), line.c_str());
  }

 private:
  std::string program_;
};

// What stands behind the braces of an account's keys.
bool is_part(std::string_view part) {
  return part.empty() || part == ":wallet" || part == ":tokens" || part == ":failures";
}

std::string words_of_redis(Arguments& arguments) {
  if (auto given = arguments.value("--redis")) {
    return *std::move(given);
  }
  const char* variable = std::getenv("WALLET_SYNC_REDIS");
  return variable != nullptr ? variable : "127.0.0.1:6379";
}

}  // namespace

Session::Session(Arguments& arguments) : program_(arguments.program()) {
  const std::vector<std::string> words = split_words(words_of_redis(arguments));
  if (words.empty()) {
    arguments.fail("--redis is empty; write an address such as 127.0.0.1:6379 or unix:/run/redis.sock");
  }
  ToolReader reader(program_);
  std::string wrong;
  auto server = read_server(std::vector<std::string_view>(words.begin(), words.end()), reader, wrong);
  if (!server) {
    arguments.fail("--redis: " + wrong);
  }
  arguments.rest();  // before anything is connected
  Monitor& monitor = *this;
  store_ = std::make_unique<AdminStore>(loop_, *std::move(server), monitor);
}

UnixTime Session::now() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

// All that the tools do may be done again: it looks at what is there first.
bool Session::worth_repeating(StoreError error) {
  return error != StoreError::internal && store().wrong_schema().empty();
}

void Session::give_up(StoreError error) {
  if (!store().wrong_schema().empty()) {
    std::exit(kOtherSchema);  // which has been said
  }
  const char* what = error == StoreError::internal  ? "what Redis holds is not what wallet-sync writes"
                     : error == StoreError::unknown ? "the outcome is unknown; run it again"
                     : error == StoreError::unreplicated
                         ? "it is stored, but fewer replicas than wanted have it"
                         : "Redis is not available";
  std::fprintf(stderr, "%s: %s\n", program_.c_str(), what);
  std::exit(kFailed);
}

void Session::pause() {
  loop_.run_until([] { return false; }, kPauseMs);
}

void Session::warn(std::string_view line) {
  std::fprintf(stderr, "%s: %.*s\n", program_.c_str(), static_cast<int>(line.size()), line.data());
}

void Session::for_each_account(bool with_wallets, const std::function<void(const StoredAccount&)>& visit,
                               const std::function<void(const std::string& key)>& visit_other) {
  std::unordered_set<std::string> seen;
  std::vector<AccountId> ids;
  const auto read = [&] {
    const auto accounts =
        run<std::vector<StoredAccount>>([&] { return store().read_accounts(ids, with_wallets); });
    for (const StoredAccount& account : accounts) {
      visit(account);
    }
    ids.clear();
  };
  const auto look_at = [&](const ScanPage& page) {
    for (const std::string& key : page.keys) {
      const auto owner = store().keys().owner_of(key);
      if (!owner || !is_part(owner->part)) {
        if (visit_other && seen.insert(key).second) {
          visit_other(key);
        }
      } else if (seen.insert(owner->account.hex()).second) {
        ids.push_back(owner->account);
      }
      if (ids.size() == kAccountsPerRead) {
        read();
      }
    }
  };
  // Keys that change their master while we go from one to the next may have passed us by: then once more, for
  // those that were not seen.
  for (unsigned passes = 1;; ++passes) {
    const Layout layout = read_layout();
    for (const std::size_t slot : layout.slots) {
      std::string cursor = "0";
      do {
        const ScanPage page = run<ScanPage>([&] { return store().scan(slot, cursor); });
        look_at(page);
        cursor = page.next;
      } while (cursor != "0");
    }
    if (!ids.empty()) {
      read();
    }
    if (layout.at_rest && layout == read_layout()) {
      return;
    }
    if (passes == kMostPasses) {
      std::fprintf(stderr,
                   "%s: slots of the cluster move, so this may not be all; run it again when they rest\n",
                   program_.c_str());
      std::exit(kFailed);
    }
    pause();
  }
}

Layout Session::read_layout() {
  return run<Layout>([&] { return store().read_layout(); });
}

std::string shown(std::string_view text) {
  std::string clean;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const bool c1 = c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c < 0x20 || c == 0x7f || c1) {
      clean.push_back('?');
      i += c1 ? 1 : 0;
    } else {
      clean.push_back(text[i]);
    }
  }
  return clean;
}

std::string shown_time(std::string_view seconds) {
  const auto number = to_integer(seconds);
  return number ? rfc3339(*number) : std::string("-");
}
