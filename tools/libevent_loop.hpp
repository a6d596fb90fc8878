// The event loop of redis/ on libevent, for tools and tests. It is turned by hand: whoever uses it decides
// how far things go.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "event_loop.hpp"

struct event;
struct event_base;

class LibeventLoop : public wallet_sync::EventLoop {
 public:
  LibeventLoop();
  ~LibeventLoop() override;
  LibeventLoop(const LibeventLoop&) = delete;
  LibeventLoop& operator=(const LibeventLoop&) = delete;

  std::unique_ptr<wallet_sync::Stream> connect(const wallet_sync::Server& server,
                                               wallet_sync::Stream::User& user) override;
  std::unique_ptr<wallet_sync::Timer> new_timer(wallet_sync::TimerKind kind,
                                                std::function<void()> on_expiry) override;
  std::int64_t now_ms() const override;

  // One turn: waits for events, at most `wait_ms`, handles them and then all that was posted.
  void turn(std::int64_t wait_ms);
  // Turns until the condition holds; false if it does not within `limit_ms`.
  bool run_until(const std::function<bool()>& condition, std::int64_t limit_ms = 20000);

  // Called in each turn between the events and what they posted.
  std::function<void()> before_posted;
  event_base* base() const { return base_; }
  // Streams that are not yet closed.
  std::size_t sockets() const { return sockets_; }

 private:
  void wake() override { awake_ = true; }

  event_base* base_;
  event* alarm_;
  std::size_t sockets_ = 0;
  bool awake_ = false;
};
