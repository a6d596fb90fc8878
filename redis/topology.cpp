#include "topology.hpp"

#include <algorithm>
#include <utility>

namespace wallet_sync {
namespace {

// A node that a slot is moving to serves none of its own at first.
constexpr std::int64_t kKeptMs = 10'000;

// Far more than a cluster has masters. Each is some connections of ours, which the redirections of a node
// gone mad must not use up.
constexpr std::size_t kMostShards = 1024;

}  // namespace

Topology::Topology(Deadlines& deadlines, const Server& server, Monitor& monitor)
    : deadlines_(deadlines),
      server_(server),
      monitor_(monitor),
      named_by_address_(server.tls && server.tls->name.empty()) {
  ChangeQueue::Router* router = nullptr;
  if (!server.cluster.empty()) {
    router = this;
    server_.host.clear();
  }
  shards_.push_back(std::make_unique<Shard>(deadlines, server_, monitor, nullptr, router));
  if (router != nullptr) {
    masters_.assign(kSlots, shards_.front().get());
    nobody_ = masters_;
    served_ = nobody_.data();
    shards_.front()->slots = kSlots;
    schema_ = std::make_unique<SchemaWatch>(*this, deadlines, server_, monitor);
    ClusterWatch::Listener& listener = *this;
    watch_ = std::make_unique<ClusterWatch>(deadlines.loop(), server_, monitor, listener);
  }
}

Topology::~Topology() = default;

// Names that redirections tell are looked up in the last map.
Shard* Topology::shard_at(NodeAddress where, const Shard* told_by) {
  if (where.host.empty() && told_by != nullptr) {
    where.host = told_by->node.server().host;
    if (where.host.empty()) {
      return nullptr;
    }
    where.tls_name = told_by->node.server().tls ? told_by->node.server().tls->name : "";
  } else if (!is_ip_address(where.host)) {
    const auto named = std::find_if(known_.begin(), known_.end(), [&](const NodeAddress& node) {
      return node.tls_name == where.host && node.port == where.port;
    });
    if (named == known_.end()) {
      return nullptr;
    }
    where = *named;
  }
  const auto found = std::find_if(shards_.begin(), shards_.end(), [&](const auto& shard) {
    return shard->node.server().host == where.host && shard->node.server().port == where.port;
  });
  if (found != shards_.end()) {
    return found->get();
  }
  if (shards_.size() >= kMostShards) {
    return nullptr;
  }
  Server server = server_;
  server.host = where.host;
  server.port = where.port;
  if (named_by_address_) {
    server.tls->name = where.tls_name.empty() ? where.host : where.tls_name;
  }
  Node::Doubter* doubter = this;
  ChangeQueue::Router* router = this;
  shards_.push_back(std::make_unique<Shard>(deadlines_, server, monitor_, doubter, router));
  return shards_.back().get();
}

void Topology::on_map(const SlotMap& map) {
  known_ = map.nodes;
  std::vector<Shard*> named(map.nodes.size(), nullptr);
  std::vector<Shard*> masters(kSlots, shards_.front().get());
  for (const SlotMap::Range& range : map.ranges) {
    Shard*& master = named[range.master];
    if (master == nullptr) {
      master = shard_at(map.nodes[range.master], nullptr);
    }
    std::fill(masters.begin() + static_cast<std::ptrdiff_t>(range.first),
              masters.begin() + static_cast<std::ptrdiff_t>(range.last) + 1, master);
  }
  // What a redirection has changed already, not everybody knows.
  if (std::exchange(redirected_, false) || masters != masters_) {
    adopt(std::move(masters));
  }
  if (schema_->state() == SchemaWatch::State::unknown) {
    schema_->ask();
  } else {
    give_up_waiting();  // who waits there by now, waits for nobody
  }
  drop_unused();
}

void Topology::adopt(std::vector<Shard*> masters) {
  std::copy(masters.begin(), masters.end(), masters_.begin());  // served_ may lead there
  for (const auto& shard : shards_) {
    shard->slots = 0;
  }
  for (Shard* shard : masters_) {
    ++shard->slots;
  }
  reroute();
}

// What waits goes where its slot leads by now.
void Topology::reroute() {
  for (const auto& shard : shards_) {
    shard->changes.reroute();
    shard->links.send_away();
  }
  if (observer_ != nullptr) {
    observer_->on_slots_moved();
  }
}

void Topology::schema_changed() {
  const SchemaWatch::State state = schema_->state();
  served_ = state == SchemaWatch::State::fine ? masters_.data() : nobody_.data();
  if (state == SchemaWatch::State::wrong) {
    give_up_waiting();  // before others come to wait there
    reroute();
  } else if (state == SchemaWatch::State::fine) {
    reroute();
    give_up_waiting();
  }
}

bool Topology::all_away() const {
  return std::all_of(shards_.begin() + 1, shards_.end(),
                     [](const auto& shard) { return shard->slots == 0 || shard->links.known_down(); });
}

void Topology::on_doubt() {
  watch_->ask();
  if (all_away()) {
    schema_->forget();
  }
}

void Topology::on_no_map() { give_up_waiting(); }

bool Topology::misses_a_node() const {
  return std::any_of(shards_.begin() + 1, shards_.end(), [](const auto& shard) {
    return shard->slots > 0 && (shard->links.known_down() || shard->changes.known_down());
  });
}

bool Topology::known_down() const {
  return std::any_of(shards_.begin(), shards_.end(), [&](const auto& shard) {
    return (shard->slots > 0 || !clustered()) && (shard->links.known_down() || shard->changes.known_down());
  });
}

std::vector<std::size_t> Topology::one_slot_of_each() const {
  std::vector<std::size_t> slots;
  for (const auto& shard : shards_) {
    const auto found = std::find(masters_.begin(), masters_.end(), shard.get());
    if (found != masters_.end() || !clustered()) {
      slots.push_back(static_cast<std::size_t>(found - masters_.begin()));
    }
  }
  return slots;
}

void Topology::drop_unused() {
  const std::int64_t now = deadlines_.now_ms();
  for (std::size_t i = shards_.size(); i-- > 1;) {
    Shard& shard = *shards_[i];
    if (shard.slots == 0 && now - shard.wanted_at_ms >= kKeptMs && !shard.in_use() &&
        (observer_ == nullptr || observer_->leaves(shard))) {
      shards_.erase(shards_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

bool Topology::moved(const Redirection& redirection, const Shard& told_by) {
  Shard* shard = shard_at(redirection.where, &told_by);
  watch_->ask();
  if (shard == nullptr) {
    return false;
  }
  Shard*& place = masters_[redirection.slot];
  redirected_ = redirected_ || place != shard;
  --place->slots;
  place = shard;
  ++shard->slots;
  return shard != &told_by;
}

Shard* Topology::asked(const Redirection& redirection, const Shard& told_by) {
  Shard* shard = shard_at(redirection.where, &told_by);
  if (shard != nullptr) {
    shard->wanted_at_ms = deadlines_.now_ms();
  } else {
    watch_->ask();
  }
  return shard;
}

// What a change met. True: it need not wait before it goes on.
bool Topology::redirected(const AccountId& account, const Reply& error) {
  const auto redirection = redirection_of(error);
  if (!redirection) {
    watch_->ask();
    return false;
  }
  return redirection->kind == Redirection::Kind::moved && moved(*redirection, of(account));
}

}  // namespace wallet_sync
