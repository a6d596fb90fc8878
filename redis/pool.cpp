#include "pool.hpp"

#include <algorithm>

namespace wallet_sync {

Lease::~Lease() {
  if (connection_ != nullptr) {
    pool_->give_back(*connection_, false);
  }
}

void Lease::release() { pool_->give_back(*std::exchange(connection_, nullptr), true); }

Pool::Waiter::~Waiter() {
  if (queued_) {
    pool_.waiters_.remove(this);
  }
  if (connection_ != nullptr) {
    pool_.give_back(*connection_, true);
  }
}

bool Pool::Waiter::await_ready() {
  if (pool_.link_.known_down()) {
    return true;
  }
  while (!pool_.idle_.empty() && !pool_.idle_.back()->ready()) {  // lost a moment ago
    pool_.forget(*pool_.idle_.back());
  }
  if (pool_.idle_.empty() || !pool_.waiters_.empty()) {
    return false;
  }
  connection_ = pool_.idle_.back();
  pool_.idle_.pop_back();
  ++pool_.leased_;
  return true;
}

void Pool::Waiter::await_suspend(std::coroutine_handle<> caller) {
  caller_ = caller;
  queued_ = true;
  deadline_ms_ = std::min(deadline_ms_, pool_.deadline());
  pool_.waiters_.push_back(this);
  pool_.watch_deadlines();
  pool_.open_if_needed();
}

Result<Lease> Pool::Waiter::await_resume() {
  if (connection_ == nullptr) {
    return StoreError::unavailable;
  }
  return Lease(pool_, *std::exchange(connection_, nullptr));
}

void Pool::Waiter::decide(Connection* connection) {
  queued_ = false;
  connection_ = connection;
  post();
}

Pool::Pool(EventLoop& loop, const Server& server, Monitor& monitor, const Link& link)
    : loop_(loop),
      server_(server),
      monitor_(monitor),
      link_(link),
      deadline_(loop.new_timer(TimerKind::deadline, [this] { on_deadline(); })) {}

Pool::~Pool() = default;

// One connection for each waiter, up to the limit. They are opened as they are needed and kept.
void Pool::open_if_needed() {
  while (connecting_ < waiters_.size() && connections_.size() < server_.pool) {
    ++connecting_;
    connections_.push_back(std::make_unique<Connection>(loop_, server_, monitor_, *this));
  }
}

void Pool::give_back(Connection& connection, bool clean) {
  --leased_;
  if (!clean || !connection.ready()) {
    forget(connection);
    open_if_needed();
    return;
  }
  hand_over(connection);
}

void Pool::hand_over(Connection& connection) {
  if (waiters_.empty()) {
    idle_.push_back(&connection);
    return;
  }
  Waiter* first = waiters_.front();
  waiters_.pop_front();
  if (waiters_.empty()) {
    deadline_->disarm();
  }
  ++leased_;
  first->decide(&connection);
}

void Pool::forget(Connection& connection) {
  std::erase(idle_, &connection);
  std::erase_if(connections_, [&](const auto& owned) { return owned.get() == &connection; });
}

void Pool::on_ready(Connection& connection) {
  --connecting_;
  hand_over(connection);
}

void Pool::on_lost(Connection& connection) {
  const bool idle = std::find(idle_.begin(), idle_.end(), &connection) != idle_.end();
  if (idle) {
    forget(connection);
    return;
  }
  if (!connection.was_ready()) {
    monitor_.warn("no connection to Redis at " + server_.name() + ": " + connection.reason());
    --connecting_;
    forget(connection);
    if (leased_ == 0) {
      fail_waiters();
    }
  }
  // Otherwise it is leased: its lease gives it back.
}

// A connection could not be made, and there is none that could be given back: all who wait would fail in the
// same way.
void Pool::fail_waiters() {
  deadline_->disarm();
  while (!waiters_.empty()) {
    Waiter* first = waiters_.front();
    waiters_.pop_front();
    first->decide(nullptr);
  }
}

// The deadlines are not in the waiters' order: a change that is tried again has less time left than a new
// one.
void Pool::watch_deadlines() {
  std::int64_t first = kNoDeadline;
  for (const Waiter* waiter : waiters_) {
    first = std::min(first, waiter->deadline_ms_);
  }
  if (first == kNoDeadline) {
    deadline_->disarm();
  } else {
    deadline_->arm(std::max<std::int64_t>(first - loop_.now_ms(), 1));
  }
}

void Pool::on_deadline() {
  const std::int64_t now = loop_.now_ms();
  for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
    Waiter* current = *waiter;
    if (current->deadline_ms_ <= now) {
      waiter = waiters_.erase(waiter);
      current->decide(nullptr);
    } else {
      ++waiter;
    }
  }
  watch_deadlines();
}

}  // namespace wallet_sync
