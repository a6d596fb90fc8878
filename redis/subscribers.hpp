// Where a worker hears of accounts: one subscriber, or in a cluster one for each master, among which the
// channels of accounts move with their slots.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "event_loop.hpp"
#include "keyspace.hpp"
#include "subscriber.hpp"
#include "topology.hpp"
#include "waiter.hpp"

namespace wallet_sync {

class Subscribers final : private Topology::Observer, private Subscriber::Router {
 public:
  // All arguments outlive it.
  Subscribers(Topology& topology, Deadlines& deadlines, const Keyspace& keys, Subscriber::Listener& listener);
  ~Subscribers();
  Subscribers(const Subscribers&) = delete;
  Subscribers& operator=(const Subscribers&) = delete;

  // See Subscriber.
  Subscriber::Join join(const AccountId& account);
  void leave(const AccountId& account);
  // Connections that are ready.
  std::size_t connected() const;

 private:
  struct Place {
    Shard* shard;
    std::unique_ptr<Subscriber> subscriber;
  };

  void on_slots_moved() override;
  bool leaves(Shard& shard) override;
  void on_left(Subscriber& subscriber, const std::string& account, const Reply* error,
               unsigned hops) override;

  Subscriber& at(Shard& shard);
  // Who has the account's channel; null: nobody.
  Subscriber* holder(const std::string& account);
  void bring_home(Subscriber& subscriber, const std::string& account);
  void try_again();

  Topology& topology_;
  Deadlines& deadlines_;
  const Keyspace& keys_;
  Subscriber::Listener& listener_;
  std::unique_ptr<Timer> later_timer_;
  std::vector<std::string> later_;  // accounts whose slot is on its way
  std::vector<Place> places_;
};

}  // namespace wallet_sync
