// The changes that wait for a lane, by account.
//
// An account's changes are in one lane at a time: two lanes would make each other's EXEC fail. Accounts take
// turns, so that a contended one, of which hundreds of changes wait, holds nobody up.
//
// Who cannot be served in time is refused at once: a change that is begun with milliseconds left is work for
// nobody, and with enough of it nothing else gets done.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "change.hpp"
#include "monitor.hpp"
#include "node.hpp"
#include "throughput.hpp"
#include "waiter.hpp"

namespace wallet_sync {

class Lane;

// How many accounts may share a batch with one of which an EXEC has just been in vain. Such a batch is tried
// again in halves; so the contended account is soon alone, and stays so for a while.
class Contention {
 public:
  static constexpr std::size_t kMaxAccounts = 32;

  std::size_t limit(const AccountId& account, std::int64_t now_ms) const;
  // EXEC of a batch of so many accounts ran nothing, or ran.
  void lost(const AccountId& account, std::size_t accounts, std::int64_t now_ms);
  void won(const AccountId& account, std::int64_t now_ms);

 private:
  struct Entry {
    std::size_t hash = 0;
    std::size_t limit = kMaxAccounts;
    std::int64_t until_ms = 0;
  };
  static constexpr std::int64_t kRememberedMs = 1000;
  static constexpr std::size_t kEntries = 256;  // two accounts in one place: the later one is remembered
  std::array<Entry, kEntries> entries_{};
};

// The changes of one account that wait.
struct WaitingAccount : Hook<WaitingAccount> {
  explicit WaitingAccount(const AccountId& account) : id(account) {}
  AccountId id;
  List<Change, ChangeQueue> waiting;  // the longest first
  bool busy = false;                  // some of its changes are in a lane
  // Of a cluster, while its slot moves.
  std::int64_t held_until_ms = 0;
  std::int64_t pause_ms = 0;
};

// A change in the hands of a lane.
struct BatchMember {
  Change* change;  // null: it has been answered, or gave up
  WaitingAccount* account;
  std::size_t reads = 0;
  std::size_t writes = 0;
  bool confirming = false;  // it has nothing to write, perhaps because it has written; replicas are awaited
  bool waits_for_exec = false;  // it decided on what another member of its account is going to leave
};

class ChangeQueue final : private Posted {
 public:
  // Where the changes of a cluster's account go.
  class Router {
   public:
    virtual ChangeQueue& queue_of(const AccountId& account) = 0;
    // A node redirects the account's changes, or says that the cluster is down. True: they may go on at once.
    virtual bool redirected(const AccountId& account, const Reply& error) = 0;

   protected:
    ~Router() = default;
  };

  // Its lanes begin to connect. `router`: null if this is no cluster.
  ChangeQueue(Deadlines& deadlines, Node& node, Router* router = nullptr);
  ~ChangeQueue() override;
  ChangeQueue(const ChangeQueue&) = delete;
  ChangeQueue& operator=(const ChangeQueue&) = delete;

  Deadlines& deadlines() { return deadlines_; }
  // When a change that begins now has to be over.
  std::int64_t deadline() const;
  std::size_t waiting() const { return waiting_; }
  // In the hands of the lanes.
  std::size_t in_flight() const;
  // No lane has a connection, nor an attempt that is worth waiting for.
  bool known_down() const;
  // Changes that exist, whatever has become of them: they must not outlive the queue.
  std::size_t users() const { return users_; }
  // Slots have moved: what waits goes where it belongs.
  void reroute();
  std::size_t connected() const;  // lanes that have a connection

  // Counts the failure and passes it on.
  StoreError failed(StoreError error);

 private:
  friend class Change;
  friend class Lane;
  struct AccountHash {
    std::size_t operator()(const AccountId& account) const;
  };

  // Of changes.
  void enter(Change& change);
  void leave(Change& change);

  // Of lanes: what to do next, up to 32 accounts and 64 changes.
  std::vector<BatchMember> take();
  void again(Change& change, WaitingAccount& account);  // it goes first
  void release(WaitingAccount& account);                // its changes have left the lane
  void finished(std::size_t changes, std::int64_t trip_ms);
  void lanes_changed() { post(); }

  // Of clusters (change_routing.cpp). A node's error; true: it is a redirection, and the changes that met it
  // are to be tried again, here or elsewhere, once they are released.
  bool redirected(WaitingAccount& account, const Reply& error);
  // False: it is to be served here, and now.
  bool sent_away(WaitingAccount& account);
  void hand_over(WaitingAccount& account, ChangeQueue& other);
  void end_holds();

  WaitingAccount& account_of(const AccountId& account);
  void forget_if_idle(WaitingAccount& account);
  void fail_waiting();
  void run() override;

  Deadlines& deadlines_;
  Node& node_;
  Router* router_;
  std::unique_ptr<Timer> hold_timer_;  // null: this is no cluster
  std::size_t users_ = 0;
  std::unordered_map<AccountId, std::unique_ptr<WaitingAccount>, AccountHash> accounts_;
  List<WaitingAccount, WaitingAccount> ready_;  // accounts with changes that wait, not busy
  List<WaitingAccount, WaitingAccount> held_;   // accounts that are to be tried later, the earliest first
  std::size_t waiting_ = 0;
  Throughput throughput_;
  double trip_ms_ = 0;  // what a batch takes, smoothed
  Contention contention_;
  bool short_of_replicas_ = false;  // and said so in the log
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace wallet_sync
