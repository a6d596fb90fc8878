// A redis-server of the test's own, in a directory of its own: started, stopped, killed, frozen and restarted
// with the same data. It dies with the test.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "command.hpp"
#include "reply.hpp"
#include "server.hpp"

struct redisContext;

// A plain blocking client: the other party in a race. It ends the test when it cannot reach the server.
class BlockingClient {
 public:
  explicit BlockingClient(const wallet_sync::Server& server);
  wallet_sync::Reply call(const wallet_sync::Command& command);
  template <typename... Args>
  wallet_sync::Reply operator()(std::string_view name, const Args&... args) {
    return call(wallet_sync::Command(name, args...));
  }

 private:
  std::unique_ptr<redisContext, void (*)(redisContext*)> context_;
};

// A loopback port that nobody listens on at the moment.
int free_port();

class RedisServer {
 public:
  // `arguments` are appended to the command line.
  explicit RedisServer(std::vector<std::string> arguments = {});
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;
  ~RedisServer();

  void shut_down();  // as an operator would
  void kill();       // as a crash would
  void freeze();
  void thaw();
  // After stop or kill; returns when it serves again.
  void restart();
  // The same, but returns when it listens: it may still be loading its data.
  void restart_without_waiting();

  // How to reach it, with generous timeouts.
  wallet_sync::Server server() const;
  wallet_sync::Server tcp_server() const;
  const std::string& directory() const { return directory_; }

  template <typename... Args>
  wallet_sync::Reply operator()(std::string_view name, const Args&... args) {
    return BlockingClient(server())(name, args...);
  }
  // Everything in the current database: each key with its DUMP, sorted.
  std::string snapshot();

 private:
  void start(std::string_view awaited_line);
  bool wait_for_line(std::string_view text);
  void reap();

  std::string directory_;
  std::vector<std::string> arguments_;
  int port_ = 0;
  pid_t pid_ = -1;
  int output_ = -1;
};
