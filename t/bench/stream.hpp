// What sockets.cpp is made of: a loop, streams, connections.
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
  std::cerr << "sockets: " << reason << '\n';
  std::exit(1);
}

class Poller {
 public:
  using Handler = std::function<void()>;
  void add(int fd, Handler* handler) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = handler;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
      fail("epoll_ctl");
    }
  }
  void turn(int milliseconds) {
    std::array<epoll_event, 256> events;
    const int n = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), milliseconds);
    for (int i = 0; i < n; ++i) {
      (*static_cast<Handler*>(events[static_cast<std::size_t>(i)].data.ptr))();
    }
  }
  template <typename Condition>
  void until(Condition condition, const char* what) {
    for (double begun = now(); !condition(); turn(100)) {
      if (now() - begun > kPatience) {
        fail(std::string("waited too long: ") + what);
      }
    }
  }

 private:
  int epoll_ = epoll_create1(0);
};

// A non-blocking stream, and what has come of it.
class Stream {
 public:
  Stream(Poller& poller, int fd, std::function<void(Stream&)> on_data) : fd_(fd) {
    handler_ = [this, on_data = std::move(on_data)] {
      receive();
      on_data(*this);
    };
    poller.add(fd, &handler_);
  }
  ~Stream() { end(); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void send(std::string_view data) const {
    if (fd_ >= 0 &&
        ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(data.size())) {
      fail(std::string("send: ") + std::strerror(errno));
    }
  }
  void end() {
    if (fd_ >= 0) {
      close(std::exchange(fd_, -1));
    }
  }
  bool ended() const { return ended_; }
  std::string data;

 private:
  void receive() {
    std::array<char, 4096> buffer;
    const ssize_t n = recv(fd_, buffer.data(), buffer.size(), 0);
    if (n > 0) {
      data.append(buffer.data(), static_cast<std::size_t>(n));
    } else if (n == 0 || errno != EAGAIN) {
      ended_ = true;
    }
  }

  int fd_;
  bool ended_ = false;
  Poller::Handler handler_;
};

inline int connect_tcp(int port, int address) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in from{};
  from.sin_family = AF_INET;
  from.sin_addr.s_addr = htonl(0x7F000002U + static_cast<std::uint32_t>(address));  // from 127.0.0.2 on
  sockaddr_in to = from;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0 ||
      connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
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
