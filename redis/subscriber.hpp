// The connection on which a worker hears of what happens to accounts (Redis pub/sub).
//
// An account's channel is subscribed while somebody here wants it. Pub/sub keeps nothing for the absent:
// after the connection was lost and every channel is subscribed again, the listener is told that something
// may have been missed, and has to look for itself.
//
// A subscribed connection can do nothing but subscribe, so SUBSCRIBE is also the heartbeat that finds a dead
// peer.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>

#include "keyspace.hpp"
#include "node.hpp"
#include "store.hpp"
#include "waiter.hpp"

namespace wallet_sync {

class Subscriber final : private Node::Tenant {
 public:
  class Listener {
   public:
    virtual void on_update(const std::string& account, Sequence sequence) = 0;
    // Nobody is logged in any more: its password changed, its tokens were revoked, or it was deleted. `why`
    // is a sentence without a full stop.
    virtual void on_revoked(const std::string& account, std::string_view why) = 0;
    virtual void on_gap() = 0;  // events may have been missed; all channels are subscribed again

   protected:
    ~Listener() = default;
  };

  // Connects with the first channel that is wanted.
  Subscriber(Deadlines& deadlines, Node& node, const Keyspace& keys, Listener& listener);
  ~Subscriber() override;
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // One more who wants the account's events. True once Redis has confirmed the subscription: whatever is
  // published from then on is heard. False: it is not available, or did not confirm within connect_timeout
  // and command_timeout together; leave() is due all the same.
  class Join;
  Join join(const AccountId& account);
  void leave(const AccountId& account);

 private:
  struct Channel {
    std::size_t wanted = 0;
    std::size_t unconfirmed = 0;  // SUBSCRIBEs on their way
    bool confirmed = false;
    List<Join, Channel> waiting;
  };
  using Channels = std::unordered_map<std::string, Channel>;  // by account

  bool wanted() const override { return !channels_.empty(); }
  void on_up() override;
  void on_down() override;
  void on_push(const Reply& push) override;

  void subscribe(const std::string& account, Channel& channel);
  void drop_if_unwanted(Channels::iterator channel);
  static void decide(Channel& channel, bool confirmed);
  void beat();
  void on_confirmed(const std::string& account);

  Deadlines& deadlines_;
  Node& node_;
  const Keyspace& keys_;
  Listener& listener_;
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
