// The event loop that redis/ runs on, as little of it as is needed: nginx' in a worker, libevent's in the
// tests.
//
// Nothing here resumes a coroutine from inside a stream's callback: callbacks note what happened and post;
// what is posted runs later in the same turn. So nothing is ever freed under its caller's feet.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "server.hpp"
#include "stream.hpp"

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

// When in a turn something runs that was posted: what ends a turn runs when nothing else is left, so that
// whatever the turn brought goes out together.
enum class Phase { within_turn, end_of_turn };

// Something to be run later in this turn of the loop. Destroying it unposts it.
class Posted {
 public:
  explicit Posted(EventLoop& loop, Phase phase = Phase::within_turn) : loop_(loop), phase_(phase) {}
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
  Phase phase_;
  bool posted_ = false;
};

class EventLoop {
 public:
  virtual ~EventLoop() = default;

  // Starts to connect to the server's address. `user` must outlive the stream. A stream that cannot even be
  // started says so by on_failed, in this turn.
  virtual std::unique_ptr<Stream> connect(const Server& server, Stream::User& user) = 0;
  virtual std::unique_ptr<Timer> new_timer(TimerKind kind, std::function<void()> on_expiry) = 0;
  virtual std::int64_t now_ms() const = 0;  // monotonic

  // Runs everything posted, including what is posted meanwhile.
  void run_posted();

 protected:
  // Called when the first item is posted from outside run_posted(), which has to be called in this turn then.
  virtual void wake() = 0;

 private:
  friend class Posted;
  struct Queue {
    Posted* first = nullptr;
    Posted* last = nullptr;
  };
  Queue& queue(Phase phase) { return phase == Phase::within_turn ? within_turn_ : end_of_turn_; }
  Posted* take();  // null: nothing is posted

  Queue within_turn_;
  Queue end_of_turn_;
  bool running_ = false;  // within run_posted
};

}  // namespace wallet_sync
