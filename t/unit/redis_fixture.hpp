// What the suites of the store share: a Monitor that remembers, a store on a loop, ready-made accounts.
#pragma once

#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "libevent_loop.hpp"
#include "monitor.hpp"
#include "records.hpp"
#include "redis_proxy.hpp"
#include "redis_server.hpp"
#include "redis_store.hpp"

namespace wallet_sync {

inline constexpr UnixTime kNow = 1'700'000'000;
inline constexpr UnixTime kDay = 24 * 3600;

struct TestMonitor : Monitor {
  void warn(std::string_view line) override { lines.emplace_back(line); }
  void notice(std::string_view line) override { lines.emplace_back(line); }
  void count(Counter counter) override { ++counts[static_cast<std::size_t>(counter)]; }
  int counted(Counter counter) const { return counts[static_cast<std::size_t>(counter)]; }
  // Operations that ended with any StoreError.
  int failures() const {
    return counted(Counter::store_unavailable) + counted(Counter::store_refused) +
           counted(Counter::store_unknown) + counted(Counter::store_unreplicated) +
           counted(Counter::store_contended) + counted(Counter::store_internal);
  }
  int lines_with(std::string_view text) const {
    int found = 0;
    for (const std::string& line : lines) {
      found += line.find(text) != line.npos ? 1 : 0;
    }
    return found;
  }

  std::vector<std::string> lines;
  std::array<int, kCounters> counts{};
};

// Runs a coroutine to its end. One that does not come to an end ends the test.
template <typename T>
T finish(LibeventLoop& loop, Task<T> task) {
  task.start();
  if (!loop.run_until([&] { return task.done(); }, 60000)) {
    std::fprintf(stderr, "a coroutine is stuck\n");
    std::abort();
  }
  return task.take();
}

// All of them side by side.
template <typename T>
std::vector<T> finish_all(LibeventLoop& loop, std::vector<Task<T>>& tasks) {
  for (Task<T>& task : tasks) {
    task.start();
  }
  std::vector<T> results;
  for (Task<T>& task : tasks) {
    if (!loop.run_until([&] { return task.done(); }, 60000)) {
      std::fprintf(stderr, "a coroutine is stuck\n");
      std::abort();
    }
    results.push_back(task.take());
  }
  return results;
}

inline Email an_email(std::string_view address = "satoshi@example.com") { return *Email::parse(address); }
inline AccountId account_id(std::string_view address = "satoshi@example.com") {
  return AccountId::of(an_email(address));
}
inline Token new_token(const AccountId& id) { return *Token::generate(id); }
inline PasswordHash password_hash(char digit) { return {std::string(64, digit), std::string(32, digit)}; }
inline Account an_account(char password = 'a', bool verified = true) {
  return {"Satoshi@example.com", 0, password_hash(password), std::string(64, '5'), verified};
}
inline Wallet a_wallet(Sequence sequence, std::string text = "wallet") {
  return {sequence, std::move(text), "hmac" + std::to_string(sequence)};
}

// A worker: one store on its loop.
struct Worker {
  explicit Worker(Server server) : store(loop, std::move(server), monitor) {}

  template <typename T>
  T run(Task<T> task) {
    return finish(loop, std::move(task));
  }
  bool run_until_ready() {
    return loop.run_until([&] { return monitor.counted(Counter::connects) > 0; });
  }

  LibeventLoop loop;
  TestMonitor monitor;
  RedisStore store;
};

// A worker whose store talks to Redis through a proxy on its loop.
struct ProxiedWorker {
  explicit ProxiedWorker(Server where)
      : proxy(loop, std::move(where)), store(loop, proxy.server(), monitor) {}

  template <typename T>
  T run(Task<T> task) {
    return finish(loop, std::move(task));
  }
  // What to do with the first EXEC that comes along; all else is forwarded.
  void at_first_exec(std::function<RedisProxy::Verdict()> act) {
    proxy.judge = [act = std::move(act), done = false](std::string_view request) mutable {
      if (done || request.find("\r\nEXEC\r\n") == request.npos) {
        return RedisProxy::Verdict::forward;
      }
      done = true;
      return act();
    };
  }
  // Runs `rival` between what the next transaction has seen and its EXEC.
  void just_before_exec(std::function<void()> rival) {
    at_first_exec([rival = std::move(rival)] {
      rival();
      return RedisProxy::Verdict::forward;
    });
  }

  LibeventLoop loop;
  TestMonitor monitor;
  RedisProxy proxy;
  RedisStore store;
};

// Puts a token straight into Redis.
inline Token issue_token(RedisServer& redis, const AccountId& id, std::string_view scope = "*",
                         UnixTime expires = kNow + kDay, std::string_view device = "phone") {
  const Token token = new_token(id);
  const TokenRecord record{expires, scope, device};
  redis("HSET", Keyspace("wsync").tokens(id), token.digest().text(), record.text());
  return token;
}

}  // namespace wallet_sync
