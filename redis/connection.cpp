#include "connection.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "keyspace.hpp"
#include "schema.hpp"

namespace wallet_sync {
namespace {

// What one event reads, so that others get their turn: a few large wallets, or a few hundred small ones.
constexpr std::size_t kReadBudget = 256 * 1024;
// An output buffer larger than this is not kept.
constexpr std::size_t kKeptOutput = 256 * 1024;

constexpr std::string_view kReplica = "it is a replica, not a master";
constexpr int kOldestRedis = 7;  // its EXPIRE knows NX

// Of the names and values that HELLO replies with; empty: it does not say.
std::string_view told(const Reply& hello, std::string_view name) {
  for (std::size_t i = 0; i + 1 < hello.elements.size(); i += 2) {
    if (hello.elements[i].text == name) {
      return hello.elements[i + 1].text;
    }
  }
  return {};
}

std::string too_old(std::string_view version) {
  return "it is Redis " + loggable(version) + "; write the address of one from 7.0 on";
}

// Each of these: empty if the reply is fine, otherwise what is wrong with the server and what to write.
std::string wrong_mode(std::string_view mode, const Server& server) {
  if (server.is_sentinel && mode != "sentinel") {
    return "it is a Redis, not a sentinel; write the addresses of sentinels, or this one without "
           "sentinel://NAME@";
  }
  if (!server.is_sentinel && mode == "sentinel") {
    return "it is a sentinel; write sentinel://NAME@host:port with the NAME of its \"sentinel monitor\"";
  }
  if (server.cluster.empty() && mode == "cluster") {
    return "it is a node of a Redis Cluster; write cluster://host:port,host:port with the addresses of "
           "some of its nodes";
  }
  if (!server.cluster.empty() && mode != "cluster") {
    return "it is not a node of a Redis Cluster; write its address without cluster://";
  }
  return {};
}

// An ACL may forbid HELLO: then it is taken for what it should be.
std::string wrong_kind(const Reply& hello, const Server& server) {
  if (hello.is_error()) {
    if (hello.text.starts_with("NOPERM")) {
      return {};
    }
    return hello.text.starts_with("ERR unknown command") ? too_old("before 6.0") : loggable(hello.text);
  }
  if (const std::string_view mode = told(hello, "mode"); !mode.empty()) {
    if (std::string wrong = wrong_mode(mode, server); !wrong.empty()) {
      return wrong;
    }
  }
  const std::string_view version = told(hello, "version");
  const auto major = to_integer(version.substr(0, version.find('.')));
  return !server.is_sentinel && major && *major < kOldestRedis ? too_old(version) : "";
}

// WAIT or WAITAOF for nothing: a server that cannot is found out before it stores anything.
std::string no_wait(const Reply& wait) {
  if (!wait.is_error()) {
    return {};
  }
  if (wait.text.starts_with("ERR unknown command")) {
    return "it has no WAITAOF, as Redis before 7.2; write replicas=number instead of replicas_fsync=number";
  }
  return wait.text.find("replica instances") != std::string::npos ? std::string(kReplica)
                                                                  : loggable(wait.text);
}

// An ACL may forbid ROLE as well.
std::string wrong_role(const Reply& role, const Server& server) {
  if (server.is_sentinel || role.type != Reply::Type::array || role.elements.empty()) {
    return {};
  }
  if (role.elements.front().text == "sentinel") {
    return wrong_mode("sentinel", server);
  }
  return std::string(is_replica(role) && !server.any_role ? kReplica : "");
}

}  // namespace

class Connection::Greeting final : public Receiver {
 public:
  explicit Greeting(Connection& connection) : connection_(connection) {
    const Server& server = connection.server_;
    if (!server.password.empty() || !server.user.empty()) {
      commands_.push_back(server.user.empty() ? Command("AUTH", server.password)
                                              : Command("AUTH", server.user, server.password));
    }
    hello_ = commands_.size();
    commands_.emplace_back("HELLO");
    if (server.database != 0) {
      commands_.emplace_back("SELECT", server.database);
    }
    if (server.replicas > 0) {
      wait_ = commands_.size();
      commands_.push_back(server.replicas_fsync ? Command("WAITAOF", 0, 0, 0) : Command("WAIT", 0, 0));
    }
    commands_.emplace_back("PING");
    role_ = commands_.size();
    commands_.emplace_back("ROLE");
    if (asks_schema(server)) {
      schema_ = commands_.size();
      commands_.emplace_back("GET", Keyspace(server.key_prefix).schema());
    }
  }

