#include "sentinel_watch.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "backoff.hpp"
#include "connection.hpp"

namespace wallet_sync {
namespace {

constexpr std::int64_t kIntervalMs = 1000;
// At the start the first answer may be that of a sentinel which has been away: so long for the others.
constexpr std::int64_t kPatienceMs = 200;

// The first comes from the sentinel that leads a failover, as soon as the new master is one; the second from
// each sentinel, when it has learnt of it.
constexpr std::string_view kPromoted = "+promoted-slave";
constexpr std::string_view kSwitched = "+switch-master";

bool is_ip_address(const std::string& host) {
  in6_addr ignored;
  return inet_pton(AF_INET, host.c_str(), &ignored) == 1 || inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

// Of the names and values that SENTINEL MASTER replies with.
std::optional<std::int64_t> number_of(const Reply& fields, std::string_view name) {
  for (std::size_t i = 0; i + 1 < fields.elements.size(); i += 2) {
    if (fields.elements[i].text == name) {
      return to_integer(fields.elements[i + 1].text);
    }
  }
  return std::nullopt;
}

}  // namespace

// One of them. On its connection a question is asked between two subscriptions, since a subscribed connection
// takes no other command:
//
//   UNSUBSCRIBE, SENTINEL GET-MASTER-ADDR-BY-NAME, SENTINEL MASTER, SUBSCRIBE
//
// What is published between the first and the last would only make us ask again, and that is due in a second.
class SentinelWatch::Sentinel final : private Connection::Owner {
 public:
  Sentinel(SentinelWatch& watch, EventLoop& loop, Server server, Monitor& monitor, std::string master)
      : watch_(watch),
        loop_(loop),
        server_(std::move(server)),
        monitor_(monitor),
        master_(std::move(master)),
        retry_(loop.new_timer(TimerKind::background, [this] { connect(); })),
        interval_(loop.new_timer(TimerKind::background, [this] { on_interval(); })) {
    connect();
  }

  const std::optional<Statement>& statement() const { return statement_; }
  // Its first word, or the first failure to get one, is still to come.
  bool pending() const { return pending_; }
  bool connected() const { return connection_ && connection_->ready(); }

