#include "socket.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>

#include "socket_hub.hpp"

namespace wallet_sync {
namespace {

constexpr ngx_msec_t kSendTimeout = 10'000;  // a reader slower than that is dropped
constexpr ngx_msec_t kCloseTimeout = 3'000;  // for the other side of the closing handshake

Socket& of(ngx_event_t* event) {
  return *static_cast<Socket*>(static_cast<ngx_connection_t*>(event->data)->data);
}

std::size_t fingerprint(const Standing& standing) { return std::hash<std::string>{}(standing.password); }

}  // namespace

Socket::~Socket() { hub_.remove(*this); }

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
    early_ = std::make_unique<std::string>(std::move(early));
  }
  connection->data = this;
  connection->read->handler = on_read_event;
  connection->write->handler = on_write_event;
  connection->idle = 1;  // a worker that quits calls the read handler
  heard_ = ngx_current_msec;
  counted_.emplace(hub_.metrics_, Gauge::websockets);
  hub_.opened(*this);
  connection->read->cancelable = 1;  // nobody waits for a ping
  ngx_add_timer(connection->read, settings.ping_interval);
  if (password_changed_) {
    close(kClosePolicy, "password changed");
    return;
  }
  if (pending_ != 0) {
    tell(std::exchange(pending_, 0));
    return;
  }
  // What arrived during the handshake was announced to the request.
  ngx_post_event(connection->read, &ngx_posted_events);
}

void Socket::tell(Sequence sequence) {
  pending_ = sequence;
  if (!open() || (framer_ && framer_->wants_write())) {
    return;  // told when it is attached, or when the client has taken what is under way
  }
  if (!need_framer()) {
    return drop();
  }
  told_ = std::exchange(pending_, 0);
  hub_.metrics_.count(Counter::updates_told);
  framer_->queue_text(wallet_update_message(told_));
  pump();
}

void Socket::catch_up(const Standing& standing) {
  if (!open()) {
    return;
  }
  if (fingerprint(standing) != password_) {
    close(kClosePolicy, "password changed");
  } else if (standing.sequence > std::max(pending_, told_)) {  // not if an update has overtaken it
    tell(standing.sequence);
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
  if (!need_framer()) {
    return drop();
  }
  leave_open(State::closing);
  framer_->queue_close(code, reason);
  connection_->read->cancelable = 0;  // a worker that quits waits for the handshake
  ngx_add_timer(connection_->read, kCloseTimeout);
  pump();
}

void Socket::leave_open(State next) {
  if (state_ == State::open) {
    --group_.open;
  }
  state_ = next;
}

void Socket::drop() {
  ngx_connection_t* connection = std::exchange(connection_, nullptr);
  delete this;
  if (connection != nullptr) {
    connection->idle = 0;
    ngx_http_close_connection(connection);
  }
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
  if (self.framer_) {
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
  if (pinged_ || !need_framer()) {
    return drop();
  }
  pinged_ = true;
  ngx_add_timer(connection_->read, settings_->ping_interval);
  framer_->queue_ping();
  pump();
}

// Lets bytes flow both ways, and puts the connection into the state that follows.
void Socket::pump() {
  if (!need_framer() || !framer_->pump()) {
    return drop();
  }
  if (framer_->finished()) {
    return linger();
  }
  if (framer_->wants_write()) {
    if (connection_->write->timer_set == 0) {
      ngx_add_timer(connection_->write, kSendTimeout);
    }
    if (ngx_handle_write_event(connection_->write, 0) != NGX_OK) {
      return drop();
    }
    return;
  }
  if (connection_->write->timer_set != 0) {
    ngx_del_timer(connection_->write);
  }
  if (framer_->paused()) {  // the others first
    ngx_post_event(connection_->read, &ngx_posted_next_events);
  } else if (ngx_handle_read_event(connection_->read, 0) != NGX_OK) {
    return drop();
  }
  if (pending_ != 0 && state_ == State::open) {
    return tell(pending_);
  }
  if (framer_->at_rest()) {
    framer_.reset();
  }
}

// Everything is said. What the client still sends is read and thrown away for a while: closing with unread
// data would reset the connection, and the client might never see our close frame.
void Socket::linger() {
  framer_.reset();
  early_.reset();
  leave_open(State::lingering);
  if (connection_->write->timer_set != 0) {
    ngx_del_timer(connection_->write);
  }
  connection_->read->cancelable = 0;
  ngx_add_timer(connection_->read, kCloseTimeout);
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

bool Socket::need_framer() {
  if (!framer_) {
    framer_ = Framer::create(*this);
  }
  return framer_ != nullptr;
}

ssize_t Socket::read(std::uint8_t* to, std::size_t size) {
  if (early_) {
    const std::size_t n = early_->copy(reinterpret_cast<char*>(to), size);
    early_->erase(0, n);
    if (early_->empty()) {
      early_.reset();
    }
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

ssize_t Socket::write(const std::uint8_t* from, std::size_t size) {
  const ssize_t n = connection_->send(connection_, const_cast<u_char*>(from), size);
  return n == NGX_AGAIN ? kWouldBlock : n < 0 ? kClosed : n;
}

}  // namespace wallet_sync
