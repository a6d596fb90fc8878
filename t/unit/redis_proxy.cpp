#include "redis_proxy.hpp"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace {

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

std::string drain(bufferevent* from) {
  evbuffer* input = bufferevent_get_input(from);
  std::string bytes(evbuffer_get_length(input), '\0');
  evbuffer_remove(input, bytes.data(), bytes.size());
  return bytes;
}

}  // namespace

RedisProxy::RedisProxy(LibeventLoop& loop, wallet_sync::Server target)
    : judge([](std::string_view) { return Verdict::forward; }),
      loop_(loop),
      target_(std::move(target)),
      server_(target_) {
  static int made = 0;
  server_.unix_path = target_.unix_path + "." + std::to_string(++made);
  const sockaddr_un address = unix_address(server_.unix_path);
  listener_ = evconnlistener_new_bind(
      loop.base(),
      [](evconnlistener*, evutil_socket_t fd, sockaddr*, int, void* self) {
        static_cast<RedisProxy*>(self)->accept(fd);
      },
      // A server that is started later must not hold what is closed here.
      this, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, -1, reinterpret_cast<const sockaddr*>(&address),
      sizeof address);
  if (listener_ == nullptr) {
    std::perror(server_.unix_path.c_str());
    std::abort();
  }
}

RedisProxy::~RedisProxy() {
  evconnlistener_free(listener_);
  while (!pairs_.empty()) {
    close(pairs_.front());
  }
  if (rate_ != nullptr) {
    ev_token_bucket_cfg_free(rate_);
  }
  unlink(server_.unix_path.c_str());
}

void RedisProxy::accept(int fd) {
  ++accepted_;
  const sockaddr_un address = unix_address(target_.unix_path);
  const int target = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(target, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(target);
    ::close(fd);
    return;
  }
  evutil_make_socket_nonblocking(fd);
  evutil_make_socket_nonblocking(target);
  Pair& pair = pairs_.emplace_back(Pair{this, nullptr, nullptr, false, {}, false, {}});
  pair.self = std::prev(pairs_.end());
  pair.client = bufferevent_socket_new(loop_.base(), fd, BEV_OPT_CLOSE_ON_FREE);
  pair.target = bufferevent_socket_new(loop_.base(), target, BEV_OPT_CLOSE_ON_FREE);
  if (rate_ != nullptr) {
    bufferevent_set_rate_limit(pair.client, rate_);
  }
  bufferevent_setcb(pair.client, from_client, nullptr, on_event, &pair);
  bufferevent_setcb(pair.target, from_target, nullptr, on_event, &pair);
  bufferevent_enable(pair.client, EV_READ | EV_WRITE);
  bufferevent_enable(pair.target, EV_READ | EV_WRITE);
}

void RedisProxy::close(Pair& pair) {
  bufferevent_free(pair.client);
  bufferevent_free(pair.target);
  pairs_.erase(pair.self);
}

void RedisProxy::from_client(bufferevent* client, void* data) {
  auto& pair = *static_cast<Pair*>(data);
  if (pair.held) {
    return;
  }
  const std::string request = drain(client);
  switch (pair.proxy->judge(request)) {
    case Verdict::forward: break;
    case Verdict::hold:
      pair.held = true;
      pair.request = request;
      return;
    case Verdict::cut: pair.proxy->close(pair); return;
    case Verdict::cut_reply: pair.swallow_reply = true; break;
  }
  pair.proxy->forward(pair, request);
}

void RedisProxy::forward(Pair& pair, const std::string& request) {
  bufferevent_write(pair.target, request.data(), request.size());
}

void RedisProxy::release() {
  for (auto next = pairs_.begin(); next != pairs_.end();) {
    Pair& pair = *next++;  // it may be closed
    if (std::exchange(pair.held, false)) {
      forward(pair, std::exchange(pair.request, {}));
      from_client(pair.client, &pair);
    }
  }
}

void RedisProxy::throttle(std::size_t from_store, std::size_t to_store) {
  constexpr timeval kTick{0, 10'000};
  constexpr std::size_t kTicks = 100;  // a second
  ev_token_bucket_cfg* const former = rate_;
  rate_ = ev_token_bucket_cfg_new(from_store / kTicks, from_store / kTicks, to_store / kTicks,
                                  to_store / kTicks, &kTick);
  for (Pair& pair : pairs_) {
    bufferevent_set_rate_limit(pair.client, rate_);
  }
  if (former != nullptr) {
    ev_token_bucket_cfg_free(former);
  }
}

void RedisProxy::from_target(bufferevent* target, void* data) {
  auto& pair = *static_cast<Pair*>(data);
  const std::string reply = drain(target);
  if (pair.swallow_reply) {
    pair.proxy->close(pair);
    return;
  }
  bufferevent_write(pair.client, reply.data(), reply.size());
}

void RedisProxy::on_event(bufferevent*, short what, void* data) {
  if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0) {
    auto& pair = *static_cast<Pair*>(data);
    pair.proxy->close(pair);
  }
}
