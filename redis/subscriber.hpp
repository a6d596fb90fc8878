// The connection on which a worker hears of what happens to accounts (Redis pub/sub).
//
// An account's channel is subscribed while somebody here wants it. Pub/sub keeps nothing for the absent:
// after the connection was lost and every channel is subscribed again, the listener is told that something
// may have been missed, and has to look for itself.
//
// A subscribed connection can do nothing but subscribe, so SUBSCRIBE is also the heartbeat that finds a dead
// peer.
//
// In a cluster there is one of these for each master, see subscribers.hpp, and channels are sharded
// (SSUBSCRIBE): the server tells by `sunsubscribe` that a channel's slot has left, and by MOVED that it is
// somewhere else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "keyspace.hpp"
#include "node.hpp"
#include "store.hpp"
#include "waiter.hpp"

namespace wallet_sync {

class Subscriber final : public Node::Tenant {
 public:
  class Listener {
   public:
    virtual void on_update(const std::string& account, Sequence sequence) = 0;
    // Nobody is logged in any more: its password changed, its tokens were revoked, or it was deleted. `why`
    // is a sentence without a full stop.
    virtual void on_revoked(const std::string& account, std::string_view why) = 0;
    virtual void on_gap() = 0;  // events may have been missed; all channels are subscribed again
    // The same for this account alone, in a cluster.
    virtual void on_missed(const std::string&) { on_gap(); }

   protected:
    ~Listener() = default;
  };

  // Of a cluster.
  class Router {
   public:
    // The node does not serve the account's channel (any more). It is not subscribed here, and what to do
    // about it is the router's part. `error`: null, or may say where it is; then it is the error number
    // `hops` since the channel was subscribed.
    virtual void on_left(Subscriber& subscriber, const std::string& account, const Reply* error,
                         unsigned hops) = 0;

   protected:
    ~Router() = default;
  };

  // Connects with the first channel that is wanted. `router`: null if this is no cluster.
  Subscriber(Deadlines& deadlines, Node& node, const Keyspace& keys, Listener& listener,
             Router* router = nullptr);
  ~Subscriber() override;
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // One more who wants the account's events. True once Redis has confirmed the subscription: whatever is
  // published from then on is heard. False: it is not available, or did not confirm within connect_timeout
  // and command_timeout together; leave() is due all the same.
  class Join;
  Join join(const AccountId& account);
  void leave(const AccountId& account);
  bool connected() const { return connection() != nullptr; }

  // Of clusters. Those who want a channel go on wanting it at the other one, which has not got it yet.
  bool has(const std::string& account) const { return channels_.contains(account); }
  bool idle() const { return channels_.empty(); }
  std::vector<std::string> accounts() const;
  void move(const std::string& account, Subscriber& other);
  // Unless it is subscribed, or about to be.
  void subscribe_again(const std::string& account);

 private:
  struct Channel {
    std::size_t wanted = 0;
    std::size_t unconfirmed = 0;  // SUBSCRIBEs on their way
    bool confirmed = false;
    // Of a cluster:
    bool missed = false;           // it was confirmed, and then not
    unsigned hops = 0;             // redirections since
    std::uint64_t last_asked = 0;  // the SSUBSCRIBE that counts
    List<Join, Channel> waiting;
  };
  using Channels = std::unordered_map<std::string, Channel>;  // by account

  bool wanted() const override { return !channels_.empty(); }
  void on_up() override;
  void on_down() override;
  void on_push(const Reply& push) override;

  void subscribe(const std::string& account, Channel& channel);
  void unsubscribe(const std::string& account);
  void drop_if_unwanted(Channels::iterator channel);
  static void decide(Channel& channel, bool confirmed);
  void beat();
  void on_confirmed(const std::string& account);
  // Whether this is the reply that its channel waits for; it is end() otherwise.
  Channels::iterator answered();
  void on_sharded_error(const Reply& error);
  void on_unsubscribed(const std::string& account);

  Deadlines& deadlines_;
  Node& node_;
  const Keyspace& keys_;
  Listener& listener_;
  Router* router_;
  struct Asked {
    std::string account;
    std::uint64_t serial;  // 0: SUNSUBSCRIBE
  };
  std::deque<Asked> asked_;  // of a cluster: what the next replies are about, the oldest first
  std::uint64_t last_serial_ = 0;
  Channels channels_;
  std::size_t unconfirmed_after_loss_ = 0;
  bool gap_ = false;         // a connection was lost and not all is subscribed again
  bool subscribed_ = false;  // Redis lets us subscribe, and not just connect
  bool refused_ = false;     // it did not, the last time
  bool beat_confirmed_ = false;
  std::unique_ptr<Timer> heartbeat_;
};

class Subscriber::Join final : public Waiter, public Hook<Subscriber::Channel> {
 public:
  Join(Subscriber& subscriber, const AccountId& account);
  bool await_ready() const;
  void await_suspend(std::coroutine_handle<> caller);
  bool await_resume() const { return confirmed_ || (!done() && channel_.confirmed); }

 private:
  friend class Subscriber;
  void on_deadline() override;

  Subscriber& subscriber_;
  Channel& channel_;  // stays while it is wanted
  bool confirmed_ = false;
};

}  // namespace wallet_sync