  const Commands& commands() const { return commands_; }
  // As soon as it is there: the server may hang up before all are.
  std::string complaint(std::size_t index, const Reply& reply, Cause& cause) const {
    const Server& server = connection_.server_;
    if (index == hello_) {
      return wrong_kind(reply, server);
    }
    if (wait_ && index == *wait_) {
      return no_wait(reply);
    }
    if (index == role_) {
      return wrong_role(reply, server);
    }
    if (schema_ && index == *schema_) {
      if (!tells_schema(reply)) {
        return loggable(reply.text);
      }
      cause = Cause::schema;
      return wrong_schema(reply, Keyspace(server.key_prefix).schema());
    }
    return reply.is_error() ? loggable(reply.text) : "";
  }

 private:
  void on_replies(Connection&, Replies&& replies) override {
    connection_.without_schema_ = schema_ && replies[*schema_].is_nil();
    connection_.greeted();
  }
  void on_no_replies() override {}

  Connection& connection_;
  Commands commands_;
  std::size_t hello_ = 0;
  std::optional<std::size_t> wait_;
  std::size_t role_ = 0;
  std::optional<std::size_t> schema_;
};

void Receiver::stop_receiving() {
  if (connection_ != nullptr) {
    Connection& connection = *std::exchange(connection_, nullptr);
    connection.flights_[flight_ - connection.landed_].receiver = nullptr;
  }
}

Connection::Connection(EventLoop& loop, const Server& server, Monitor& monitor, Owner& owner,
                       unsigned generation)
    : Posted(loop, Phase::end_of_turn),
      loop_(loop),
      server_(server),
      monitor_(monitor),
      owner_(owner),
      generation_(generation),
      heard_at_ms_(loop.now_ms()),
      // Whoever waits has a deadline of his own, which a worker that quits respects.
      silence_(loop.new_timer(TimerKind::background, [this] { on_silence(); })),
      stream_(loop.connect(server, *this)) {
  silence_->arm(server.connect_timeout_ms);
}

Connection::~Connection() {
  while (!flights_.empty()) {
    if (Receiver* receiver = take_oldest()) {
      receiver->connection_ = nullptr;
    }
  }
}

void Connection::launch(std::size_t replies, Receiver* receiver, bool complain) {
  if (flights_.empty() && state_ == State::ready) {
    heard_at_ms_ = loop_.now_ms();
    if (!silence_->armed()) {
      silence_->arm(server_.command_timeout_ms);
    }
  }
  if (receiver != nullptr) {
    receiver->connection_ = this;
    receiver->flight_ = landed_ + flights_.size();
  }
  flights_.push_back(Flight{receiver, replies, complain, loop_.now_ms()});
  post();
}

void Connection::ask(const Commands& commands, Receiver& receiver) {
  expect(commands.size(), receiver);
  for (const Command& command : commands) {
    append(command);
  }
}

void Connection::expect(std::size_t replies, Receiver& receiver) { launch(replies, &receiver, false); }

void Connection::tell(const Command& command) {
  if (state_ == State::ready) {
    launch(1, nullptr, true);
    append(command);
  }
}

void Connection::push_command(const Command& command) {
  if (state_ == State::ready) {
    pushing_ = true;
    append(command);
    post();
  }
}

void Connection::lose(std::string reason, Cause cause) {
  if (state_ != State::lost) {
    state_ = State::lost;
    cause_ = cause;
    reason_ = std::move(reason);
    monitor_.count(Counter::connections_lost);
    post();
  }
}

void Connection::lose_to_silence() {
  lose(state_ == State::ready ? "no answer within timeout" : "no connection within connect_timeout",
       Cause::silence);
}

void Connection::on_failed(std::string reason) { lose(std::move(reason)); }

void Connection::on_connected() {
  if (state_ != State::connecting) {
    return;
  }
  state_ = State::greeting;
  greeting_ = std::make_unique<Greeting>(*this);
  ask(greeting_->commands(), *greeting_);
}

void Connection::greeted() {
  state_ = State::ready;
  was_ready_ = true;
  silence_->disarm();  // connect_timeout's
  post();
}

void Connection::on_readable() {
  static std::array<char, 64 * 1024> buffer;  // of the one thread that all connections live in
  for (std::size_t budget = kReadBudget; state_ != State::lost; budget -= buffer.size()) {
    if (budget == 0) {
      stream_->read_later();
      return;
    }
    const Stream::Read read = stream_->read(buffer.data(), buffer.size());
    switch (read.what) {
      case Stream::Read::What::nothing_yet: return;
      case Stream::Read::What::end: lose("the server closed the connection"); return;
      case Stream::Read::What::failure: lose(stream_->error()); return;
      case Stream::Read::What::bytes: break;
    }
    heard_at_ms_ = loop_.now_ms();
    if (!reader_.feed({buffer.data(), read.size}, *this)) {
      lose("it does not speak Redis' protocol: " + loggable(reader_.error()));
    }
  }
}

bool Connection::on_reply(Reply&& reply) {
  if (pushing_ && flights_.empty()) {
    owner_.on_push(*this, reply);
    return state_ != State::lost;
  }
  if (flights_.empty()) {  // a server that is full says so unasked
    lose(reply.is_error() ? loggable(reply.text) : "it answers what was not asked");
    return false;
  }
  const Flight& flight = flights_.front();
  std::string wrong = flight.complain && reply.is_error() ? loggable(reply.text) : "";
  Cause cause = Cause::other;
  if (state_ == State::greeting) {
    wrong = greeting_->complaint(replies_.size(), reply, cause);
  }
  if (!wrong.empty()) {
    lose(std::move(wrong), cause);
    return false;
  }
  replies_.push_back(std::move(reply));
  if (replies_.size() < flight.expected) {
    return true;
  }
  if (state_ == State::ready && !server_.is_sentinel) {
    monitor_.observe(Distribution::redis_trip,
                     static_cast<std::uint64_t>(loop_.now_ms() - flight.begun_at_ms));
  }
  Receiver* receiver = take_oldest();
  if (receiver != nullptr) {
    receiver->connection_ = nullptr;
    receiver->on_replies(*this, std::move(replies_));
  } else {
    owner_.on_unclaimed(*this, replies_);
  }
  reader_.reuse(replies_);
  return state_ != State::lost;
}

Receiver* Connection::take_oldest() {
  Receiver* receiver = flights_.front().receiver;
  flights_.pop_front();
  ++landed_;
  return receiver;
}

void Connection::on_writable() {
  if (std::exchange(blocked_, false)) {
    heard_at_ms_ = loop_.now_ms();  // the peer took what it was sent: until it has all, nothing can come back
  }
  flush();
}

void Connection::flush() {
  if (state_ == State::lost || blocked_ || output_.empty()) {
    return;
  }
  written_ += stream_->write(std::string_view(output_).substr(written_));
  if (written_ < output_.size()) {
    blocked_ = true;
    return;
  }
  written_ = 0;
  output_.clear();
  if (output_.capacity() > kKeptOutput) {
    output_.shrink_to_fit();
  }
}

// One timer, moved only when it expires: a busy connection hears something every few microseconds.
void Connection::on_silence() {
  if (state_ != State::connecting) {
    on_readable();  // we may have been the one who did not listen
  }
  if (state_ == State::connecting || state_ == State::greeting) {
    lose_to_silence();
    return;
  }
  const std::int64_t quiet = loop_.now_ms() - heard_at_ms_;
  if (state_ == State::lost || flights_.empty()) {
    return;
  }
  if (quiet < server_.command_timeout_ms) {
    silence_->arm(server_.command_timeout_ms - quiet);
    return;
  }
  lose_to_silence();
}

void Connection::run() {
  flush();
  tell_owner();
}

// The end of everything that waits comes before the owner, who may destroy us.
void Connection::tell_owner() {
  if (state_ == told_ || (state_ != State::ready && state_ != State::lost)) {
    return;
  }
  told_ = state_;
  if (state_ == State::ready) {
    greeting_.reset();
    monitor_.count(Counter::connects);
    owner_.on_ready(*this);
    return;
  }
  silence_->disarm();
  stream_.reset();
  while (!flights_.empty()) {
    if (Receiver* receiver = take_oldest()) {
      receiver->connection_ = nullptr;
      receiver->on_no_replies();
    }
  }
  owner_.on_lost(*this);
}

}  // namespace wallet_sync
