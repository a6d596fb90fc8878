// Which of several Redis is the master: what the sentinels say, and go on saying.
//
// Each sentinel that is configured has a connection. It is asked for the master's address and the epoch of
// that (each failover has a higher one): when it is connected to, when it tells of a promotion or a switch,
// when somebody doubts what it said, and every second, which also finds a dead one. The highest epoch counts,
// whoever says it: a sentinel that was away during a failover, and an old master that does not know of it,
// lead nobody back. An epoch that is lower than the last one, or the same with another address, is a master
// that was monitored anew: it counts once most of the sentinels speak and none says otherwise.
//
// While no sentinel answers, the last address stays.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "event_loop.hpp"
#include "monitor.hpp"
#include "server.hpp"

namespace wallet_sync {

class SentinelWatch {
 public:
  class Listener {
   public:
    // Called from the loop. An IP address; verifying that it is a master is the listener's part.
    virtual void on_master(const std::string& host, int port) = 0;
    // All have been asked, and none could tell.
    virtual void on_no_master() = 0;

   protected:
    ~Listener() = default;
  };

  // Starts to connect. REQUIRES: server.sentinels; its TLS and timeouts hold for the sentinels, too.
  SentinelWatch(EventLoop& loop, const Server& server, Monitor& monitor, Listener& listener);
  ~SentinelWatch();
  SentinelWatch(const SentinelWatch&) = delete;
  SentinelWatch& operator=(const SentinelWatch&) = delete;

  // The address is in doubt: they are asked again now.
  void ask();

  std::size_t size() const { return sentinels_.size(); }
  std::size_t connected() const;

 private:
  class Sentinel;
  struct Statement {
    std::string host;
    int port = 0;
    std::int64_t epoch = 0;
    bool same_address(const Statement& other) const { return host == other.host && port == other.port; }
  };

  const Statement* best() const;
  void decide();

  Listener& listener_;
  std::optional<Statement> adopted_;
  bool told_none_ = false;
  bool waited_ = false;  // long enough for those who have not answered yet
  std::unique_ptr<Timer> patience_;
  std::vector<std::unique_ptr<Sentinel>> sentinels_;
};

}  // namespace wallet_sync
