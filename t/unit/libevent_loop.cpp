#include "libevent_loop.hpp"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
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

// A plain stream; connect() to a local address is decided at once or by its first event.
class LibeventStream : public wallet_sync::Stream, private wallet_sync::Posted {
 public:
  LibeventStream(wallet_sync::EventLoop& loop, event_base* base, const wallet_sync::Server& server,
                 User& user, std::size_t& open)
      : Posted(loop), user_(user), open_(open) {
    ++open_;
    const bool local = !server.unix_path.empty();
    fd_ = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un local_address{};
    local_address.sun_family = AF_UNIX;
    server.unix_path.copy(local_address.sun_path, sizeof local_address.sun_path - 1);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<in_port_t>(server.port));
    inet_pton(AF_INET, server.host.c_str(), &address.sin_addr);
    const int done =
        local ? ::connect(fd_, reinterpret_cast<const sockaddr*>(&local_address), sizeof local_address)
              : ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    if (done != 0 && errno != EINPROGRESS) {
      error_ = std::strerror(errno);
      post();
      return;
    }
    read_ = event_new(base, fd_, EV_READ | EV_PERSIST, on_read, this);
    write_ = event_new(base, fd_, EV_WRITE, on_write, this);
    event_add(write_, nullptr);
  }
  ~LibeventStream() override {
    for (event* watched : {read_, write_}) {
      if (watched != nullptr) {
        event_free(watched);
      }
    }
    close(fd_);
    --open_;
  }
  LibeventStream(const LibeventStream&) = delete;
  LibeventStream& operator=(const LibeventStream&) = delete;

  Read read(char* buffer, std::size_t capacity) override {
    const ssize_t size = recv(fd_, buffer, capacity, 0);
    if (size > 0) {
      return {Read::What::bytes, static_cast<std::size_t>(size)};
    }
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
      return {Read::What::nothing_yet};
    }
    if (size < 0) {
      error_ = std::strerror(errno);
    }
    return {size == 0 ? Read::What::end : Read::What::failure};
  }
  void read_later() override {}  // the event is level-triggered
  std::size_t write(std::string_view bytes) override {
    const ssize_t size = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    const std::size_t written = size > 0 ? static_cast<std::size_t>(size) : 0;
    if (written < bytes.size()) {
      event_add(write_, nullptr);
    }
    return written;
  }
  std::string error() const override { return error_; }

 private:
  void run() override { user_.on_failed(error_); }
  void connected() {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      error_ = std::strerror(error);
      post();
      return;
    }
    connected_ = true;
    event_add(read_, nullptr);
    user_.on_connected();
  }
  static void on_read(evutil_socket_t, short, void* self) {
    static_cast<LibeventStream*>(self)->user_.on_readable();
  }
  static void on_write(evutil_socket_t, short, void* self) {
    auto* stream = static_cast<LibeventStream*>(self);
    if (stream->connected_) {
      stream->user_.on_writable();
    } else {
      stream->connected();
    }
  }

  User& user_;
  std::size_t& open_;
  int fd_ = -1;
  bool connected_ = false;
  event* read_ = nullptr;
  event* write_ = nullptr;
  std::string error_;
};

}  // namespace

LibeventLoop::LibeventLoop()
    : base_(event_base_new()),
      alarm_(evtimer_new(
          base_, [](evutil_socket_t, short, void*) {}, nullptr)) {
  signal(SIGPIPE, SIG_IGN);  // as nginx does
}

LibeventLoop::~LibeventLoop() {
  event_free(alarm_);
  event_base_free(base_);
}

std::unique_ptr<wallet_sync::Stream> LibeventLoop::connect(const wallet_sync::Server& server,
                                                           wallet_sync::Stream::User& user) {
  return std::make_unique<LibeventStream>(*this, base_, server, user, sockets_);
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
