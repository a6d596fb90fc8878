// What the clients are made of: a loop, streams, connections.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

constexpr double kPatience = 30.0;  // seconds, after which something has failed

inline double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] inline void fail(const std::string& reason) {
  std::cerr << "client: " << reason << '\n';
  std::exit(1);
}

class Poller {
 public:
  using Handler = std::function<void(std::uint32_t events)>;
  void add(int fd, Handler* handler, std::uint32_t events = EPOLLIN) {
    control(EPOLL_CTL_ADD, fd, handler, events);
  }
  void change(int fd, Handler* handler, std::uint32_t events) { control(EPOLL_CTL_MOD, fd, handler, events); }
  void turn(int milliseconds) {
    std::array<epoll_event, 256> events;
    const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), milliseconds);
    for (int i = 0; i < n; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      (*static_cast<Handler*>(event.data.ptr))(event.events);
    }
  }
  template <typename Condition>
  void until(Condition condition, const char* what, double patience = kPatience) {
    for (const double begun = now(); !condition(); turn(10)) {
      if (now() - begun > patience) {
        fail(std::string("waited too long: ") + what);
      }
    }
  }

 private:
  void control(int operation, int fd, Handler* handler, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.ptr = handler;
    if (epoll_ctl(epoll_, operation, fd, &event) != 0) {
      fail(std::string("epoll_ctl: ") + std::strerror(errno));
    }
  }

  int epoll_ = epoll_create1(0);
};

// A non-blocking stream, and what has come of it. `on_data` is called when more has come or the stream has
// ended; it may destroy the stream.
class Stream {
 public:
  Stream(Poller& poller, int fd, std::function<void(Stream&)> on_data)
      : poller_(poller), fd_(fd), on_data_(std::move(on_data)) {
    handler_ = [this](std::uint32_t events) { handle(events); };
    poller_.add(fd_, &handler_);
  }
  virtual ~Stream() { Stream::end(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // What the socket does not take at once follows when it can.
  void send(std::string_view text) {
    if (fd_ < 0) {
      return;
    }
    unsent_.append(text);
    flush();
  }
  void end() {
    if (fd_ >= 0) {
      finish();
      close(std::exchange(fd_, -1));
    }
  }
  bool ended() const { return ended_; }
  std::string data;

 protected:
  // Bytes; 0 at the end; -1 if it has to be tried again later; -2 if the stream has failed.
  virtual ssize_t read(char* to, std::size_t size) { return outcome(recv(fd_, to, size, 0)); }
  virtual ssize_t write(const char* from, std::size_t size) {
    return outcome(::send(fd_, from, size, MSG_NOSIGNAL));
  }
  virtual void finish() {
  }  // the last words; not called by the destructor, for then there is no one to say them

 private:
  static ssize_t outcome(ssize_t n) { return n >= 0 ? n : errno == EAGAIN ? -1 : -2; }

  void handle(std::uint32_t events) {
    if ((events & EPOLLOUT) != 0) {
      flush();
    }
    receive();
    on_data_(*this);
  }

  void flush() {
    while (!unsent_.empty()) {
      const ssize_t n = write(unsent_.data(), unsent_.size());
      if (n < 0) {
        ended_ = ended_ || n == -2;
        break;
      }
      unsent_.erase(0, static_cast<std::size_t>(n));
    }
    if (const bool wanted = !unsent_.empty() && !ended_; wanted != waits_to_write_) {
      waits_to_write_ = wanted;
      poller_.change(fd_, &handler_, EPOLLIN | (wanted ? EPOLLOUT : 0U));
    }
    if (unsent_.empty() && unsent_.capacity() > 4096) {
      std::string().swap(unsent_);
    }
  }

  void receive() {
    std::array<char, 65536> buffer;
    while (!ended_) {
      const ssize_t n = read(buffer.data(), buffer.size());
      if (n > 0) {
        data.append(buffer.data(), static_cast<std::size_t>(n));
      }
      ended_ = n == 0 || n == -2;
      if (n < static_cast<ssize_t>(buffer.size()) && n < kTlsRecord) {
        break;
      }
    }
  }

  static constexpr ssize_t kTlsRecord = 16384;  // a read of TLS never gives more

  Poller& poller_;
  int fd_;
  bool ended_ = false, waits_to_write_ = false;
  std::string unsent_;
  std::function<void(Stream&)> on_data_;
  Poller::Handler handler_;
};

struct ConnectOptions {
  bool wait = true;        // until the server has answered; otherwise a failure shows when the stream is read
  int receive_buffer = 0;  // bytes; the kernel has a least of its own. 0: what is usual
};

inline int connect_tcp(int port, int address, ConnectOptions options = {}) {
  const int fd = socket(AF_INET, SOCK_STREAM | (options.wait ? 0 : SOCK_NONBLOCK), 0);
  const int on = 1;
  if (options.receive_buffer > 0) {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &options.receive_buffer, sizeof options.receive_buffer);
  }
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(0x7F000002U + static_cast<std::uint32_t>(address));  // from 127.0.0.2 on
  sockaddr_in to = from;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0 ||
      (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS) ||
      fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
    fail(std::string("connect: ") + std::strerror(errno));
  }
  return fd;
}

inline int connect_unix(const std::string& path) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  path.copy(to.sun_path, sizeof to.sun_path - 1);
  if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 ||
      fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
    fail(std::string("connect to Redis: ") + std::strerror(errno));
  }
  return fd;
}
