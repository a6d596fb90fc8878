// What the bare loops of redis_loop.cpp share: hiredis' asynchronous connections on libevent, accounts, and a
// count of what was done.
#pragma once

#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

using Clock = std::chrono::steady_clock;

[[noreturn]] inline void fail(const std::string& reason) {
  std::cerr << "redis_loop: " << reason << '\n';
  std::exit(1);
}

struct Account {
  std::string wallet_key;
  std::string tokens_key;
  std::string channel;
  std::string digest;
  std::uint64_t sequence;
};

struct Bench {
  std::vector<Account> accounts;
  std::string wallet;
  std::string hmac = std::string(64, 'h');
  std::string publish;  // the command
  std::size_t turn = 0;
  std::uint64_t writes = 0;
  std::vector<std::uint32_t> microseconds;  // that each operation took

  Account& next() { return accounts[turn++ % accounts.size()]; }
  void done(Clock::time_point begun) {
    const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begun);
    microseconds.push_back(static_cast<std::uint32_t>(took.count()));
  }
  // Tells a write of ours from another's, as wallet_sync's do; always of the same length.
  std::string next_write_id() {
    return "00000000000000000000000000000000." + std::to_string(1'000'000 + ++writes);
  }
  double percentile(double part) {
    std::sort(microseconds.begin(), microseconds.end());
    const auto at = static_cast<std::size_t>(part * static_cast<double>(microseconds.size()));
    return microseconds.empty() ? 0 : microseconds[std::min(at, microseconds.size() - 1)];
  }
};

// At most `count` of the file's lines "ACCOUNT-ID TOKEN-DIGEST".
inline std::vector<Account> read_accounts(const char* path, std::size_t count, std::uint64_t sequence) {
  std::vector<Account> accounts;
  std::ifstream file(path);
  for (std::string id, digest; accounts.size() < count && file >> id >> digest;) {
    const std::string key = "wsync:{" + id + "}";
    accounts.push_back({key + ":wallet", key + ":tokens", key + ":events", digest, sequence});
  }
  if (accounts.empty()) {
    fail("no accounts");
  }
  return accounts;
}

inline redisAsyncContext* connect(event_base* base, const char* socket) {
  redisAsyncContext* context = redisAsyncConnectUnix(socket);
  if (context == nullptr || context->err != 0 || redisLibeventAttach(context, base) != REDIS_OK) {
    fail("cannot connect");
  }
  return context;
}

inline void send(redisAsyncContext* context, redisCallbackFn* callback, void* data, const char* const* words,
                 const std::size_t* sizes, std::size_t count) {
  if (redisAsyncCommandArgv(context, callback, data, static_cast<int>(count), const_cast<const char**>(words),
                            sizes) != REDIS_OK) {
    fail("cannot send");
  }
}

inline void send(redisAsyncContext* context, redisCallbackFn* callback, void* data,
                 std::initializer_list<std::string_view> words) {
  const char* pointers[16];
  std::size_t sizes[16];
  std::size_t count = 0;
  for (const std::string_view word : words) {
    pointers[count] = word.data();
    sizes[count++] = word.size();
  }
  send(context, callback, data, pointers, sizes, count);
}

inline const redisReply& checked(const void* data, int type) {
  const auto* reply = static_cast<const redisReply*>(data);
  if (reply == nullptr || reply->type != type) {
    fail(reply != nullptr && reply->str != nullptr ? std::string("unexpected reply: ") + reply->str
                                                   : std::string("unexpected reply"));
  }
  return *reply;
}

inline void expect_status(redisAsyncContext*, void* reply, void*) { checked(reply, REDIS_REPLY_STATUS); }
inline void expect_string(redisAsyncContext*, void* reply, void*) { checked(reply, REDIS_REPLY_STRING); }
inline void expect_array(redisAsyncContext*, void* reply, void*) { checked(reply, REDIS_REPLY_ARRAY); }
