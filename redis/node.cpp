#include "node.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "backoff.hpp"
#include "keyspace.hpp"
#include "schema.hpp"

namespace wallet_sync {
namespace {

// A master that was demoted behind our back goes on answering reads for no longer than this.
constexpr std::int64_t kRoleIntervalMs = 500;

// A connection that is lost sooner than this after it was replaced without a delay is replaced with one.
constexpr std::int64_t kFlappingMs = 1000;

constexpr std::string_view kFormer = "it leads to a former master";
constexpr std::string_view kMoved = "the sentinels name another master";

}  // namespace

// Of one connection: asks for its ROLE and, unless it is a cluster's, for the schema version; and may write
// that.
class Node::RoleCheck final : public Receiver {
 public:
  explicit RoleCheck(Node& node) : node_(node) {}

  void ask(Connection& connection) { connection.ask(node_.role_question_, *this); }
  void mark(Connection& connection, const Commands& commands) {
    marking_ = true;
    connection.ask(commands, *this);
  }

 private:
  void on_replies(Connection& connection, Replies&& replies) override {
    if (std::exchange(marking_, false)) {
      node_.marked_schema(connection, replies.front());
      return;
    }
    if (is_replica(replies.front())) {
      node_.end_generation(connection, "it is a replica, not a master");
      return;
    }
    node_.doubt(connection, replies.front());
    if (replies.size() > 1 && !connection.lost()) {
      node_.checked_schema(connection, replies[1], *this);
    }
  }
  void on_no_replies() override {
    if (std::exchange(marking_, false)) {
      node_.marking_schema_ = false;
    }
  }

