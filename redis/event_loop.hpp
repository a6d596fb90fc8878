// The event loop that redis/ runs on, as little of it as is needed: nginx' in a worker, libevent's in the
// tests.
//
// Nothing here resumes a coroutine from inside a hiredis callback: callbacks note what happened and post;
// what is posted runs later in the same turn. So no connection is ever freed under hiredis' feet.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

struct redisAsyncContext;

namespace wallet_sync {

class Timer {
 public:
  virtual ~Timer() = default;  // disarms
  virtual void arm(std::int64_t milliseconds) = 0;
  virtual void disarm() = 0;
  virtual bool armed() const = 0;
};

enum class TimerKind {
  deadline,    // somebody waits for it: a worker that quits waits too
  background,  // reconnecting, heartbeats: keeps nobody alive
};

class EventLoop;

// Something to be run later in this turn of the loop. Destroying it unposts it.
class Posted {
 public:
  explicit Posted(EventLoop& loop) : loop_(loop) {}
  Posted(const Posted&) = delete;
  Posted& operator=(const Posted&) = delete;
  virtual ~Posted();
  void post();  // no effect if it is posted already
  bool is_posted() const { return posted_; }

 protected:
  virtual void run() = 0;

 private:
  friend class EventLoop;
  EventLoop& loop_;
  Posted* previous_ = nullptr;
  Posted* next_ = nullptr;
  bool posted_ = false;
};

class EventLoop {
 public:
  virtual ~EventLoop() = default;

  // Installs the event hooks of a new context. Commands are written once per turn, reads are level-triggered.
  // False: no resources; the caller frees the context.
  virtual bool attach(redisAsyncContext* context) = 0;
  virtual std::unique_ptr<Timer> new_timer(TimerKind kind, std::function<void()> on_expiry) = 0;
  virtual std::int64_t now_ms() const = 0;  // monotonic

  // Runs everything posted, including what is posted meanwhile.
  void run_posted();

 protected:
  // Called when the first item is posted: run_posted() has to be called in this turn.
  virtual void wake() = 0;

 private:
  friend class Posted;
  Posted* first_ = nullptr;
  Posted* last_ = nullptr;
};

}  // namespace wallet_sync