  void ask() {
    if (!connection_ || !connection_->ready()) {
      return;
    }
    if (asking_) {
      again_ = true;
      return;
    }
    asking_ = true;
    again_ = false;
    answer_.reset();
    asked_at_ms_ = loop_.now_ms();
    connection_->push_command(Command("UNSUBSCRIBE"));
    connection_->push_command(Command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", master_));
    connection_->push_command(Command("SENTINEL", "MASTER", master_));
    connection_->push_command(Command("SUBSCRIBE", kPromoted, kSwitched));
  }

 private:
  void connect() {
    Connection::Owner& owner = *this;
    connection_ = std::make_unique<Connection>(loop_, server_, monitor_, owner, 0);
  }

  void on_ready(Connection&) override {
    backoff_ms_ = 0;
    ask();
    interval_->arm(kIntervalMs);
  }

  void on_lost(Connection& connection) override {
    warn_once("is not available: " + connection.reason());
    connection_.reset();
    interval_->disarm();
    asking_ = false;
    retry_->arm(next_backoff(backoff_ms_));
    concluded(std::nullopt);
  }

  void on_interval() {
    interval_->arm(kIntervalMs);
    if (!asking_) {
      ask();
    } else if (loop_.now_ms() - asked_at_ms_ >= server_.command_timeout_ms) {
      connection_->lose("no answer within timeout");
    }
  }

  void on_push(Connection& connection, const Reply& push) override {
    if (push.is_array(2)) {
      answer_ = Statement{push.elements[0].text,
                          static_cast<int>(to_integer(push.elements[1].text).value_or(0)), 0};
    } else if (push.is_array(3)) {
      const std::string& kind = push.elements[0].text;
      if (kind == "message") {
        ask();
      } else if (kind == "subscribe" && push.elements[1].text == kSwitched) {
        answered();
      }
    } else if (push.type == Reply::Type::array && answer_) {
      answer_->epoch = number_of(push, "config-epoch").value_or(0);
    } else if (push.is_error() && !push.text.starts_with("ERR No such master")) {
      connection.lose(loggable(push.text));
    }
  }

  void answered() {
    asking_ = false;
    if (!answer_) {
      warn_once("knows no master \"" + master_ +
                "\"; write sentinel://NAME@host:port with the NAME of \"sentinel monitor\"");
    } else if (!is_ip_address(answer_->host) || answer_->port <= 0 || answer_->port > 0xffff) {
      warn_once("names the master by \"" + loggable(answer_->host) +
                "\", which is no IP address; write \"sentinel announce-hostnames no\" there");
      answer_.reset();
    } else if (!std::exchange(last_reason_, {}).empty()) {
      monitor_.notice("sentinel at " + server_.name() + " answers again");
    }
    concluded(std::exchange(answer_, std::nullopt));
    if (again_) {
      ask();
    }
  }

  void concluded(std::optional<Statement> statement) {
    pending_ = false;
    statement_ = std::move(statement);
    watch_.decide();
  }

  void warn_once(const std::string& reason) {
    if (reason != last_reason_) {
      last_reason_ = reason;
      monitor_.warn("sentinel at " + server_.name() + " " + reason);
    }
  }

  SentinelWatch& watch_;
  EventLoop& loop_;
  Server server_;
  Monitor& monitor_;
  std::string master_;
  std::string last_reason_;
  bool pending_ = true;
  std::optional<Statement> statement_;
  bool asking_ = false;
  bool again_ = false;  // something happened since the question
  std::int64_t asked_at_ms_ = 0;
  std::optional<Statement> answer_;  // the part of it that has come
  std::int64_t backoff_ms_ = 0;
  std::unique_ptr<Timer> retry_;
  std::unique_ptr<Timer> interval_;
  std::unique_ptr<Connection> connection_;
};

SentinelWatch::SentinelWatch(EventLoop& loop, const Server& server, Monitor& monitor, Listener& listener)
    : listener_(listener), patience_(loop.new_timer(TimerKind::background, [this] {
        waited_ = true;
        decide();
      })) {
  for (const Sentinels::Address& address : server.sentinels->addresses) {
    Server sentinel;
    sentinel.is_sentinel = true;
    sentinel.host = address.host;
    sentinel.port = address.port;
    sentinel.tls = server.tls;
    if (sentinel.tls) {
      sentinel.tls->name = address.tls_name;
    }
    sentinel.user = server.sentinels->user;
    sentinel.password = server.sentinels->password;
    sentinel.connect_timeout_ms = server.connect_timeout_ms;
    sentinel.command_timeout_ms = server.command_timeout_ms;
    sentinels_.push_back(
        std::make_unique<Sentinel>(*this, loop, std::move(sentinel), monitor, server.sentinels->master));
  }
}

SentinelWatch::~SentinelWatch() = default;

std::size_t SentinelWatch::connected() const {
  return static_cast<std::size_t>(std::count_if(sentinels_.begin(), sentinels_.end(),
                                                [](const auto& sentinel) { return sentinel->connected(); }));
}

void SentinelWatch::ask() {
  for (const auto& sentinel : sentinels_) {
    sentinel->ask();
  }
}

// The highest epoch; of several that name it, one that says what we know.
const SentinelWatch::Statement* SentinelWatch::best() const {
  const Statement* best = nullptr;
  for (const auto& sentinel : sentinels_) {
    const auto& statement = sentinel->statement();
    if (statement && (best == nullptr || statement->epoch > best->epoch ||
                      (statement->epoch == best->epoch && adopted_ && statement->same_address(*adopted_)))) {
      best = &*statement;
    }
  }
  return best;
}

void SentinelWatch::decide() {
  const auto speaking = static_cast<std::size_t>(std::count_if(
      sentinels_.begin(), sentinels_.end(), [](const auto& sentinel) { return sentinel->statement(); }));
  const bool all_heard = std::none_of(sentinels_.begin(), sentinels_.end(),
                                      [](const auto& sentinel) { return sentinel->pending(); });
  const bool most_speak = speaking > sentinels_.size() / 2;
  const Statement* statement = best();
  if (statement == nullptr) {
    if (all_heard && !std::exchange(told_none_, true)) {
      listener_.on_no_master();
    }
    return;
  }
  if (!adopted_ && !most_speak && !all_heard && !waited_) {
    if (!patience_->armed()) {
      patience_->arm(kPatienceMs);
    }
    return;
  }
  if (adopted_ && statement->epoch <= adopted_->epoch && !most_speak) {
    return;
  }
  told_none_ = false;
  adopted_ = *statement;
  listener_.on_master(adopted_->host, adopted_->port);
}

}  // namespace wallet_sync
