#include "redis_cluster.hpp"

#include <cstdio>
#include <cstdlib>
#include <thread>

#include "cluster_map.hpp"
#include "slots.hpp"

using wallet_sync::kSlots;
using wallet_sync::Reply;
using wallet_sync::Server;

namespace {

constexpr int kStartLimitSteps = 6000;
constexpr std::chrono::milliseconds kStep{10};

[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

void expect_ok(const Reply& reply) {
  if (!reply.is_status("OK")) {
    give_up("the cluster does not do what the test wants: " + reply.text);
  }
}

}  // namespace

RedisCluster::RedisCluster(std::size_t masters, std::size_t empty) {
  std::vector<int> buses;
  for (std::size_t i = 0; i < masters + empty; ++i) {
    buses.push_back(free_port());
    nodes_.push_back(std::make_unique<RedisServer>(
        std::vector<std::string>{"--cluster-enabled", "yes", "--cluster-port", std::to_string(buses.back()),
                                 "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"}));
    ids_.push_back(node(i)("CLUSTER", "MYID").text);
    expect_ok(node(i)("CLUSTER", "SET-CONFIG-EPOCH", i + 1));
  }
  for (std::size_t i = 0; i < masters; ++i) {
    expect_ok(node(i)("CLUSTER", "ADDSLOTSRANGE", kSlots * i / masters, kSlots * (i + 1) / masters - 1));
  }
  for (std::size_t i = 1; i < size(); ++i) {
    const Server where = node(i).tcp_server();
    expect_ok(node(0)("CLUSTER", "MEET", where.host, where.port, buses[i]));
  }
  for (int step = 0; !settled(); ++step) {
    if (step == kStartLimitSteps) {
      give_up("the cluster does not come up");
    }
    std::this_thread::sleep_for(kStep);
  }
}

bool RedisCluster::settled() {
  const std::string known = "cluster_known_nodes:" + std::to_string(size()) + "\r\n";
  for (const auto& node : nodes_) {
    const std::string info = (*node)("CLUSTER", "INFO").text;
    if (info.find("cluster_state:ok") == info.npos || info.find(known) == info.npos) {
      return false;
    }
  }
  return true;
}

std::size_t RedisCluster::owner(std::size_t slot) {
  const auto map = wallet_sync::parse_slots(node(0)("CLUSTER", "SLOTS"), {});
  for (const auto& range : map->ranges) {
    for (std::size_t i = 0; i < size(); ++i) {
      if (range.first <= slot && slot <= range.last &&
          map->nodes[range.master].port == node(i).tcp_server().port) {
        return i;
      }
    }
  }
  give_up("nobody serves the slot");
}

void RedisCluster::begin_move(std::size_t slot, std::size_t to) {
  const std::size_t from = owner(slot);
  expect_ok(node(to)("CLUSTER", "SETSLOT", slot, "IMPORTING", ids_[from]));
  expect_ok(node(from)("CLUSTER", "SETSLOT", slot, "MIGRATING", ids_[to]));
}

void RedisCluster::move_key(const std::string& key, std::size_t slot, std::size_t to) {
  const Server where = node(to).tcp_server();
  expect_ok(owner_of(slot)("MIGRATE", where.host, where.port, key, 0, 5000));
}

std::vector<std::string> RedisCluster::keys_in(std::size_t slot) {
  std::vector<std::string> keys;
  for (const Reply& key : owner_of(slot)("CLUSTER", "GETKEYSINSLOT", slot, 1000).elements) {
    keys.push_back(key.text);
  }
  return keys;
}

void RedisCluster::finish_move(std::size_t slot, std::size_t to) {
  for (const std::string& key : keys_in(slot)) {
    move_key(key, slot, to);
  }
  expect_ok(node(to)("CLUSTER", "SETSLOT", slot, "NODE", ids_[to]));
  for (std::size_t i = 0; i < size(); ++i) {
    if (i != to) {
      expect_ok(node(i)("CLUSTER", "SETSLOT", slot, "NODE", ids_[to]));
    }
  }
}

void RedisCluster::move(std::size_t slot, std::size_t to) {
  begin_move(slot, to);
  finish_move(slot, to);
}

Server RedisCluster::server() const {
  Server server = nodes_.front()->server();
  server.unix_path.clear();
  for (const auto& node : nodes_) {
    const Server where = node->tcp_server();
    server.cluster.push_back({where.host, where.port, {}});
  }
  return server;
}
