// Changes that go to Redis through a proxy, which notes all that comes along: for the suites of lanes and of
// what waits for them.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "change.hpp"
#include "change_queue.hpp"
#include "redis_fixture.hpp"

namespace wallet_sync {

template <typename Outcome>
using Decide = std::function<Result<Decision<Outcome>>(Seen, bool maybe_written)>;

template <typename Outcome>
Task<Result<Outcome>> run_change(ChangeQueue& queue, AccountId id, Look look, Decide<Outcome> decide) {
  co_return co_await Decided<Outcome, Decide<Outcome>>(queue, id, std::move(look), std::move(decide));
}

inline AccountId account_number(std::size_t number) {
  return account_id("device" + std::to_string(number) + "@example.com");
}
inline std::string counter_key(const AccountId& id) { return "counter:{" + id.hex() + "}"; }

inline Look look_at_counter(const AccountId& id) {
  Look look;
  look.watch = {counter_key(id)};
  look.reads.emplace_back("HMGET", counter_key(id), "n", "marks");
  return look;
}

// Adds one to the account's counter; the outcome is what it wrote. `mark` tells it from the others.
inline Task<Result<std::int64_t>> increment(ChangeQueue& queue, AccountId id, const std::string& mark = "m") {
  Decide<std::int64_t> decide = [id, mark](Seen seen, bool maybe_written) -> Result<Decision<std::int64_t>> {
    const std::vector<Reply>& field = seen[0].elements;
    const std::int64_t current = to_integer(field[0].text).value_or(0);
    if (maybe_written && holds_mark(field[1].text, mark)) {
      return Decision<std::int64_t>{current, {}};
    }
    Decision<std::int64_t> next{current + 1, {}};
    next.writes.emplace_back("HSET", counter_key(id), "n", current + 1, "marks",
                             add_mark(field[1].text, mark));
    return next;
  };
  return run_change<std::int64_t>(queue, id, look_at_counter(id), std::move(decide));
}

// Makes the account's counter `next` if it is one less; false: it is not.
inline Task<Result<bool>> advance(ChangeQueue& queue, AccountId id, std::int64_t next,
                                  const std::string& mark = "m") {
  Decide<bool> decide = [id, next, mark](Seen seen, bool maybe_written) -> Result<Decision<bool>> {
    const std::vector<Reply>& field = seen[0].elements;
    if (maybe_written && holds_mark(field[1].text, mark)) {
      return Decision<bool>{true, {}};
    }
    if (to_integer(field[0].text).value_or(0) + 1 != next) {
      return Decision<bool>{false, {}};
    }
    Decision<bool> accepted{true, {}};
    accepted.writes.emplace_back("HSET", counter_key(id), "n", next, "marks", add_mark(field[1].text, mark));
    return accepted;
  };
  return run_change<bool>(queue, id, look_at_counter(id), std::move(decide));
}

// A change that has begun. Like a request it may go away at any time.
template <typename Outcome>
class Begun {
 public:
  explicit Begun(Task<Result<Outcome>> task) : task_(std::move(task)) { task_.start(); }
  bool done() const { return task_.done(); }
  // REQUIRES: done().
  const Result<Outcome>& result() {
    if (!result_) {
      result_.emplace(task_.take());
    }
    return *result_;
  }
  bool failed_with(StoreError error) { return done() && !result() && result().error() == error; }
  bool gave(const Outcome& outcome) { return done() && result() && *result() == outcome; }

 private:
  Task<Result<Outcome>> task_;
  std::optional<Result<Outcome>> result_;
};

class ChangeBench {
 public:
  using Verdict = RedisProxy::Verdict;

  explicit ChangeBench(Server where, std::size_t lanes = 1)
      : proxy(loop, std::move(where)), server(with_lanes(proxy.server(), lanes)) {
    proxy.judge = [this](std::string_view request) {
      seen_ += request;
      return judge ? judge(request) : Verdict::forward;
    };
    loop.run_until([&] { return monitor.counted(Counter::connects) == static_cast<int>(lanes); });
    seen_.clear();
  }
  ChangeBench(const ChangeBench&) = delete;
  ChangeBench& operator=(const ChangeBench&) = delete;
  ~ChangeBench() = default;

  template <typename Outcome>
  Result<Outcome> run(Task<Result<Outcome>> task) {
    return finish(loop, std::move(task));
  }
  Result<std::int64_t> increment_one(std::size_t account = 0) {
    return run(increment(queue, account_number(account)));
  }
  template <typename Tasks>
  bool wait_for(const Tasks& tasks) {
    return loop.run_until([&] {
      for (const auto& task : tasks) {
        if (task != nullptr && !task->done()) {
          return false;
        }
      }
      return true;
    });
  }

  // How often the command was sent since forget().
  std::size_t sent(std::string_view name) const { return count(seen_, name); }
  void forget() { seen_.clear(); }
  static std::size_t count(std::string_view request, std::string_view name) {
    const std::string word = "\r\n" + std::string(name) + "\r\n";
    std::size_t found = 0;
    for (std::size_t at = request.find(word); at != request.npos; at = request.find(word, at + 1)) {
      ++found;
    }
    return found;
  }
  static bool has(std::string_view request, std::string_view name) { return count(request, name) > 0; }

  LibeventLoop loop;
  TestMonitor monitor;
  RedisProxy proxy;
  Server server;
  Deadlines deadlines{loop};
  Node node{loop, server, monitor};
  ChangeQueue queue{deadlines, node};
  // What to do with what is sent; nothing: forward it.
  std::function<Verdict(std::string_view request)> judge;

 private:
  static Server with_lanes(Server server, std::size_t lanes) {
    server.lanes = lanes;
    return server;
  }
  std::string seen_;
};

template <typename Outcome>
using Crowd = std::vector<std::unique_ptr<Begun<Outcome>>>;

template <typename Outcome>
void join(Crowd<Outcome>& crowd, Task<Result<Outcome>> task) {
  crowd.push_back(std::make_unique<Begun<Outcome>>(std::move(task)));
}

}  // namespace wallet_sync
