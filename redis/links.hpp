// Commands outside transactions: a few connections that all requests of a worker share. A request's commands
// go together over one of them.
//
// What is on its way over a link is bounded, by what recent replies weighed and by how many came in time; the
// rest waits here. Over a slow network it would arrive too late for everybody otherwise. Who cannot be served
// in time is refused at once, and what would be answered too late is not even asked.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "command.hpp"
#include "connection.hpp"
#include "node.hpp"
#include "result.hpp"
#include "throughput.hpp"
#include "waiter.hpp"

namespace wallet_sync {

class Links;

// Whether commands may be sent again when their connection is lost before they were answered.
enum class Repeat { yes, no };

// co_await gives one reply for each command, in order; an error reply is a reply. None at all: the place to
// ask is another one by now, and nothing has been sent. StoreError::unavailable: not all came by the deadline
// (then any of them may have run), or Redis is known to be down.
class Read final : public Waiter, public Hook<Links>, private Receiver {
 public:
  Read(Links& links, Commands commands, Repeat repeat);
  Read(Links& links, Commands commands, Repeat repeat, std::int64_t deadline_ms);
  ~Read() override;
  Read(const Read&) = delete;
  Read& operator=(const Read&) = delete;

  void await_suspend(std::coroutine_handle<> caller);
  Result<Replies> await_resume() { return std::move(result_); }
  // Afterwards: to ask elsewhere.
  Commands take_commands() { return std::move(commands_); }

 private:
  friend class Links;
  void on_deadline() override;
  void on_replies(Connection& connection, Replies&& replies) override;
  void on_no_replies() override;
  void finish(Result<Replies> result);

  Links& links_;
  Commands commands_;
  bool may_repeat_;
  Result<Replies> result_ = StoreError::unavailable;
};

class Links {
 public:
  // They begin to connect.
  Links(Deadlines& deadlines, Node& node);
  ~Links();
  Links(const Links&) = delete;
  Links& operator=(const Links&) = delete;

  // No link has a connection, nor an attempt that is worth waiting for.
  bool known_down() const;
  std::size_t waiting() const { return waiting_count_; }
  // Reads that exist, whatever has become of them: they must not outlive the links.
  std::size_t users() const { return users_; }
  // What waits has to be asked elsewhere.
  void send_away();
  std::size_t connected() const;

 private:
  friend class Read;
  class Link;

  void enter(Read& read);
  void leave(Read& read);
  void landed(const Replies& replies);
  void late();
  std::size_t flights() const;
  Link* free_link();
  bool too_late(const Read& read) const;
  void pump();

  Deadlines& deadlines_;
  Node& node_;
  List<Read, Links> waiting_;  // the longest first
  std::size_t waiting_count_ = 0;
  std::size_t users_ = 0;
  double reply_bytes_ = 1024;  // of one request's replies, smoothed
  double most_flights_;        // over one link: one more with each that comes, half with each that comes late
  Throughput throughput_;
  std::vector<std::unique_ptr<Link>> links_;
};

}  // namespace wallet_sync
