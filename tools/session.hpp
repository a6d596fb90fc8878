// What every tool has: a store on a loop of its own, found by the same words as the directive
// wallet_sync_redis. A tool reads top to bottom: run() turns the loop until an operation is over.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "admin_store.hpp"
#include "arguments.hpp"
#include "libevent_loop.hpp"

class Session : private wallet_sync::Monitor {
 public:
  // --redis, or WALLET_SYNC_REDIS, or the directive's default.
  explicit Session(Arguments& arguments);

  wallet_sync::AdminStore& store() { return *store_; }
  static wallet_sync::UnixTime now();

  // The operation's result. While Redis is away or busy it is tried again for some seconds; then the program
  // ends with a line that says why. `make` may be called several times.
  template <typename T>
  T run(const std::function<wallet_sync::Task<wallet_sync::Result<T>>()>& make) {
    for (const std::int64_t until = loop_.now_ms() + kPatienceMs;;) {
      auto result = finish(make());
      if (result) {
        return *std::move(result);
      }
      if (!worth_repeating(result.error()) || loop_.now_ms() > until) {
        give_up(result.error());
      }
      pause();
    }
  }

  // Several side by side, each as above.
  template <typename T>
  std::vector<T> run_all(std::vector<std::function<wallet_sync::Task<wallet_sync::Result<T>>()>>& makers) {
    std::vector<wallet_sync::Task<wallet_sync::Result<T>>> tasks;
    tasks.reserve(makers.size());
    for (auto& make : makers) {
      tasks.push_back(make());
      tasks.back().start();
    }
    std::vector<T> results;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      loop_.run_until([&] { return tasks[i].done(); }, kForeverMs);
      auto result = tasks[i].take();
      results.push_back(result ? *std::move(result) : run<T>(makers[i]));
    }
    return results;
  }

  // Calls `visit` for each account that has any key, once, some of them at a time. Ends the program if it
  // cannot be sure to have seen all of them.
  void for_each_account(bool with_wallets,
                        const std::function<void(const wallet_sync::StoredAccount&)>& visit,
                        const std::function<void(const std::string& key)>& visit_other = {});

 private:
  static constexpr std::int64_t kPatienceMs = 15'000;
  static constexpr std::int64_t kForeverMs = 3'600'000;

  template <typename T>
  T finish(wallet_sync::Task<T> task) {
    task.start();
    loop_.run_until([&] { return task.done(); }, kForeverMs);
    return task.take();
  }
  bool worth_repeating(wallet_sync::StoreError error);
  [[noreturn]] void give_up(wallet_sync::StoreError error);
  void pause();
  wallet_sync::Layout read_layout();

  void warn(std::string_view line) override;
  void notice(std::string_view) override {}
  void count(wallet_sync::Counter) override {}

  std::string program_;
  LibeventLoop loop_;
  std::unique_ptr<wallet_sync::AdminStore> store_;
};

// Fit for a terminal: without control characters, of which UTF-8 has some beyond ASCII.
std::string shown(std::string_view text);
// As 2026-01-31T12:00:00Z.
std::string shown_time(std::string_view seconds);
