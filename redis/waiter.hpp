// Waiting: the one way in which coroutines of redis/ wait for something, and give up waiting.
//
// A Waiter is awaited once. Whoever has what it waits for calls wake(); its deadline calls on_deadline(),
// which has to lead to wake() as well. So everything that waits ends, and soon. Destroying a Waiter ends the
// wait: derived classes leave the queues they are in.
#pragma once

#include <coroutine>
#include <cstdint>
#include <limits>
#include <memory>

#include "event_loop.hpp"
#include "intrusive_list.hpp"
#include "trace.hpp"

namespace wallet_sync {

class Waiter;

// All that wait, with one timer among them.
class Deadlines {
 public:
  struct Tag;
  explicit Deadlines(EventLoop& loop);
  Deadlines(const Deadlines&) = delete;
  Deadlines& operator=(const Deadlines&) = delete;
  ~Deadlines() = default;

  EventLoop& loop() { return loop_; }
  std::int64_t now_ms() const { return loop_.now_ms(); }

 private:
  friend class Waiter;
  void add(Waiter& waiter);
  void remove(Waiter& waiter);
  void watch();
  void expire();

  EventLoop& loop_;
  std::unique_ptr<Timer> timer_;
  std::int64_t armed_for_ms_ = 0;
  bool late_ = false;
  List<Waiter, Tag> waiters_;  // the earliest deadline first
};

class Waiter : private Posted, public Hook<Deadlines::Tag> {
 public:
  // Gives up at `deadline_ms` of the loop's clock.
  Waiter(Deadlines& deadlines, std::int64_t deadline_ms)
      : Posted(deadlines.loop()), deadlines_(deadlines), deadline_ms_(deadline_ms) {}
  ~Waiter() override { deadlines_.remove(*this); }
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;

  std::int64_t deadline_ms() const { return deadline_ms_; }

  bool await_ready() const noexcept { return done_; }
  void await_suspend(std::coroutine_handle<> caller) {
    caller_ = caller;
    since_ms_ = deadlines_.now_ms();
    deadlines_.add(*this);
  }

 protected:
  // The wait is over: the coroutine goes on later in this turn. No effect the second time.
  void wake();
  bool done() const { return done_; }
  virtual void on_deadline() = 0;
  // So many attempts were in vain, for the request's line in the log.
  void note_retries(unsigned retries) {
    if (trace_ != nullptr) {
      trace_->retries += retries;
    }
  }

 private:
  friend class Deadlines;
  void run() override {
    const TraceScope scope(trace_);
    caller_.resume();
  }

  Deadlines& deadlines_;
  std::int64_t deadline_ms_;
  bool done_ = false;
  Trace* trace_ = current_trace;  // of the request that waits; null: it is none
  std::int64_t since_ms_ = 0;
  std::coroutine_handle<> caller_;
};

}  // namespace wallet_sync
