// All websockets of a worker, by account, and what they are told.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "redis_store.hpp"
#include "socket.hpp"
#include "subscribers.hpp"
#include "websocket.hpp"

namespace wallet_sync {

// One account's sockets here, oldest first. Gone with the last of them. The table of groups goes by the
// account; the rest of an element may change.
struct SocketGroup {
  explicit SocketGroup(const AccountId& id) : account(id) {}
  AccountId account;
  mutable Socket* first = nullptr;
  mutable Socket* last = nullptr;
  mutable std::size_t open = 0;

  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view account) const noexcept {
      return std::hash<std::string_view>{}(account);
    }
    std::size_t operator()(const SocketGroup& group) const noexcept { return (*this)(group.account.view()); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const SocketGroup& a, const SocketGroup& b) const noexcept {
      return a.account == b.account;
    }
    bool operator()(std::string_view account, const SocketGroup& group) const noexcept {
      return account == group.account.view();
    }
    bool operator()(const SocketGroup& group, std::string_view account) const noexcept {
      return account == group.account.view();
    }
  };
};

class SocketHub final : public Sockets, private Subscriber::Listener {
 public:
  SocketHub(EventLoop& loop, RedisStore& store, Metrics& metrics);
  ~SocketHub() override;
  SocketHub(const SocketHub&) = delete;
  SocketHub& operator=(const SocketHub&) = delete;

  Task<Result<std::unique_ptr<PendingSocket>>> reserve(AccountId account) override;
  // The reserved place becomes an open socket on this connection.
  static void adopt(PendingSocket& place, ngx_connection_t* connection, const SocketSettings& settings,
                    std::string early);

  // The worker quits: the open sockets are closed one after the other, over the time that the settings give,
  // so that their clients do not all come back in the same second.
  void drain();
  // The connection that tells of events is there.
  std::size_t ears() const { return subscribers_.connected(); }

  std::size_t open() const { return open_; }

 private:
  friend class Socket;
  class Place;

  using Groups = std::unordered_set<SocketGroup, SocketGroup::Hash, SocketGroup::Equal>;

  void opened(Socket& socket);
  void remove(Socket& socket);
  void give_memory_back();
  void drain_some();
  void on_update(const std::string& account, Sequence sequence) override;
  void on_revoked(const std::string& account, std::string_view why) override;
  void on_gap() override;
  void on_missed(const std::string& account) override;
  void start_catch_up();
  Task<bool> catch_up();
  void look_again();

  EventLoop& loop_;
  RedisStore& store_;
  Metrics& metrics_;
  Groups groups_;
  std::size_t open_ = 0;
  std::size_t most_open_ = 0;  // since there was none
  bool draining_ = false;
  ngx_msec_t drain_until_ = 0;
  std::unique_ptr<Timer> drain_timer_;
  std::unique_ptr<Timer> catch_up_timer_;
  std::optional<Task<bool>> catch_up_;
  std::vector<AccountId> behind_;  // accounts of which events may have been missed
  Subscribers subscribers_;
};

}  // namespace wallet_sync
