// The connection on which a worker hears of what happens to accounts (Redis pub/sub).
//
// An account's channel is subscribed while somebody here wants it. Pub/sub keeps nothing for the absent:
// after the connection was lost and every channel is subscribed again, the listener is told that something
// may have been missed, and has to look for itself.
//
// A subscribed connection can do nothing but subscribe, so SUBSCRIBE is also the heartbeat that finds a dead
// peer.
#pragma once

#include <coroutine>
#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "connection.hpp"
#include "keyspace.hpp"
#include "store.hpp"

namespace wallet_sync {

class Subscriber : public Connection::Owner {
 public:
  class Listener {
   public:
    virtual void on_update(const std::string& account, Sequence sequence) = 0;
    virtual void on_password_change(const std::string& account) = 0;
    virtual void on_gap() = 0;  // events may have been missed; all channels are subscribed again

   protected:
    ~Listener() = default;
  };

  // Connects with the first channel that is wanted.
  Subscriber(EventLoop& loop, const Server& server, const Keyspace& keys, Monitor& monitor,
             Listener& listener);
  ~Subscriber();
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;

  // One more who wants the account's events. True once Redis has confirmed the subscription: whatever is
  // published from then on is heard. False: it is not available, or did not confirm within command_timeout;
  // leave() is due all the same.
  class Join;
  Join join(const AccountId& account);
  void leave(const AccountId& account);

 private:
  struct Channel {
    std::size_t wanted = 0;
    std::size_t unconfirmed = 0;  // SUBSCRIBEs on their way
    bool confirmed = false;
    std::list<Join*> waiting;
  };
  using Channels = std::unordered_map<std::string, Channel>;  // by account

  void connect();
  void subscribe_all();
  void subscribe(const std::string& account, Channel& channel);
  void drop_if_unwanted(Channels::iterator channel);
  void decide(Channel& channel, bool confirmed);
  void beat();
  void on_confirmed(const std::string& account);
  void on_ready(Connection& connection) override;
  void on_lost(Connection& connection) override;
  void on_push(Connection& connection, const Reply& push) override;

  EventLoop& loop_;
  const Server& server_;
  const Keyspace& keys_;
  Monitor& monitor_;
  Listener& listener_;
  Channels channels_;
  std::size_t unconfirmed_after_loss_ = 0;
  bool gap_ = false;         // a connection was lost and not all is subscribed again
  bool subscribed_ = false;  // Redis lets us subscribe, and not just connect
  bool known_down_ = false;
  bool beat_confirmed_ = false;
  std::int64_t backoff_ms_ = 0;
  std::unique_ptr<Timer> reconnect_;
  std::unique_ptr<Timer> heartbeat_;
  std::unique_ptr<Connection> connection_;
};

class Subscriber::Join : private Posted {
 public:
  Join(Subscriber& subscriber, const AccountId& account);
  ~Join() override;
  Join(const Join&) = delete;
  Join& operator=(const Join&) = delete;
  bool await_ready() const;
  void await_suspend(std::coroutine_handle<> caller);
  bool await_resume() const;

 private:
  friend class Subscriber;
  void run() override { caller_.resume(); }
  void decide(bool confirmed);

  Subscriber& subscriber_;
  Channel& channel_;  // stays while it is wanted
  bool queued_ = false;
  bool confirmed_ = false;
  std::unique_ptr<Timer> deadline_;
  std::coroutine_handle<> caller_;
};

}  // namespace wallet_sync
