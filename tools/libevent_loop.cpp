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

#include "tls_session.hpp"

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

// connect() to a local address is decided at once or by its first event.
class LibeventStream : public wallet_sync::Stream, private wallet_sync::Posted {
 public:
  LibeventStream(wallet_sync::EventLoop& loop, event_base* base, const wallet_sync::Server& server,
                 User& user, std::size_t& open)
      : Posted(loop), user_(user), open_(open) {
    ++open_;
    sockaddr_storage address{};
    const socklen_t size = address_of(server, address);
    fd_ = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int done = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), size);
    if (done != 0 && errno != EINPROGRESS) {
      fail(std::strerror(errno));
      return;
    }
    if (server.tls) {
      tls_ = std::make_unique<TlsSession>(*server.tls, server.tls->name, fd_);
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
    if (tls_) {
      return read_tls(buffer, capacity);
    }
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
  // What TLS has decrypted already, no event of the socket tells of.
  void read_later() override { event_active(read_, EV_READ, 0); }
  std::size_t write(std::string_view bytes) override {
    std::size_t written = 0;
    if (tls_) {
      std::size_t size = 0;
      while (written < bytes.size() && tls_->write(bytes.substr(written), size) == TlsSession::Step::done) {
        written += size;
      }
    } else if (const ssize_t size = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); size > 0) {
      written = static_cast<std::size_t>(size);
    }
    if (written < bytes.size()) {
      event_add(write_, nullptr);
    }
    return written;
  }
  std::string error() const override { return error_; }

 private:
  static socklen_t address_of(const wallet_sync::Server& server, sockaddr_storage& address) {
    if (!server.unix_path.empty()) {
      auto& local = reinterpret_cast<sockaddr_un&>(address);
      local.sun_family = AF_UNIX;
      server.unix_path.copy(local.sun_path, sizeof local.sun_path - 1);
      return sizeof local;
    }
    const auto port = htons(static_cast<in_port_t>(server.port));
    if (auto& six = reinterpret_cast<sockaddr_in6&>(address);
        inet_pton(AF_INET6, server.host.c_str(), &six.sin6_addr) == 1) {
      six.sin6_family = AF_INET6;
      six.sin6_port = port;
      return sizeof six;
    }
    auto& four = reinterpret_cast<sockaddr_in&>(address);
    four = {};
    four.sin_family = AF_INET;
    four.sin_port = port;
    inet_pton(AF_INET, server.host.c_str(), &four.sin_addr);
    return sizeof four;
  }

  void run() override { user_.on_failed(error_); }
  void fail(std::string why) {
    error_ = std::move(why);
    post();
  }
  Read read_tls(char* buffer, std::size_t capacity) {
    std::size_t size = 0;
    switch (tls_->read(buffer, capacity, size)) {
      case TlsSession::Step::done: return {Read::What::bytes, size};
      case TlsSession::Step::wants_read:
      case TlsSession::Step::wants_write: return {Read::What::nothing_yet};
      case TlsSession::Step::end: return {Read::What::end};
      case TlsSession::Step::failed: break;
    }
    error_ = tls_->error();
    return {Read::What::failure};
  }
  void connected() {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      fail(std::strerror(error));
      return;
    }
    event_add(read_, nullptr);
    if (tls_) {
      state_ = State::handshaking;
      shake_hands();
    } else {
      state_ = State::connected;
      user_.on_connected();
    }
  }
  void shake_hands() {
    switch (tls_->handshake()) {
      case TlsSession::Step::done:
        state_ = State::connected;
        user_.on_connected();
        return;
      case TlsSession::Step::wants_read: return;
      case TlsSession::Step::wants_write: event_add(write_, nullptr); return;
      case TlsSession::Step::end:
      case TlsSession::Step::failed: break;
    }
    event_del(read_);
    fail(tls_->error().empty() ? "the server closed the connection" : tls_->error());
  }
  static void on_read(evutil_socket_t, short, void* self) {
    auto* stream = static_cast<LibeventStream*>(self);
    if (stream->state_ == State::handshaking) {
      stream->shake_hands();
    } else {
      stream->user_.on_readable();
    }
  }
  static void on_write(evutil_socket_t, short, void* self) {
    auto* stream = static_cast<LibeventStream*>(self);
    switch (stream->state_) {
      case State::connecting: stream->connected(); break;
      case State::handshaking: stream->shake_hands(); break;
      case State::connected: stream->user_.on_writable(); break;
    }
  }

  enum class State { connecting, handshaking, connected };
  User& user_;
  std::size_t& open_;
  int fd_ = -1;
  State state_ = State::connecting;
  std::unique_ptr<TlsSession> tls_;
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
