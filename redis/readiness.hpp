// Whether Redis answers and takes writes, known without asking: whoever wants to know costs nothing.
//
// Once a second a transaction that would change nothing (DEL of a key that is never there) goes over one of
// the links: a Redis that is out of memory, cannot write its file, lacks replicas or is none of our master
// refuses it as it would refuse a change. Between two questions a lost connection is known at once.
#pragma once

#include <memory>
#include <optional>

#include "event_loop.hpp"
#include "redis_store.hpp"
#include "task.hpp"

namespace wallet_sync {

class Readiness {
 public:
  enum class State { connecting, ready, unreachable, refuses_writes, wrong_schema };

  static constexpr std::int64_t kIntervalMs = 1000;

  // Asks from now on. The store outlives it.
  Readiness(EventLoop& loop, RedisStore& store);
  ~Readiness();
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

  // No older than kIntervalMs, and what Redis takes to answer, `timeout` at most.
  State state() const;

 private:
  void ask();
  Task<bool> asked();

  RedisStore& store_;
  State answer_ = State::connecting;
  std::unique_ptr<Timer> timer_;
  std::optional<Task<bool>> question_;
};

}  // namespace wallet_sync
