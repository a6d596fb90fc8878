#include "libevent_loop.hpp"

#include <event2/event.h>
#include <hiredis/async.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <utility>

namespace {

constexpr std::int64_t kGlanceMs = 10;

timeval as_timeval(std::int64_t ms) { return {ms / 1000, (ms % 1000) * 1000}; }

class LibeventTimer : public wallet_sync::Timer {
 public:
  LibeventTimer(event_base* base, std::function<void()> on_expiry)
      : on_expiry_(std::move(on_expiry)), event_(evtimer_new(base, expire, this)) {}
  ~LibeventTimer() override { event_free(event_); }
  LibeventTimer(const LibeventTimer&) = delete;
  LibeventTimer& operator=(const LibeventTimer&) = delete;
  void arm(std::int64_t milliseconds) override {
    const timeval delay = as_timeval(std::max<std::int64_t>(milliseconds, 0));
    evtimer_add(event_, &delay);
  }
  void disarm() override { evtimer_del(event_); }
  bool armed() const override { return evtimer_pending(event_, nullptr) != 0; }

 private:
  static void expire(evutil_socket_t, short, void* self) { static_cast<LibeventTimer*>(self)->on_expiry_(); }

  std::function<void()> on_expiry_;
  event* event_;
};

// What hiredis keeps in ev.data.
struct Hooks {
  redisAsyncContext* context;
  std::size_t* sockets;
  event* read;
  event* write;

  static void on_read(evutil_socket_t, short, void* self) {
    redisAsyncHandleRead(static_cast<Hooks*>(self)->context);
  }
  static void on_write(evutil_socket_t, short, void* self) {
    redisAsyncHandleWrite(static_cast<Hooks*>(self)->context);
  }
  static void add_read(void* self) { event_add(static_cast<Hooks*>(self)->read, nullptr); }
  static void del_read(void* self) { event_del(static_cast<Hooks*>(self)->read); }
  static void add_write(void* self) { event_add(static_cast<Hooks*>(self)->write, nullptr); }
  static void del_write(void* self) { event_del(static_cast<Hooks*>(self)->write); }
  static void cleanup(void* data) {
    auto* self = static_cast<Hooks*>(data);
    event_free(self->read);
    event_free(self->write);
    --*self->sockets;
    delete self;
  }
};

}  // namespace

LibeventLoop::LibeventLoop()
    : base_(event_base_new()),
      alarm_(evtimer_new(
          base_, [](evutil_socket_t, short, void*) {}, nullptr)) {
  signal(SIGPIPE, SIG_IGN);  // as nginx does; hiredis writes without MSG_NOSIGNAL
}

LibeventLoop::~LibeventLoop() {
  event_free(alarm_);
  event_base_free(base_);
}

bool LibeventLoop::attach(redisAsyncContext* context) {
  auto* hooks = new Hooks{context, &sockets_, nullptr, nullptr};
  hooks->read = event_new(base_, context->c.fd, EV_READ | EV_PERSIST, Hooks::on_read, hooks);
  hooks->write = event_new(base_, context->c.fd, EV_WRITE | EV_PERSIST, Hooks::on_write, hooks);
  context->ev.data = hooks;
  context->ev.addRead = Hooks::add_read;
  context->ev.delRead = Hooks::del_read;
  context->ev.addWrite = Hooks::add_write;
  context->ev.delWrite = Hooks::del_write;
  context->ev.cleanup = Hooks::cleanup;
  ++sockets_;
  return true;
}

std::unique_ptr<wallet_sync::Timer> LibeventLoop::new_timer(wallet_sync::TimerKind,
                                                            std::function<void()> on_expiry) {
  return std::make_unique<LibeventTimer>(base_, std::move(on_expiry));
}

std::int64_t LibeventLoop::now_ms() const {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

void LibeventLoop::turn(std::int64_t wait_ms) {
  if (awake_ || wait_ms <= 0) {
    event_base_loop(base_, EVLOOP_ONCE | EVLOOP_NONBLOCK);
  } else {
    const timeval limit = as_timeval(wait_ms);
    evtimer_add(alarm_, &limit);
    event_base_loop(base_, EVLOOP_ONCE);
    evtimer_del(alarm_);
  }
  if (before_posted) {
    before_posted();
  }
  run_posted();
  awake_ = false;
}

bool LibeventLoop::run_until(const std::function<bool()>& condition, std::int64_t limit_ms) {
  const std::int64_t deadline = now_ms() + limit_ms;
  while (!condition()) {
    const std::int64_t left = deadline - now_ms();
    if (left <= 0) {
      return false;
    }
    turn(std::min(left, kGlanceMs));  // the condition may be one that no event of ours announces
  }
  return true;
}
