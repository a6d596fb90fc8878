// Where an account is kept: the one Redis there is, or the master of a cluster that serves its slot.
//
// A master is a Shard: its node, links and lanes. Shards are made as the map of the cluster names them, or a
// node's redirection does, and go when they serve no slot any more and nobody waits for them. What waits for
// a shard that has lost its slot is sent on to the new one; what is on its way is answered, or redirected, by
// the former one.
//
// Until it is known that we may read and write what is there (schema_watch.hpp), no slot leads to its master.
//
// A slot that nobody serves leads to a shard without an address: until the first map is there one waits in
// it, afterwards nobody can be served.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "change_queue.hpp"
#include "cluster_map.hpp"
#include "cluster_watch.hpp"
#include "links.hpp"
#include "node.hpp"
#include "schema_watch.hpp"
#include "server.hpp"
#include "slots.hpp"
#include "waiter.hpp"

namespace wallet_sync {

struct Shard {
  Shard(Deadlines& deadlines, const Server& server, Monitor& monitor, Node::Doubter* doubter,
        ChangeQueue::Router* router)
      : node(deadlines.loop(), server, monitor, doubter),
        links(deadlines, node),
        changes(deadlines, node, router) {}

  bool in_use() const { return links.users() > 0 || changes.users() > 0; }

  Node node;
  Links links;
  ChangeQueue changes;
  std::size_t slots = 0;          // of a cluster's, that it serves
  std::int64_t wanted_at_ms = 0;  // the last time somebody was sent here although it serves none
};

class Topology final : private ClusterWatch::Listener, private ChangeQueue::Router, private Node::Doubter {
 public:
  // Whoever else has connections to the shards' nodes.
  class Observer {
   public:
    virtual void on_slots_moved() = 0;
    // False: it has to stay. True: nothing leads to it any more.
    virtual bool leaves(Shard& shard) = 0;

   protected:
    ~Observer() = default;
  };

  // Starts to connect.
  Topology(Deadlines& deadlines, const Server& server, Monitor& monitor);
  ~Topology();
  Topology(const Topology&) = delete;
  Topology& operator=(const Topology&) = delete;

  bool clustered() const { return watch_ != nullptr; }
  // Without a cluster there is one slot.
  std::size_t slot(const AccountId& account) const { return clustered() ? slot_of_tag(account.view()) : 0; }
  std::size_t slot_of_key(std::string_view key) const { return clustered() ? slot_of(key) : 0; }
  Shard& of(const AccountId& account) { return of(account.view()); }
  Shard& of(std::string_view account) {
    return clustered() ? *served_[slot_of_tag(account)] : *shards_.front();
  }
  // A slot of each shard that serves any; without a cluster, the only shard's, whichever slot it is.
  std::vector<std::size_t> one_slot_of_each() const;
  Shard& of_slot(std::size_t slot) { return clustered() ? *served_[slot] : *shards_.front(); }
  // Of the only shard, or of any that serves slots: it cannot be reached.
  bool known_down() const;
  // Why the data are left alone; empty: they are not.
  const std::string& wrong_schema() const {
    return schema_ ? schema_->wrong() : shards_.front()->node.wrong_schema();
  }
  const std::vector<std::unique_ptr<Shard>>& all() const { return shards_; }
  // The only one; of a cluster, the one without an address.
  Shard& first() { return *shards_.front(); }
  const Shard& first() const { return *shards_.front(); }

  // The rest is of clusters. A slot has moved. False: the new place is not known, a map is asked for.
  bool moved(const Redirection& redirection, const Shard& told_by);
  // Where ASK leads; null: nowhere that is known.
  Shard* asked(const Redirection& redirection, const Shard& told_by);
  void doubt() { on_doubt(); }
  // Who serves the slot, whether we may make use of that or not.
  Shard& master_of(std::size_t slot) { return *masters_[slot]; }
  // Of the schema watch: it has come to know something, or nobody knows and it is no use to wait for it.
  void schema_changed();
  void give_up_waiting() { shards_.front()->node.give_up_waiting(); }
  void observe(Observer* observer) { observer_ = observer; }
  std::size_t shards() const { return shards_.size() - 1; }

 private:
  void on_map(const SlotMap& map) override;
  void on_no_map() override;
  bool misses_a_node() const override;
  ChangeQueue& queue_of(const AccountId& account) override { return of(account).changes; }
  bool redirected(const AccountId& account, const Reply& error) override;
  void on_doubt() override;

  // Null: the host is a name that no map has told the address of.
  Shard* shard_at(NodeAddress where, const Shard* told_by);
  void adopt(std::vector<Shard*> masters);
  void reroute();
  bool all_away() const;
  void drop_unused();

  Deadlines& deadlines_;
  Server server_;
  Monitor& monitor_;
  const bool named_by_address_;  // each node's certificate is
  Observer* observer_ = nullptr;
  std::vector<NodeAddress> known_;  // nodes of the last map
  std::vector<std::unique_ptr<Shard>> shards_;
  // Of each slot: who serves it; nobody; and where it leads, one of the two.
  std::vector<Shard*> masters_;
  std::vector<Shard*> nobody_;
  Shard* const* served_ = nullptr;
  bool redirected_ = false;              // masters_ has changed since the last map
  std::unique_ptr<ClusterWatch> watch_;  // null: it is no cluster
  std::unique_ptr<SchemaWatch> schema_;  // null: it is no cluster
};

}  // namespace wallet_sync
