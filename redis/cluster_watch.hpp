// Who serves which slot of a Redis Cluster: what one of its nodes says, and goes on saying.
//
// One connection, to one node at a time, asks for CLUSTER INFO and CLUSTER SLOTS: when it is connected to,
// when somebody doubts the map, and every second, or more often while a node is missed. When the node does
// not answer, or says that the cluster is down, another one is asked: those of the configuration and all that
// the last map named.
//
// Each failover raises the cluster's epoch. A map of a lower one is that of a node which has been away, and
// is left alone, unless for some seconds nobody knows better (a cluster that was made anew).
//
// While no node answers, the last map stays.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cluster_map.hpp"
#include "connection.hpp"
#include "event_loop.hpp"
#include "monitor.hpp"
#include "server.hpp"

namespace wallet_sync {

class ClusterWatch final : private Connection::Owner, private Receiver {
 public:
  class Listener {
   public:
    // Called from the loop.
    virtual void on_map(const SlotMap& map) = 0;
    // All have been asked, and there has never been a map.
    virtual void on_no_map() = 0;
    // A node that serves slots cannot be reached: its successor is waited for.
    virtual bool misses_a_node() const = 0;

   protected:
    ~Listener() = default;
  };

  // Starts to connect. REQUIRES: server.cluster is not empty; its TLS, user and timeouts hold for all nodes.
  ClusterWatch(EventLoop& loop, const Server& server, Monitor& monitor, Listener& listener);
  ~ClusterWatch() override;
  ClusterWatch(const ClusterWatch&) = delete;
  ClusterWatch& operator=(const ClusterWatch&) = delete;

  // The map is in doubt: it is asked for again now.
  void ask();

 private:
  void connect_to_next();
  void on_ready(Connection& connection) override;
  void on_lost(Connection& connection) override;
  void on_replies(Connection& connection, Replies&& replies) override;
  void on_no_replies() override {}
  void on_interval();
  bool adopt(const SlotMap& map, std::int64_t epoch);
  void tell_of_gaps(std::size_t slots);
  void warn_once(const std::string& reason);

  EventLoop& loop_;
  Monitor& monitor_;
  Listener& listener_;
  const bool named_by_address_;  // each node's certificate is
  Server server_;                // the one that is asked
  std::vector<NodeAddress> seeds_;
  std::vector<NodeAddress> candidates_;
  std::size_t next_ = 0;
  std::size_t failures_ = 0;  // since one answered
  bool again_ = false;        // something happened since the question
  bool leaves_ = false;       // another one is asked next time
  bool has_gaps_ = false;     // the last map named no master for some slots
  bool adopted_any_ = false;
  std::int64_t epoch_ = 0;  // of the last map
  std::int64_t asked_at_ms_ = 0;
  std::int64_t adopted_at_ms_ = 0;
  std::int64_t backoff_ms_ = 0;
  std::map<std::string, std::string> last_reasons_;  // of nodes that do not answer
  std::unique_ptr<Timer> retry_;
  std::unique_ptr<Timer> interval_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace wallet_sync
