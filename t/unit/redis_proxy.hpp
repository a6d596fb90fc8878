// Stands between a store and its Redis, on the same loop: it sees each write of the store before Redis does,
// and may cut, hold or delay it. What happens between two steps of a transaction is decided here.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <string>
#include <string_view>
#include <utility>

#include "libevent_loop.hpp"
#include "server.hpp"

struct bufferevent;
struct ev_token_bucket_cfg;
struct evconnlistener;

class RedisProxy {
 public:
  enum class Verdict {
    forward,
    hold,       // it and all that follows on its connection stay here until release()
    cut,        // Redis never gets it; the connection is closed
    cut_reply,  // Redis gets it; once it has answered the connection is closed, without the answer
  };

  RedisProxy(LibeventLoop& loop, wallet_sync::Server target);
  RedisProxy(const RedisProxy&) = delete;
  RedisProxy& operator=(const RedisProxy&) = delete;
  ~RedisProxy();

  // How to reach it: the target's settings, another socket.
  const wallet_sync::Server& server() const { return server_; }
  // Asked about all that the store sends.
  std::function<Verdict(std::string_view request)> judge;
  std::size_t accepted() const { return accepted_; }
  std::size_t open() const { return pairs_.size(); }
  // Forwards what was held, without asking again.
  void release();
  // New connections lead there: a virtual address has moved.
  void retarget(wallet_sync::Server target) { target_ = std::move(target); }
  // A slow network: so many bytes a second from and to the store, on each connection.
  void throttle(std::size_t from_store, std::size_t to_store);

 private:
  struct Pair {
    RedisProxy* proxy;
    bufferevent* client;
    bufferevent* target;
    bool held = false;
    std::string request = {};  // that is held
    bool swallow_reply = false;
    std::list<Pair>::iterator self;
  };

  void accept(int fd);
  void close(Pair& pair);
  void forward(Pair& pair, const std::string& request);
  static void from_client(bufferevent* client, void* pair);
  static void from_target(bufferevent* target, void* pair);
  static void on_event(bufferevent*, short what, void* pair);

  LibeventLoop& loop_;
  wallet_sync::Server target_;
  wallet_sync::Server server_;
  evconnlistener* listener_ = nullptr;
  ev_token_bucket_cfg* rate_ = nullptr;
  std::list<Pair> pairs_;
  std::size_t accepted_ = 0;
};
