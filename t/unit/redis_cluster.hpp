// A small Redis Cluster of the test's own: masters without replicas, whose slots the test moves.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "redis_server.hpp"

class RedisCluster {
 public:
  // The slots are shared out evenly and in order. Returns when every node serves. The last `empty` nodes get
  // none.
  explicit RedisCluster(std::size_t masters = 3, std::size_t empty = 0);
  RedisCluster(const RedisCluster&) = delete;
  RedisCluster& operator=(const RedisCluster&) = delete;
  ~RedisCluster() = default;

  RedisServer& node(std::size_t index) { return *nodes_.at(index); }
  std::size_t size() const { return nodes_.size(); }
  // Who serves the slot, as the cluster's first node sees it.
  std::size_t owner(std::size_t slot);
  RedisServer& owner_of(std::size_t slot) { return node(owner(slot)); }

  // The stages of a slot's way to another node.
  void begin_move(std::size_t slot, std::size_t to);
  void move_key(const std::string& key, std::size_t slot, std::size_t to);
  void finish_move(std::size_t slot, std::size_t to);  // with all keys that are still there
  void move(std::size_t slot, std::size_t to);
  std::vector<std::string> keys_in(std::size_t slot);

  // As wallet_sync_redis cluster:// gives it, with all nodes.
  wallet_sync::Server server() const;

 private:
  bool settled();
  std::vector<std::unique_ptr<RedisServer>> nodes_;
  std::vector<std::string> ids_;
};
