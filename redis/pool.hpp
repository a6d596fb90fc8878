// Connections for transactions. WATCH belongs to a connection, so a transaction has one to itself from WATCH
// to EXEC: it leases it. A lease that is not released clean closes its connection.
#pragma once

#include <coroutine>
#include <cstddef>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "connection.hpp"
#include "link.hpp"

namespace wallet_sync {

class Pool;

class Lease {
 public:
  Lease(Pool& pool, Connection& connection) : pool_(&pool), connection_(&connection) {}
  Lease(Lease&& other) noexcept
      : pool_(other.pool_), connection_(std::exchange(other.connection_, nullptr)) {}
  Lease& operator=(Lease&&) = delete;
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease();

  Connection& connection() const { return *connection_; }
  // REQUIRES: nothing is watched or open on the connection, or the command that ends it has been told.
  void release();

 private:
  Pool* pool_;
  Connection* connection_;
};

class Pool : public Connection::Owner {
 public:
  // `link` says whether Redis is known to be down; it must outlive the pool.
  Pool(EventLoop& loop, const Server& server, Monitor& monitor, const Link& link);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  class Waiter;
  // Waits for a connection until `deadline_ms` of the loop's clock, and no longer than command_timeout;
  // StoreError::unavailable when there is none by then, or at once when Redis is known to be down.
  Waiter lease(std::int64_t deadline_ms = kNoDeadline);

  // When an operation that begins now has to be over, by command_timeout.
  std::int64_t deadline() const { return loop_.now_ms() + server_.command_timeout_ms; }

  std::size_t leased() const { return leased_; }
  std::size_t open() const { return connections_.size(); }

 private:
  friend class Lease;
  void give_back(Connection& connection, bool clean);
  void open_if_needed();
  void hand_over(Connection& connection);
  void fail_waiters();
  void watch_deadlines();
  void on_deadline();
  void forget(Connection& connection);
  void on_ready(Connection& connection) override;
  void on_lost(Connection& connection) override;

  EventLoop& loop_;
  const Server& server_;
  Monitor& monitor_;
  const Link& link_;
  std::size_t leased_ = 0;
  std::size_t connecting_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> idle_;  // the warmest last
  std::list<Waiter*> waiters_;     // oldest first
  std::unique_ptr<Timer> deadline_;
};

class Pool::Waiter : private Posted {
 public:
  Waiter(Pool& pool, std::int64_t deadline_ms) : Posted(pool.loop_), pool_(pool), deadline_ms_(deadline_ms) {}
  ~Waiter() override;
  Waiter(const Waiter&) = delete;
  Waiter& operator=(const Waiter&) = delete;
  bool await_ready();
  void await_suspend(std::coroutine_handle<> caller);
  Result<Lease> await_resume();

 private:
  friend class Pool;
  void run() override { caller_.resume(); }
  void decide(Connection* connection);

  Pool& pool_;
  Connection* connection_ = nullptr;  // leased to us, until await_resume passes it on
  bool queued_ = false;
  std::int64_t deadline_ms_;
  std::coroutine_handle<> caller_;
};

inline Pool::Waiter Pool::lease(std::int64_t deadline_ms) { return {*this, deadline_ms}; }

}  // namespace wallet_sync
