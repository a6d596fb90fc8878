#include "socket.hpp"

#include <algorithm>
#include <array>
#include <functional>

#include "socket_hub.hpp"
#include "websocket_frame.hpp"

namespace wallet_sync {
namespace {

constexpr ngx_msec_t kSendTimeout = 10'000;  // a reader slower than that is dropped
constexpr ngx_msec_t kCloseTimeout = 3'000;  // from our close frame to the end of the connection

Socket& of(ngx_event_t* event) {
  return *static_cast<Socket*>(static_cast<ngx_connection_t*>(event->data)->data);
}

std::size_t fingerprint(const Standing& standing) { return std::hash<std::string>{}(standing.password); }

}  // namespace

Socket::Socket(SocketHub& hub, const SocketGroup& group) : hub_(hub), group_(group), previous_(group.last) {
  (group.last != nullptr ? group.last->next_ : group.first) = this;
  group.last = this;
}

Socket::Socket(Socket&& reserved) noexcept
    : hub_(reserved.hub_),
      group_(reserved.group_),
      previous_(reserved.previous_),
      next_(reserved.next_),
      password_(reserved.password_),
      told_(reserved.told_),
      pending_(reserved.pending_),
      password_changed_(reserved.password_changed_) {
  (previous_ != nullptr ? previous_->next_ : group_.first) = this;
  (next_ != nullptr ? next_->previous_ : group_.last) = this;
  reserved.listed_ = false;
}

Socket::~Socket() {
  if (listed_) {
    hub_.remove(*this);
  }
}

void Socket::stand_at(const Standing& standing) {
  told_ = standing.sequence;
  password_ = fingerprint(standing);
  if (pending_ <= told_) {
    pending_ = 0;
  }
}

void Socket::attach(ngx_connection_t* connection, const SocketSettings& settings, std::string early) {
  connection_ = connection;
  settings_ = &settings;
  if (!early.empty()) {
    traffic().early = std::move(early);
  }
  connection->data = this;
  connection->read->handler = on_read_event;
  connection->write->handler = on_write_event;
  connection->idle = 1;  // a worker that quits calls the read handler
#if (NGX_SSL)
  if (connection->ssl != nullptr) {  // what it could not send at first, we offer again from somewhere else
    SSL_set_mode(connection->ssl->connection, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  }
#endif
  heard_ = ngx_current_msec;
  hub_.opened(*this);
  connection->read->cancelable = 1;  // nobody waits for a ping
  ngx_add_timer(connection->read, settings.ping_interval);
  // What arrived during the handshake was announced to the request.
  ngx_post_event(connection->read, &ngx_posted_events);
  if (password_changed_) {
    close(kClosePolicy, "password changed");
  } else if (pending_ != 0) {
    tell(pending_, update_frame(pending_));
  }
}

void Socket::tell(Sequence sequence, std::string_view frame) {
  pending_ = sequence;
  if (!open() || blocked()) {
    return;  // told when it is attached, or when the client has taken what is under way
  }
  told_ = std::exchange(pending_, 0);
  hub_.metrics_.count(Counter::updates_told);
  if (!send(frame)) {
    return drop();
  }
  await_room();
}

// Events are told as they come, even one that is not higher than the last: Redis may have gone back to an
// older state meanwhile. But catch_up() reads after its account is subscribed to, so what it found may have
// been announced in between.
void Socket::on_update(Sequence sequence, std::string_view frame) {
  const Sequence newest = std::max(pending_, told_);
  if (caught_up_ && sequence <= newest) {
    caught_up_ = sequence < newest;
    return;
  }
  caught_up_ = false;
  tell(sequence, frame);
}

void Socket::catch_up(const Standing& standing) {
  if (!open()) {
    return;
  }
  if (fingerprint(standing) != password_) {
    close(kClosePolicy, standing.password.empty() ? "account deleted" : "password changed");
  } else if (standing.sequence > std::max(pending_, told_)) {  // not if an update has overtaken it
    caught_up_ = true;
    tell(standing.sequence, update_frame(standing.sequence));
  }
}

void Socket::close(std::uint16_t code, std::string_view reason) {
  if (connection_ == nullptr) {
    password_changed_ = true;
    return;
  }
  if (state_ != State::open) {
    return;
  }
  leave_open(State::closing);
  connection_->read->cancelable = 0;  // a worker that quits waits for the handshake
  ngx_add_timer(connection_->read, kCloseTimeout);
  const bool said = framer() != nullptr && framer()->said_close();  // the client's was answered
  if (!said && !send(close_frame(code, reason))) {
    return drop();
  }
  await_room();
}

void Socket::leave_open(State next) {
  if (state_ == State::open) {
    --group_.open;
  }
  state_ = next;
}

// The memory goes with the connection's pool.
void Socket::drop() {
  ngx_connection_t* connection = connection_;
  std::destroy_at(this);
  connection->idle = 0;
  ngx_http_close_connection(connection);
}

void Socket::on_read_event(ngx_event_t* event) { of(event).on_readable(); }

void Socket::on_readable() {
  if (connection_->close != 0) {
    connection_->close = 0;
    if (connection_->error != 0) {  // worker_shutdown_timeout
      return drop();
    }
    return hub_.drain();
  }
  if (connection_->read->timedout != 0) {
    connection_->read->timedout = 0;
    return on_silence();
  }
  if (state_ == State::lingering) {
    return discard();
  }
  pump();
}

void Socket::on_write_event(ngx_event_t* event) {
  Socket& self = of(event);
  if (event->timedout != 0) {
    ngx_log_error(NGX_LOG_INFO, event->log, 0, "wallet_sync: a websocket takes nothing");
    return self.drop();
  }
  if (self.blocked()) {
    self.pump();
  }
}

void Socket::on_silence() {
  if (state_ != State::open) {
    return drop();
  }
  const ngx_msec_t silent = ngx_current_msec - heard_;
  if (silent < settings_->ping_interval) {
    ngx_add_timer(connection_->read, settings_->ping_interval - silent);
    return;
  }
  if (pinged_) {
    return drop();
  }
  pinged_ = true;
  ngx_add_timer(connection_->read, settings_->ping_interval);
  if (!blocked() && !send(server_frame(Opcode::ping, {}))) {
    return drop();
  }
  await_room();
}

// Lets bytes flow both ways, and puts the connection into the state that follows. What cannot be written
// keeps us from reading more.
void Socket::pump() {
  const ssize_t flushed = flush();
  if (flushed == kClosed) {
    return drop();
  }
  if (flushed != kWouldBlock) {
    const ssize_t there = look();
    if (there == kClosed || (there != kWouldBlock && !hear())) {
      return drop();
    }
  }
  if (blocked()) {
    return await_room();
  }
  settle();
}

// Whether there is something for a Framer, which is not made for nothing. kWouldBlock: no.
ssize_t Socket::look() {
  if (framer() != nullptr || (traffic_ && !traffic_->early.empty())) {
    return 0;
  }
  std::array<std::uint8_t, 256> first;
  const ssize_t n = read(first.data(), first.size());
  if (n > 0) {
    traffic().early.assign(reinterpret_cast<const char*>(first.data()), static_cast<std::size_t>(n));
  }
  return n;
}

// False: the connection has failed.
bool Socket::hear() {
  Traffic& mine = traffic();
  if (!mine.framer) {
    mine.framer = Framer::create(*this);
  }
  return mine.framer && mine.framer->pump() && flush() != kClosed;
}

// Nothing waits to be written.
void Socket::settle() {
  if (framer() != nullptr && framer()->finished()) {
    return linger();
  }
  if (connection_->write->timer_set != 0) {
    ngx_del_timer(connection_->write);
  }
  if (framer() != nullptr && framer()->paused()) {  // the others first
    ngx_post_event(connection_->read, &ngx_posted_next_events);
  } else if (ngx_handle_read_event(connection_->read, 0) != NGX_OK) {
    return drop();
  }
  if (traffic_ && traffic_->early.empty() && (framer() == nullptr || framer()->at_rest())) {
    traffic_.reset();
  }
  if (pending_ != 0 && state_ == State::open) {
    tell(pending_, update_frame(pending_));
  }
}

// Everything is said. What the client still sends is read and thrown away for a while: closing with unread
// data would reset the connection, and the client might never see our close frame.
void Socket::linger() {
  traffic_.reset();
  if (connection_->write->timer_set != 0) {
    ngx_del_timer(connection_->write);
  }
  if (state_ == State::open) {  // else the time has run since our close frame
    connection_->read->cancelable = 0;
    ngx_add_timer(connection_->read, kCloseTimeout);
  }
  leave_open(State::lingering);
#if (NGX_SSL)
  if (connection_->ssl != nullptr) {
    SSL_shutdown(connection_->ssl->connection);  // says close_notify
    ERR_clear_error();
  }
#endif
  if (ngx_shutdown_socket(connection_->fd, NGX_WRITE_SHUTDOWN) == -1) {
    return drop();
  }
  discard();
}

void Socket::discard() {
  std::array<u_char, 4096> scrap;
  for (int round = 0; round < 64; ++round) {
    const ssize_t n = connection_->recv(connection_, scrap.data(), scrap.size());
    if (n == NGX_AGAIN && ngx_handle_read_event(connection_->read, 0) == NGX_OK) {
      return;
    }
    if (n <= 0) {
      break;
    }
  }
  drop();
}

Socket::Traffic& Socket::traffic() {
  if (!traffic_) {
    traffic_ = std::make_unique<Traffic>();
  }
  return *traffic_;
}

// Sends a frame; what the client does not take at once waits. False: the connection has failed.
bool Socket::send(std::string_view frame) {
  if (blocked()) {
    traffic_->out.append(frame);
    return true;
  }
  const ngx_str_t bytes = to_ngx(frame);
  const ssize_t n = connection_->send(connection_, bytes.data, bytes.len);
  if (n < 0 && n != NGX_AGAIN) {
    return false;
  }
  const std::size_t sent = n > 0 ? static_cast<std::size_t>(n) : 0;
  if (sent < frame.size()) {
    traffic().out.assign(frame.substr(sent));
  }
  return true;
}

// What waits is sent as soon as there is room for it, which must not take too long.
void Socket::await_room() {
  if (!blocked()) {
    return;
  }
  if (connection_->write->timer_set == 0) {
    ngx_add_timer(connection_->write, kSendTimeout);
  }
  if (ngx_handle_write_event(connection_->write, 0) != NGX_OK) {
    drop();
  }
}

ssize_t Socket::read(std::uint8_t* to, std::size_t size) {
  if (traffic_ && !traffic_->early.empty()) {
    std::string& early = traffic_->early;
    const std::size_t n = early.copy(reinterpret_cast<char*>(to), size);
    early.erase(0, n);
    return static_cast<ssize_t>(n);
  }
  if (connection_->read->ready == 0) {
    return kWouldBlock;
  }
  const ssize_t n = connection_->recv(connection_, to, size);
  if (n > 0) {
    heard_ = ngx_current_msec;
    pinged_ = false;
    return n;
  }
  return n == NGX_AGAIN ? kWouldBlock : kClosed;
}

// Of the Framer. Nothing may follow our close frame.
ssize_t Socket::write(const std::uint8_t* from, std::size_t size) {
  if (state_ == State::open) {
    traffic().out.append(reinterpret_cast<const char*>(from), size);
  }
  return static_cast<ssize_t>(size);
}

ssize_t Socket::flush() {
  if (!blocked()) {
    return 0;
  }
  std::string& out = traffic_->out;
  const ngx_str_t bytes = to_ngx(out);
  const ssize_t n = connection_->send(connection_, bytes.data, bytes.len);
  if (n < 0) {
    return n == NGX_AGAIN ? kWouldBlock : kClosed;
  }
  out.erase(0, static_cast<std::size_t>(n));
  return out.empty() ? n : kWouldBlock;
}

}  // namespace wallet_sync
