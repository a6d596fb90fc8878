#include "cluster_watch.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include "backoff.hpp"
#include "slots.hpp"

namespace wallet_sync {
namespace {

constexpr std::int64_t kIntervalMs = 1000;
constexpr std::int64_t kHurriedIntervalMs = 200;
// A node that takes longer to answer is left: another one will know as well.
constexpr std::int64_t kPatienceMs = 800;
// So long a map of a lower epoch is not believed.
constexpr std::int64_t kStaleMs = 5000;

}  // namespace

ClusterWatch::ClusterWatch(EventLoop& loop, const Server& server, Monitor& monitor, Listener& listener)
    : loop_(loop),
      monitor_(monitor),
      listener_(listener),
      named_by_address_(server.tls && server.tls->name.empty()),
      server_(server),
      seeds_(server.cluster),
      candidates_(server.cluster),
      next_(std::random_device{}() % candidates_.size()),  // not all workers ask the same one
      retry_(loop.new_timer(TimerKind::background, [this] { connect_to_next(); })),
      interval_(loop.new_timer(TimerKind::background, [this] { on_interval(); })) {
  server_.any_role = true;
  server_.replicas = 0;
  connect_to_next();
}

ClusterWatch::~ClusterWatch() = default;

void ClusterWatch::connect_to_next() {
  connection_.reset();
  const NodeAddress& node = candidates_[next_++ % candidates_.size()];
  server_.host = node.host;
  server_.port = node.port;
  if (named_by_address_) {
    server_.tls->name = node.tls_name.empty() ? node.host : node.tls_name;
  }
  leaves_ = false;
  Connection::Owner& owner = *this;
  connection_ = std::make_unique<Connection>(loop_, server_, monitor_, owner, 0);
}

void ClusterWatch::on_ready(Connection&) {
  ask();
  interval_->arm(kHurriedIntervalMs);
}

void ClusterWatch::ask() {
  static const Commands kQuestion = {Command("CLUSTER", "INFO"), Command("CLUSTER", "SLOTS")};
  if (!connection_ || !connection_->ready()) {
    return;
  }
  if (receiving()) {
    again_ = true;
    return;
  }
  again_ = false;
  asked_at_ms_ = loop_.now_ms();
  connection_->ask(kQuestion, *this);
}

void ClusterWatch::on_interval() {
  interval_->arm(kHurriedIntervalMs);
  const std::int64_t since = loop_.now_ms() - asked_at_ms_;
  if (receiving()) {
    if (since >= kPatienceMs) {
      connection_->lose("it does not say who serves which slot");
    }
  } else if (leaves_) {
    interval_->disarm();
    connect_to_next();
  } else if (since >= kIntervalMs || listener_.misses_a_node()) {
    ask();
  }
}

void ClusterWatch::on_lost(Connection& connection) {
  warn_once("is not available: " + connection.reason());
  connection_.reset();
  interval_->disarm();
  if (++failures_ < candidates_.size()) {
    connect_to_next();
    return;
  }
  failures_ = 0;
  if (!adopted_any_) {
    listener_.on_no_map();
  }
  retry_->arm(next_backoff(backoff_ms_));
}

void ClusterWatch::on_replies(Connection& connection, Replies&& replies) {
  const auto map = parse_slots(replies[1], {server_.host, server_.port, {}});
  if (!map) {
    connection.lose(replies[1].is_error() ? loggable(replies[1].text)
                                          : "its CLUSTER SLOTS is not understood");
    return;
  }
  const ClusterInfo info = parse_cluster_info(replies[0].text);
  failures_ = 0;
  backoff_ms_ = 0;
  if (last_reasons_.erase(server_.name()) > 0) {
    monitor_.notice("cluster node " + server_.name() + " answers again");
  }
  const bool adopted = adopt(*map, info.epoch);
  if (adopted) {
    tell_of_gaps(map->without_master());
  }
  // A node that has just joined does not know all masters yet, and others may.
  leaves_ = !adopted || !info.ok || has_gaps_;
  if (again_) {
    ask();
  }
}

// False: it is of the past.
bool ClusterWatch::adopt(const SlotMap& map, std::int64_t epoch) {
  const std::int64_t now = loop_.now_ms();
  if (adopted_any_ && epoch < epoch_ && now - adopted_at_ms_ < kStaleMs) {
    return false;
  }
  adopted_any_ = true;
  epoch_ = epoch;
  adopted_at_ms_ = now;
  candidates_ = seeds_;
  for (const NodeAddress& node : map.nodes) {
    if (std::find(candidates_.begin(), candidates_.end(), node) == candidates_.end()) {
      candidates_.push_back(node);
    }
  }
  listener_.on_map(map);
  return true;
}

// Accounts in slots that have no master cannot be served, and no connection fails that would tell why.
void ClusterWatch::tell_of_gaps(std::size_t slots) {
  if (std::exchange(has_gaps_, slots > 0) == has_gaps_) {
    return;
  }
  if (has_gaps_) {
    monitor_.warn("cluster node " + server_.name() + " names no master for " + std::to_string(slots) +
                  " of " + std::to_string(kSlots) + " slots; their accounts get 503");
  } else {
    monitor_.notice("all slots of the cluster have masters again");
  }
}

// Once per node and reason.
void ClusterWatch::warn_once(const std::string& reason) {
  std::string& last = last_reasons_[server_.name()];
  if (reason != last) {
    last = reason;
    monitor_.warn("cluster node " + server_.name() + " " + reason);
  }
}

}  // namespace wallet_sync
