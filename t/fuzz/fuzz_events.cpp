// What comes over the connection that is subscribed: whoever is told of an event was subscribed to it, and
// whoever is told that he is subscribed is.
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "manual_loop.hpp"
#include "redis_store.hpp"
#include "subscriber.hpp"

using namespace wallet_sync;

namespace {

struct Quiet : Monitor {
  void warn(std::string_view line) override { PROPERTY(line.find('\n') == line.npos); }
  void notice(std::string_view) override {}
  void count(Counter) override {}
};

struct Listener : Subscriber::Listener {
  void on_update(const std::string&, Sequence sequence) override {
    PROPERTY(sequence > 0);
    ++updates;
  }
  void on_revoked(const std::string&, std::string_view) override {}
  void on_gap() override {}
  int updates = 0;
};

AccountId account(std::size_t number) {
  return Token::parse(std::string(Token::kDigits, "abcd"[number % 4]))->account();
}

Task<Result<bool>> joined(Subscriber& subscriber, AccountId id) { co_return co_await subscriber.join(id); }

std::string array(std::string_view kind, std::string_view channel, std::string_view last) {
  const auto bulk = [](std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
  };
  return "*3\r\n" + bulk(kind) + bulk(channel) + std::string(last);
}

struct Seen {
  int joined = 0;
  int updates = 0;
};

Seen play(Input input) {
  Server server;
  server.host = "192.0.2.1";
  Quiet monitor;
  Listener listener;
  ManualLoop loop;
  RedisStore store(loop, server, monitor);
  const Keyspace& keys = store.keys();
  Subscriber subscriber(store.deadlines(), store.node(), keys, listener);
  const std::size_t others = loop.peers();

  struct Join {
    AccountId id;
    Task<Result<bool>> task;
  };
  std::vector<Join> joins;
  std::vector<bool> accepted;
  while (!input.empty()) {
    const std::uint8_t act = input.byte();
    Peer* peer = loop.peers() > others ? &loop.peer(loop.peers() - 1) : nullptr;
    const std::string channel = keys.events(account(act >> 4)).text();
    switch (act % 12) {
      case 0:
        if (joins.size() < 16) {
          joins.push_back({account(act >> 4), joined(subscriber, account(act >> 4))});
          joins.back().task.start();
        }
        break;
      case 1:
        if (!joins.empty() && joins.back().task.done()) {
          subscriber.leave(joins.back().id);
          joins.pop_back();
        }
        break;
      case 2:
        accepted.resize(loop.peers());
        if (peer != nullptr && !peer->closed() && !accepted.back()) {
          accepted.back() = true;
          peer->greets();
        }
        break;
      case 3: loop.pass(std::int64_t{act} * 50); break;
      default:
        accepted.resize(loop.peers());
        if (peer == nullptr || peer->closed() || !accepted.back()) {
          break;
        }
        switch (act % 12) {
          case 4: peer->says(array("subscribe", channel, ":1\r\n")); break;
          case 5: peer->says(array("subscribe", keys.heartbeat(), ":1\r\n")); break;
          case 6: peer->says(array("unsubscribe", channel, ":0\r\n")); break;
          case 7: peer->says(array("message", channel, "$1\r\n7\r\n")); break;
          case 8: peer->says(array("message", channel, "$16\r\npassword-changed\r\n")); break;
          case 9: peer->says(array(input.text(), input.text(), std::string(input.text()))); break;
          case 10: peer->says(input.text()); break;
          default: peer->hangs_up(); break;
        }
    }
    loop.run_posted();
  }
  loop.pass(20'000);
  Seen seen{0, listener.updates};
  for (Join& join : joins) {
    PROPERTY(join.task.done());
    const Result<bool> answer = join.task.take();
    seen.joined += answer && *answer ? 1 : 0;
    subscriber.leave(join.id);
  }
  joins.clear();
  return seen;
}

// Somebody joins, the server greets, confirms both channels and tells of a write: if that does not get
// through, nothing else in here is tested either.
bool an_honest_server_is_understood() {
  const std::array<std::uint8_t, 5> acts = {0, 2, 5, 4, 7};
  const Seen seen = play(Input(acts.data(), acts.size()));
  PROPERTY(seen.joined == 1 && seen.updates == 1);
  return true;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool kChecked = an_honest_server_is_understood();
  (void)kChecked;
  play(Input(data, size));
  return 0;
}
