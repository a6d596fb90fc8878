// One connection to Redis, from connect to loss. It is not revived: its owner makes another.
//
//   connecting ──▶ handshake (AUTH, SELECT, PING, ROLE) ──▶ ready ──▶ lost
//        └───────────────────┴──────────────────────────────────────▲
//
// Ready means that PING succeeded (a server that loads its data set accepts nearly everything else) and that
// the server is a master. Every command has a deadline; one that is missed ends the connection, and with it
// all commands that wait: what they did is unknown to us then.
#pragma once

#include <coroutine>
#include <cstdint>
#include <deque>
#include <limits>
#include <list>
#include <memory>
#include <string>

#include "command.hpp"
#include "event_loop.hpp"
#include "monitor.hpp"
#include "reply.hpp"
#include "result.hpp"
#include "server.hpp"

struct redisAsyncContext;

namespace wallet_sync {

class Connection;
struct Flight;

inline constexpr std::int64_t kNoDeadline = std::numeric_limits<std::int64_t>::max();

// Commands on their way: awaiting it gives one reply for each, in order, or StoreError::unavailable if not
// all came (then any of them may have run). Destroying it forgets the replies; the commands run all the same.
class RoundTrip : private Posted {
 public:
  RoundTrip(Connection& connection, const Commands& commands, std::int64_t deadline_ms);
  ~RoundTrip() override;
  RoundTrip(const RoundTrip&) = delete;
  RoundTrip& operator=(const RoundTrip&) = delete;

  bool await_ready() const noexcept { return !waiting_; }
  void await_suspend(std::coroutine_handle<> caller) noexcept { caller_ = caller; }
  Result<Replies> await_resume();

 private:
  friend class Connection;
  void run() override { caller_.resume(); }

  Flight* flight_ = nullptr;  // null once it has landed
  bool waiting_ = false;
  bool lost_ = false;
  Replies replies_;
  std::coroutine_handle<> caller_;
};

class Connection : private Posted {
 public:
  class Owner {
   public:
    // Both are called from the loop, never from within a call into the connection. The owner may destroy it.
    virtual void on_ready(Connection& connection) = 0;
    virtual void on_lost(Connection& connection) = 0;
    // What comes on a connection that push_command was used on.
    virtual void on_push(Connection&, const Reply&) {}

   protected:
    ~Owner() = default;
  };

  // Starts to connect.
  Connection(EventLoop& loop, const Server& server, Monitor& monitor, Owner& owner);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool ready() const { return state_ == State::ready; }
  bool lost() const { return state_ == State::lost; }
  // It is, or was before it was lost.
  bool was_ready() const { return was_ready_; }
  // Why it was lost, for the log.
  const std::string& reason() const { return reason_; }
  const Server& server() const { return server_; }
  // It is lost because it did not answer in time: trying again would only take as long again.
  bool timed_out() const { return timed_out_; }

  // Sends the commands in one write. They are answered by `deadline_ms` of the loop's clock, or the
  // connection is lost; nothing has more than command_timeout.
  RoundTrip send(const Commands& commands, std::int64_t deadline_ms = kNoDeadline) {
    return {*this, commands, deadline_ms};
  }
  // Sends a command whose reply nobody waits for; an error reply ends the connection.
  void tell(const Command& command);
  // SUBSCRIBE and UNSUBSCRIBE: confirmations and messages come to Owner::on_push. Nothing else may be sent
  // then.
  void push_command(const Command& command);
  // Ends it now, e.g. because of an error reply that says the server is not what we need.
  void lose(std::string reason);

 private:
  friend class RoundTrip;
  friend struct Flight;
  enum class State { connecting, handshake, ready, lost };

  enum class Purpose { awaited, greeting, told };

  Flight* submit(const Commands& commands, Purpose purpose, RoundTrip* waiter,
                 std::int64_t deadline_ms = kNoDeadline);
  void greet();
  // Empty if the greeting's replies are fine, otherwise what is wrong with the server.
  std::string complaint(const Replies& replies) const;
  void watch(std::int64_t deadline_ms);
  void on_deadline();
  void release_context();
  void run() override;

  // hiredis' callbacks; they only note what happened and post.
  static void on_connect(const redisAsyncContext* context, int status);
  static void on_disconnect(const redisAsyncContext* context, int status);
  static void on_pushed(redisAsyncContext* context, void* reply, void* connection);
  static void on_reply(redisAsyncContext* context, void* reply, void* flight);
  void land(Flight& flight);
  void note_loss(const redisAsyncContext* context);

  EventLoop& loop_;
  const Server& server_;
  Monitor& monitor_;
  Owner& owner_;
  redisAsyncContext* context_ = nullptr;
  State state_ = State::connecting;
  State told_ = State::connecting;  // the state the owner knows of
  bool was_ready_ = false;
  bool timed_out_ = false;
  std::string reason_;
  std::list<Flight> flights_;   // oldest first
  std::deque<Reply> pushes_;    // not yet passed on
  std::int64_t connect_by_ms_;  // until then it has to be ready
  std::int64_t armed_for_ms_ = 0;
  std::unique_ptr<Timer> deadline_;
};

// Commands that were sent together and the replies that have come so far.
struct Flight {
  Connection* connection;
  RoundTrip* waiter;  // null: nobody wants the replies (any more)
  Connection::Purpose purpose;
  std::size_t outstanding;
  std::int64_t deadline_ms;
  bool lost = false;
  Replies replies;
  std::list<Flight>::iterator self;
};

}  // namespace wallet_sync
