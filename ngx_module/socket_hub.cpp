#include "socket_hub.hpp"

#include <malloc.h>

#include <algorithm>
#include <vector>

#include "trace.hpp"
#include "websocket_frame.hpp"

namespace wallet_sync {
namespace {

constexpr std::int64_t kDrainTickMs = 50;
constexpr std::int64_t kCatchUpRetryMs = 250;
constexpr std::size_t kAccountsPerRead = 256;

// Calls `visit` for each socket of the group; it may destroy that socket, and with the last one the group.
template <typename Visit>
void for_each(const SocketGroup& group, Visit visit) {
  for (Socket* socket = group.first; socket != nullptr;) {
    Socket* next = socket->next();
    visit(*socket);
    socket = next;
  }
}

}  // namespace

class SocketHub::Place final : public PendingSocket {
 public:
  Place(SocketHub& hub, const SocketGroup& group) : socket_(hub, group) {}
  void stand_at(Standing standing) override { socket_.stand_at(standing); }
  Socket&& release() { return std::move(socket_); }

 private:
  Socket socket_;
};

SocketHub::SocketHub(EventLoop& loop, RedisStore& store, Metrics& metrics)
    : loop_(loop),
      store_(store),
      metrics_(metrics),
      drain_timer_(loop.new_timer(TimerKind::deadline, [this] { drain_some(); })),
      catch_up_timer_(loop.new_timer(TimerKind::background, [this] { start_catch_up(); })),
      subscribers_(store.topology(), store.deadlines(), store.keys(), *this) {}

SocketHub::~SocketHub() {
  while (!groups_.empty()) {
    groups_.begin()->first->drop();
  }
}

Task<Result<std::unique_ptr<PendingSocket>>> SocketHub::reserve(AccountId account) {
  std::unique_ptr<PendingSocket> place = std::make_unique<Place>(*this, *groups_.emplace(account).first);
  if (!co_await subscribers_.join(account)) {
    co_return StoreError::unavailable;
  }
  co_return std::move(place);
}

void SocketHub::adopt(PendingSocket& place, ngx_connection_t* connection, const SocketSettings& settings,
                      std::string early) {
  static_assert(alignof(Socket) <= NGX_ALIGNMENT);
  void* memory = ngx_palloc(connection->pool, sizeof(Socket));
  if (memory == nullptr) {
    ngx_http_close_connection(connection);
    return;
  }
  auto* socket = new (memory) Socket(static_cast<Place&>(place).release());
  socket->attach(connection, settings, std::move(early));
}

// The oldest gives way: a device that comes back after its network broke must not be kept out by the remains
// of its own former connections.
void SocketHub::opened(Socket& socket) {
  metrics_.raise(Gauge::websockets);
  metrics_.count(Counter::websockets_opened);
  ++open_;
  most_open_ = std::max(most_open_, open_);
  // Its connection was not idle when those were told, but came just before, or its handshake was under way.
  // To refuse it would be no use: its client can ask nobody else by this connection.
  if (ngx_exiting != 0) {
    draining_ = true;
    drain_timer_->arm(kDrainTickMs);
  }
  const SocketGroup& group = socket.group_;
  if (++group.open <= socket.settings_->max_per_account) {
    return;
  }
  for (Socket* oldest = group.first; oldest != nullptr; oldest = oldest->next_) {
    if (oldest != &socket && oldest->open()) {
      return oldest->close(kClosePolicy, "too many sockets of this account");
    }
  }
}

// The C library would keep what thousands of sockets took. It takes some milliseconds: only while nobody is
// here.
void SocketHub::give_memory_back() {
#ifdef __GLIBC__
  constexpr std::size_t kMany = 1000;
  if (most_open_ >= kMany) {
    malloc_trim(0);
  }
#endif
  most_open_ = 0;
}

void SocketHub::remove(Socket& socket) {
  const SocketGroup& group = socket.group_;
  (socket.previous_ != nullptr ? socket.previous_->next_ : group.first) = socket.next_;
  (socket.next_ != nullptr ? socket.next_->previous_ : group.last) = socket.previous_;
  if (socket.settings_ != nullptr) {
    metrics_.lower(Gauge::websockets);
    --open_;
    if (socket.state_ == Socket::State::open) {
      --group.open;
    }
    if (open_ == 0) {
      give_memory_back();
      drain_timer_->disarm();  // a worker that quits waits for it
    }
  }
  subscribers_.leave(group.account);
  if (group.first == nullptr) {
    groups_.erase(groups_.find(group));
  }
}

void SocketHub::on_update(const std::string& account, Sequence sequence) {
  metrics_.count(Counter::updates_heard);
  if (const auto found = groups_.find(account); found != groups_.end()) {
    const std::string frame = update_frame(sequence);
    for_each(*found, [&](Socket& socket) { socket.on_update(sequence, frame); });
  }
}

void SocketHub::on_revoked(const std::string& account, std::string_view why) {
  metrics_.count(Counter::revocations_heard);
  if (const auto found = groups_.find(account); found != groups_.end()) {
    for_each(*found, [why](Socket& socket) { socket.close(kClosePolicy, why); });
  }
}

void SocketHub::on_gap() {
  metrics_.count(Counter::event_gaps);
  behind_.clear();
  behind_.reserve(groups_.size());
  for (const SocketGroup& group : groups_) {
    behind_.push_back(group.account);
    for_each(group, [](Socket& socket) { socket.on_gap(); });
  }
  start_catch_up();
}

void SocketHub::on_missed(const std::string& account) {
  if (const auto found = groups_.find(account); found != groups_.end()) {
    metrics_.count(Counter::event_gaps);
    behind_.push_back(found->account);
    for_each(*found, [](Socket& socket) { socket.on_gap(); });
    start_catch_up();
  }
}

void SocketHub::start_catch_up() {
  if (catch_up_ && !catch_up_->done()) {
    return;  // it goes on until nobody is behind
  }
  catch_up_.emplace(catch_up());
  const TraceScope nobodys(nullptr);
  catch_up_->start();
  if (catch_up_->done()) {
    look_again();
  } else {
    catch_up_->notify([](void* self) { static_cast<SocketHub*>(self)->look_again(); }, this);
  }
}

void SocketHub::look_again() {
  if (!behind_.empty()) {
    catch_up_timer_->arm(kCatchUpRetryMs);
  }
}

// Reads where the accounts that are behind stand, and tells their sockets. False: Redis did not answer for
// all; those who are left are tried again.
Task<bool> SocketHub::catch_up() {
  std::vector<AccountId> failed;
  while (!behind_.empty()) {
    const auto end = behind_.end();
    const auto begin = behind_.size() > kAccountsPerRead ? end - kAccountsPerRead : behind_.begin();
    const std::vector<AccountId> some(begin, end);
    behind_.erase(begin, end);
    const auto standings = co_await store_.read_standings(some);
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (!standings[i]) {
        failed.push_back(some[i]);
      } else if (const auto found = groups_.find(some[i].view()); found != groups_.end()) {
        for_each(*found, [&](Socket& socket) { socket.catch_up(*standings[i]); });
      }
    }
  }
  behind_ = std::move(failed);
  co_return behind_.empty();
}

