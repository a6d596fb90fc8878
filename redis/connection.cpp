#include "connection.hpp"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <algorithm>

namespace wallet_sync {

RoundTrip::RoundTrip(Connection& connection, const Commands& commands, std::int64_t deadline_ms)
    : Posted(connection.loop_) {
  flight_ = connection.submit(commands, Connection::Purpose::awaited, this, deadline_ms);
  waiting_ = flight_ != nullptr;
  lost_ = !waiting_;
}

RoundTrip::~RoundTrip() {
  if (flight_ != nullptr) {
    flight_->waiter = nullptr;
  }
}

Result<Replies> RoundTrip::await_resume() {
  if (lost_) {
    return StoreError::unavailable;
  }
  return std::move(replies_);
}

Connection::Connection(EventLoop& loop, const Server& server, Monitor& monitor, Owner& owner)
    : Posted(loop),
      loop_(loop),
      server_(server),
      monitor_(monitor),
      owner_(owner),
      connect_by_ms_(loop.now_ms() + server.connect_timeout_ms),
      deadline_(loop.new_timer(TimerKind::deadline, [this] { on_deadline(); })) {
  context_ = server.unix_path.empty() ? redisAsyncConnect(server.host.c_str(), server.port)
                                      : redisAsyncConnectUnix(server.unix_path.c_str());
  if (context_ == nullptr) {
    lose("no memory");
    return;
  }
  if (context_->err != 0) {
    lose(context_->errstr);
    return;
  }
  context_->data = this;
  if (!loop.attach(context_)) {
    lose("no free connection slot (worker_connections)");
    return;
  }
  redisAsyncSetDisconnectCallback(context_, on_disconnect);
  redisAsyncSetConnectCallback(context_, on_connect);
  watch(connect_by_ms_);
}

Connection::~Connection() { release_context(); }

void Connection::tell(const Command& command) { submit({command}, Purpose::told, nullptr); }

void Connection::push_command(const Command& command) {
  if (context_ != nullptr && state_ == State::ready) {
    const std::string_view wire = command.wire();
    redisAsyncFormattedCommand(context_, on_pushed, this, wire.data(), wire.size());
  }
}

Flight* Connection::submit(const Commands& commands, Purpose purpose, RoundTrip* waiter,
                           std::int64_t deadline_ms) {
  if (context_ == nullptr || (state_ != State::ready && purpose != Purpose::greeting)) {
    return nullptr;
  }
  Flight& flight = flights_.emplace_back(Flight{this, waiter, purpose, 0, 0, false, {}, {}});
  flight.self = std::prev(flights_.end());
  flight.deadline_ms = purpose == Purpose::greeting
                           ? connect_by_ms_
                           : std::min(deadline_ms, loop_.now_ms() + server_.command_timeout_ms);
  flight.replies.reserve(commands.size());
  for (const Command& command : commands) {
    const std::string_view wire = command.wire();
    if (redisAsyncFormattedCommand(context_, on_reply, &flight, wire.data(), wire.size()) != REDIS_OK) {
      flight.lost = true;  // it calls nobody for this one
      break;
    }
    ++flight.outstanding;
  }
  if (flight.outstanding == 0) {
    flights_.erase(flight.self);
    return nullptr;
  }
  if (!deadline_->armed() || flight.deadline_ms < armed_for_ms_) {
    watch(flight.deadline_ms);
  }
  return &flight;
}

void Connection::lose(std::string reason) {
  if (state_ == State::lost) {
    return;
  }
  state_ = State::lost;
  reason_ = std::move(reason);
  monitor_.count(Counter::connections_lost);
  release_context();
  post();
}

// hiredis answers every pending command with NULL, at once: we are never inside one of its callbacks here.
void Connection::release_context() {
  if (redisAsyncContext* context = std::exchange(context_, nullptr)) {
    context->data = nullptr;
    redisAsyncFree(context);
  }
  deadline_->disarm();
}

void Connection::greet() {
  state_ = State::handshake;
  Commands greeting;
  if (!server_.password.empty() || !server_.user.empty()) {
    greeting.push_back(server_.user.empty() ? Command("AUTH", server_.password)
                                            : Command("AUTH", server_.user, server_.password));
  }
  if (server_.database != 0) {
    greeting.emplace_back("SELECT", server_.database);
  }
  greeting.emplace_back("PING");
  greeting.emplace_back("ROLE");
  if (submit(greeting, Purpose::greeting, nullptr) == nullptr) {
    lose("no memory");
  }
}

std::string Connection::complaint(const Replies& replies) const {
  for (std::size_t i = 0; i + 1 < replies.size(); ++i) {
    if (replies[i].is_error()) {
      return replies[i].text;
    }
  }
  const Reply& role = replies.back();  // an ACL may forbid ROLE: then a write to a replica is refused later
  if (role.type == Reply::Type::array && !role.elements.empty() && role.elements[0].text != "master") {
    return "it is a replica, not a master";
  }
  return {};
}

void Connection::on_connect(const redisAsyncContext* context, int status) {
  auto* self = static_cast<Connection*>(context->data);
  if (self == nullptr) {
    return;
  }
  if (status != REDIS_OK) {
    self->note_loss(context);  // hiredis frees the context when we return, without calling on_disconnect
  } else if (self->server_.unix_path.empty()) {
    redisEnableKeepAlive(const_cast<redisContext*>(&context->c));
  }
  self->post();
}

void Connection::on_disconnect(const redisAsyncContext* context, int) {
  if (auto* self = static_cast<Connection*>(context->data)) {
    self->note_loss(context);
    self->post();
  }
}

void Connection::note_loss(const redisAsyncContext* context) {
  context_ = nullptr;
  if (state_ != State::lost || reason_.empty()) {
    reason_ = context->c.errstr[0] != '\0' ? context->c.errstr : "the server closed the connection";
  }
  state_ = State::lost;
  monitor_.count(Counter::connections_lost);
  deadline_->disarm();
}

void Connection::on_reply(redisAsyncContext*, void* reply, void* privdata) {
  auto& flight = *static_cast<Flight*>(privdata);
  if (reply == nullptr) {
    flight.lost = true;
    flight.connection->state_ = State::lost;  // on_disconnect comes after the last of the pending commands
  } else if (!flight.lost) {
    flight.replies.push_back(Reply::from(*static_cast<const redisReply*>(reply)));
  }
  if (--flight.outstanding == 0) {
    flight.connection->land(flight);
  }
}

void Connection::on_pushed(redisAsyncContext*, void* reply, void* privdata) {
  auto* self = static_cast<Connection*>(privdata);
  if (reply != nullptr) {  // NULL comes with the loss, for each channel
    self->pushes_.push_back(Reply::from(*static_cast<const redisReply*>(reply)));
    self->post();
  }
}

void Connection::land(Flight& flight) {
  if (RoundTrip* waiter = flight.waiter) {
    waiter->flight_ = nullptr;
    waiter->lost_ = flight.lost;
    waiter->replies_ = std::move(flight.replies);
    waiter->post();
  } else if (flight.purpose == Purpose::greeting && !flight.lost) {
    reason_ = complaint(flight.replies);
    if (reason_.empty()) {
      state_ = State::ready;
    }
    post();
  } else if (flight.purpose == Purpose::greeting && reason_.empty() && !flight.replies.empty() &&
             flight.replies.front().is_error()) {
    reason_ = flight.replies.front().text;  // a full server may say so before it hangs up
  } else if (flight.purpose == Purpose::told && !flight.lost && flight.replies.front().is_error()) {
    reason_ = flight.replies.front().text;
    post();
  }
  flights_.erase(flight.self);
  if (flights_.empty()) {
    deadline_->disarm();
  }
}

void Connection::watch(std::int64_t deadline_ms) {
  armed_for_ms_ = deadline_ms;
  deadline_->arm(std::max<std::int64_t>(deadline_ms - loop_.now_ms(), 1));
}

// One timer for all.
void Connection::on_deadline() {
  std::int64_t first = kNoDeadline;
  for (const Flight& flight : flights_) {
    first = std::min(first, flight.deadline_ms);
  }
  if (flights_.empty() || first <= loop_.now_ms()) {
    timed_out_ = true;
    lose(state_ != State::ready ? "no connection within connect_timeout" : "no answer within timeout");
    return;
  }
  watch(first);
}

// What the callbacks noted is acted upon here, outside hiredis.
void Connection::run() {
  if (state_ != State::lost && !reason_.empty()) {
    lose(std::exchange(reason_, {}));
  }
  while (!pushes_.empty()) {
    const Reply push = std::move(pushes_.front());
    pushes_.pop_front();
    owner_.on_push(*this, push);
  }
  if (state_ == State::connecting) {
    greet();
    return;
  }
  if (state_ == told_ || (state_ != State::ready && state_ != State::lost)) {
    return;
  }
  told_ = state_;
  if (state_ == State::ready) {
    was_ready_ = true;
    monitor_.count(Counter::connects);
    owner_.on_ready(*this);
  } else {
    owner_.on_lost(*this);
  }
}

}  // namespace wallet_sync
