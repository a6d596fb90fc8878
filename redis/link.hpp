// The connection that all requests of a worker share for commands outside transactions. It is kept up for
// ever: after a loss it reconnects at once, then with exponential backoff and jitter.
#pragma once

#include <coroutine>
#include <list>
#include <memory>
#include <string>

#include "backoff.hpp"
#include "connection.hpp"
#include "event_loop.hpp"
#include "monitor.hpp"
#include "server.hpp"
#include "task.hpp"

namespace wallet_sync {

class Link : public Connection::Owner {
 public:
  // Starts to connect.
  Link(EventLoop& loop, const Server& server, Monitor& monitor);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // One reply for each command; an error reply is a reply. While the first attempt to connect (or the one
  // right after a loss) is under way the request waits for it, no longer than connect_timeout; when Redis is
  // known to be down it fails at once.
  Task<Result<Replies>> request(Commands commands);

  // For replies to others' commands: an error that says the server is no master any more ends the link, too.
  // It would go on reading from a replica otherwise.
  void doubt(const Reply& reply);

  // The last attempt to connect failed.
  bool known_down() const { return known_down_; }

 private:
  class Arrival;  // waits for the attempt to be decided

  void connect();
  void on_ready(Connection& connection) override;
  void on_lost(Connection& connection) override;
  void decide_arrivals();

  EventLoop& loop_;
  const Server& server_;
  Monitor& monitor_;
  bool up_ = false;
  bool known_down_ = false;
  std::int64_t backoff_ms_ = 0;
  std::int64_t reconnected_at_ms_ = -kMaxBackoffMs;  // the last time without a delay
  std::string last_reason_;
  std::list<Arrival*> arrivals_;
  std::unique_ptr<Timer> reconnect_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace wallet_sync
