// Commands outside transactions: a few connections that all requests of a worker share. A request's commands
// go together over one of them.
//
// What is on its way over a link is bounded, by what recent replies weighed and by how many came in time; the
// rest waits here. Over a slow network it would arrive too late for everybody otherwise. Who cannot be served
// in time is refused at once, and what would be answered too late is not even asked.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
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

// Commands that are asked together. StoreError::unavailable: not all replies came by the deadline (then any
// of them may have run), or Redis is known to be down.
class Asking : public Waiter, public Hook<Links>, private Receiver {
 public:
  ~Asking() override;
  Asking(const Asking&) = delete;
  Asking& operator=(const Asking&) = delete;

  void await_suspend(std::coroutine_handle<> caller);

 protected:
  Asking(Links& links, Repeat repeat, std::int64_t deadline_ms);
  static std::int64_t deadline(const Links& links);
  // Writes the commands, each time that they are sent.
  virtual void write(CommandWriter& commands) const = 0;
  // One reply for each command, in order; an error reply is a reply. None at all: the place to ask is another
  // one by now, and nothing has been sent. What is not taken of them is gone afterwards.
  virtual void take(Replies&& replies) = 0;
  const std::optional<StoreError>& error() const { return error_; }

 private:
  friend class Links;
  void on_deadline() override;
  void on_replies(Connection& connection, Replies&& replies) override;
  void on_no_replies() override;
  void finish(std::optional<StoreError> error);
  void send(Connection& connection);

  Links& links_;
  bool may_repeat_;
  std::optional<StoreError> error_;
};

// co_await gives the replies as Asking::take() gets them.
class Read final : public Asking {
 public:
  Read(Links& links, Commands commands, Repeat repeat);
  Read(Links& links, Commands commands, Repeat repeat, std::int64_t deadline_ms);

  Result<Replies> await_resume();
  // Afterwards: to ask elsewhere.
  Commands take_commands() { return std::move(commands_); }

 private:
  void write(CommandWriter& commands) const override;
  void take(Replies&& replies) override { replies_ = std::move(replies); }

  Commands commands_;
  Replies replies_;
};

// The same for the requests of which there are most: neither commands nor replies are kept. `write` adds the
// commands to what it is given; `understand` makes a Result<T> of the replies as soon as they are there,
// outside of any coroutine, and co_await gives that. But replies with an error among them, and none at all,
// are exceptions. Both functions have to outlive it.
template <typename T, typename Write, typename Understand>
class Glance final : public Asking {
 public:
  Glance(Links& links, const Write& write, const Understand& understand)
      : Asking(links, Repeat::yes, deadline(links)), write_(write), understand_(understand) {}

  // With exceptions, nobody has understood anything.
  Result<T> await_resume() { return error() ? Result<T>(*error()) : std::move(result_); }
  std::optional<Replies>& exceptions() { return exceptions_; }

 private:
  void write(CommandWriter& commands) const override { write_(commands); }
  void take(Replies&& replies) override {
    if (replies.empty() ||
        std::any_of(replies.begin(), replies.end(), [](const Reply& r) { return r.is_error(); })) {
      exceptions_ = std::move(replies);
    } else {
      result_ = understand_(std::span<Reply>(replies));
    }
  }

  const Write& write_;
  const Understand& understand_;
  Result<T> result_ = StoreError::internal;
  std::optional<Replies> exceptions_;
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
  friend class Asking;
  class Link;

  void enter(Asking& asking);
  void leave(Asking& asking);
  void landed(const Replies& replies);
  void late();
  std::size_t flights() const;
  Link* free_link();
  bool too_late(const Asking& asking) const;
  void pump();

  Deadlines& deadlines_;
  Node& node_;
  List<Asking, Links> waiting_;  // the longest first
  std::size_t waiting_count_ = 0;
  std::size_t users_ = 0;
  double reply_bytes_ = 1024;  // of one request's replies, smoothed
  double most_flights_;        // over one link: one more with each that comes, half with each that comes late
  Throughput throughput_;
  std::vector<std::unique_ptr<Link>> links_;
};

}  // namespace wallet_sync