  Node& node_;
  bool marking_ = false;
};

Node::Tenant::Tenant(Node& node, bool asks) : node_(node), replaced_at_ms_(-kFlappingMs) {
  if (asks) {
    role_check_ = std::make_unique<RoleCheck>(node);
  }
  node_.tenants_.push_back(this);
}

Node::Tenant::~Tenant() { std::erase(node_.tenants_, this); }

// While the address is down, the one who tries for all is enough.
void Node::Tenant::need() {
  if (connection_) {
    return;
  }
  if (!node_.has_address()) {
    known_down_ = node_.masterless_;  // the sentinels' answer is worth waiting for
    return;
  }
  if (node_.retry_->armed() && node_.any_ready() == nullptr) {
    known_down_ = true;
    return;
  }
  known_down_ = false;
  node_.connect(*this);
}

Node::Node(EventLoop& loop, const Server& server, Monitor& monitor, Doubter* doubter)
    : loop_(loop),
      server_(server),
      monitor_(monitor),
      doubter_(doubter),
      named_by_address_(server.sentinels && server.tls && server.tls->name.empty()),
      retry_(loop.new_timer(TimerKind::background, [this] { connect_missing(); })),
      role_timer_(loop.new_timer(TimerKind::background, [this] { check_roles(); })) {
  role_timer_->arm(kRoleIntervalMs);
  role_question_.emplace_back("ROLE");
  if (asks_schema(server_)) {
    role_question_.emplace_back("GET", Keyspace(server_.key_prefix).schema());
  }
  if (server_.sentinels) {
    SentinelWatch::Listener& listener = *this;
    sentinels_ = std::make_unique<SentinelWatch>(loop, server_, monitor, listener);
  }
}

Node::~Node() = default;

// What was asked over connections of the former address is asked again at the new one; nobody is told that it
// is down, for it is not.
void Node::on_master(const std::string& host, int port) {
  if (host == server_.host && port == server_.port) {
    return;
  }
  if (has_address()) {
    monitor_.count(Counter::master_switches);
  }
  server_.host = host;
  server_.port = port;
  if (named_by_address_) {
    server_.tls->name = host;
  }
  monitor_.notice("the sentinels name " + server_.name() + " as the master \"" + server_.sentinels->master +
                  "\"");
  moved_with_ = ++generation_;
  masterless_ = false;
  last_reason_.clear();
  retry_->disarm();
  backoff_ms_ = 0;
  for (Tenant* tenant : tenants_) {
    tenant->known_down_ = false;
    if (tenant->connection_) {
      tenant->connection_->lose(std::string(kMoved));
    } else if (tenant->wanted()) {
      connect(*tenant);
    }
  }
}

void Node::on_no_master() {
  masterless_ = true;
  if (has_address()) {  // no better one, at least
    return;
  }
  down_ = true;
  for (Tenant* tenant : tenants_) {
    tenant->known_down_ = true;
    tenant->on_down();
  }
}

void Node::ask_others() {
  if (sentinels_) {
    sentinels_->ask();
  }
  if (doubter_ != nullptr) {
    doubter_->on_doubt();
  }
}

void Node::connect(Tenant& tenant) {
  Connection::Owner& owner = *this;
  tenant.connection_ = std::make_unique<Connection>(loop_, server_, monitor_, owner, generation_);
}

Node::Tenant& Node::tenant_of(const Connection& connection) {
  return **std::find_if(tenants_.begin(), tenants_.end(),
                        [&](const Tenant* tenant) { return tenant->connection_.get() == &connection; });
}

Node::Tenant* Node::any_ready() {
  const auto found = std::find_if(tenants_.begin(), tenants_.end(),
                                  [](const Tenant* tenant) { return tenant->connection() != nullptr; });
  return found != tenants_.end() ? *found : nullptr;
}

void Node::connect_missing() {
  const bool up = any_ready() != nullptr;
  for (Tenant* tenant : tenants_) {
    if (tenant->connection_ || !tenant->wanted()) {
      continue;
    }
    connect(*tenant);
    if (!up) {
      return;
    }
    tenant->known_down_ = false;  // an attempt that is worth waiting for
  }
}

void Node::on_ready(Connection& connection) {
  Tenant& tenant = tenant_of(connection);
  if (connection.generation() != generation_) {  // it was ended meanwhile
    connection.lose(std::string(kFormer));
    return;
  }
  if (std::exchange(down_, false)) {
    monitor_.notice("Redis at " + server_.name() + " answers again");
  }
  last_reason_.clear();
  wrong_schema_.clear();
  backoff_ms_ = 0;
  tenant.known_down_ = false;
  if (connection.without_schema() && tenant.role_check_) {
    mark_schema(connection, *tenant.role_check_);
  }
  connect_missing();
  tenant.on_up();
}

void Node::on_lost(Connection& connection) {
  Tenant& tenant = tenant_of(connection);
  const std::unique_ptr<Connection> lost = std::move(tenant.connection_);
  if (lost->generation() < moved_with_) {
    if (tenant.wanted()) {
      connect(tenant);
    }
    tenant.on_down();
    return;
  }
  tell_once(*lost);
  if (lost->cause() == Connection::Cause::schema && lost->generation() == generation_) {
    end_generation(*lost, lost->reason(), Connection::Cause::schema);  // it is the same for all of them
  }
  const std::int64_t now = loop_.now_ms();
  if (lost->was_ready() && lost->was_silent()) {
    drop_silent(lost->heard_at_ms());
  }
  const bool may_be_just_this_one = lost->was_ready() && !lost->was_silent() &&
                                    lost->generation() == generation_ && !tenant.known_down_ &&
                                    now - tenant.replaced_at_ms_ >= kFlappingMs;
  if (may_be_just_this_one && tenant.wanted()) {
    tenant.replaced_at_ms_ = now;
    connect(tenant);
  } else {
    tenant.known_down_ = true;
    down_ = true;
    retry_later();
    ask_others();
  }
  tenant.on_down();
}

void Node::on_push(Connection& connection, const Reply& push) { tenant_of(connection).on_push(push); }

void Node::on_unclaimed(Connection& connection, const Replies& replies) {
  tenant_of(connection).on_unclaimed(replies);
}

void Node::retry_later() {
  if (!retry_->armed()) {
    retry_->arm(next_backoff(backoff_ms_));
  }
}

// Once per reason, not once per connection and attempt.
void Node::tell_once(const Connection& lost) {
  const bool schema = lost.cause() == Connection::Cause::schema;
  wrong_schema_ = schema ? lost.reason() : "";
  if (lost.reason() == last_reason_) {
    return;
  }
  last_reason_ = lost.reason();
  const std::string line = "Redis at " + server_.name() + " is not available: " + last_reason_;
  if (schema) {
    monitor_.error(line);
  } else {
    monitor_.warn(line);
  }
}

void Node::doubt(Connection& connection, const Reply& error) {
  if (says_not_a_master(error)) {
    end_generation(connection, loggable(error.text));
  }
}

void Node::missed_deadline() {
  monitor_.warn("Redis at " + server_.name() +
                " did not do in time what was asked of it; see timeout= of wallet_sync_redis");
}

void Node::checked_schema(Connection& connection, const Reply& reply, RoleCheck& check) {
  if (reply.is_nil()) {
    mark_schema(connection, check);
    return;
  }
  if (!tells_schema(reply)) {
    doubt(connection, reply);
    return;
  }
  const std::string wrong = wallet_sync::wrong_schema(reply, Keyspace(server_.key_prefix).schema());
  if (!wrong.empty()) {
    end_generation(connection, wrong, Connection::Cause::schema);
  }
}

// The first one is kept, whoever writes it: NX.
void Node::mark_schema(Connection& connection, RoleCheck& check) {
  if (server_.marks_schema && !marking_schema_ && !check.receiving()) {
    marking_schema_ = true;
    check.mark(connection, {schema_mark(Keyspace(server_.key_prefix).schema())});
  }
}

// A Redis that refuses it serves all the same: none is as good as version 1. It is tried again.
void Node::marked_schema(Connection& connection, const Reply& reply) {
  marking_schema_ = false;
  if (!reply.is_error()) {
    last_mark_error_.clear();
  } else if (std::string error = loggable(reply.text); error != last_mark_error_) {
    last_mark_error_ = std::move(error);
    monitor_.warn("Redis at " + server_.name() + " refuses the schema version: " + last_mark_error_);
  }
  doubt(connection, reply);
}

void Node::end_generation(Connection& connection, const std::string& reason, Connection::Cause cause) {
  if (connection.generation() != generation_) {
    connection.lose(std::string(kFormer));
    return;
  }
  ++generation_;
  for (Tenant* tenant : tenants_) {
    if (tenant->connection_) {
      tenant->connection_->lose(reason, cause);
    }
  }
  ask_others();
}

// The peer of one connection does not answer: those that have heard nothing since, either, would take as long
// to find out.
void Node::drop_silent(std::int64_t heard_before_ms) {
  for (Tenant* tenant : tenants_) {
    Connection* connection = tenant->connection();
    if (connection != nullptr && connection->heard_at_ms() <= heard_before_ms) {
      connection->lose_to_silence();
    }
  }
}

// Each connection by itself: they may lead to different servers.
void Node::check_roles() {
  role_timer_->arm(kRoleIntervalMs);
  for (Tenant* tenant : tenants_) {
    Connection* connection = tenant->connection();
    if (connection != nullptr && tenant->role_check_ && !tenant->role_check_->receiving()) {
      tenant->role_check_->ask(*connection);
    }
  }
}

}  // namespace wallet_sync
