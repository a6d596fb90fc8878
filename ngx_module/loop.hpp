// redis/event_loop.hpp on nginx' event loop: timers, the end of a turn, and streams on nginx' connections.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "event_loop.hpp"
#include "ngx.hpp"
#include "tls_context.hpp"

namespace wallet_sync {

class NgxTimer final : public Timer {
 public:
  NgxTimer(TimerKind kind, ngx_log_t* log, std::function<void()> on_expiry);
  ~NgxTimer() override { disarm(); }
  NgxTimer(const NgxTimer&) = delete;
  NgxTimer& operator=(const NgxTimer&) = delete;

  void arm(std::int64_t milliseconds) override;
  void disarm() override;
  bool armed() const override { return event_.timer_set != 0; }

 private:
  static void on_event(ngx_event_t* event);
  ngx_event_t event_{};
  ngx_connection_t ident_{};  // nginx' debug log reads a connection's fd behind every event
  std::function<void()> on_expiry_;
};

class NgxEventLoop final : public EventLoop {
 public:
  // `tls` holds a context for each server that is spoken to by TLS, and outlives the loop.
  NgxEventLoop(ngx_cycle_t* cycle, const std::vector<std::unique_ptr<TlsContext>>& tls);
  ~NgxEventLoop() override;
  NgxEventLoop(const NgxEventLoop&) = delete;
  NgxEventLoop& operator=(const NgxEventLoop&) = delete;

  std::unique_ptr<Stream> connect(const Server& server, Stream::User& user) override;
  std::unique_ptr<Timer> new_timer(TimerKind kind, std::function<void()> on_expiry) override;
  std::int64_t now_ms() const override { return static_cast<std::int64_t>(ngx_current_msec); }

 private:
  void wake() override;
  ngx_log_t* log_;
  const std::vector<std::unique_ptr<TlsContext>>& tls_;
  bool turning_ = false;  // the worker has begun to process events
  ngx_event_t turn_{};
  ngx_connection_t ident_{};
};

}  // namespace wallet_sync