void SocketHub::drain() {
  if (draining_) {
    return;
  }
  draining_ = true;
  for (const SocketGroup& group : groups_) {
    for_each(group, [&](Socket& socket) {
      if (socket.settings_ != nullptr) {
        drain_until_ = std::max(drain_until_, ngx_current_msec + socket.settings_->drain_time);
      }
    });
  }
  drain_some();
}

void SocketHub::drain_some() {
  const std::int64_t left =
      static_cast<std::int64_t>(drain_until_) - static_cast<std::int64_t>(ngx_current_msec);
  const auto open = static_cast<std::int64_t>(open_);
  const std::int64_t pause = open > 0 ? std::max(left / open, kDrainTickMs) : kDrainTickMs;
  const auto due = static_cast<std::size_t>(left > pause ? (open * pause + left - 1) / left : open);
  std::vector<Socket*> closing;
  for (const SocketGroup& group : groups_) {
    for (Socket* socket = group.first; socket != nullptr && due > closing.size(); socket = socket->next_) {
      if (socket->open()) {
        closing.push_back(socket);
      }
    }
  }
  for (Socket* socket : closing) {
    socket->close(kCloseGoingAway, "the server restarts");
  }
  if (open_ > 0) {
    drain_timer_->arm(left > pause ? pause : kDrainTickMs);
  }
}

}  // namespace wallet_sync
