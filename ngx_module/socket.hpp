// One websocket: first a place among its account's sockets, then a connection that nginx has handed over to
// us.
//
//   reserved ──attach──▶ open ──▶ closing (our close frame is out) ──▶ lingering (ours to close) ──▶ gone
//
// Of the HTTP request nothing is left but nginx' connection and its small pool. Only the newest sequence
// matters to a client, so what waits to be told is one number, however slow the reader is.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "framer.hpp"
#include "metrics.hpp"
#include "ngx.hpp"
#include "websocket.hpp"

namespace wallet_sync {

class SocketHub;
struct SocketGroup;

struct SocketSettings {
  ngx_msec_t ping_interval = 60'000;
  std::size_t max_per_account = 32;
  ngx_msec_t drain_time = 5'000;
};

class Socket final : private Framer::Transport {
 public:
  Socket(SocketHub& hub, SocketGroup& group) : hub_(hub), group_(group) {}
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // What the account looked like when the token was checked.
  void stand_at(const Standing& standing);
  // Takes the connection over, the request being gone; `early` is what the client sent along with the
  // handshake.
  void attach(ngx_connection_t* connection, const SocketSettings& settings, std::string early);
  Socket* next() const { return next_; }
  bool open() const { return connection_ != nullptr && state_ == State::open; }

  // Any of these may destroy the Socket.
  void tell(Sequence sequence);
  void catch_up(const Standing& standing);
  void close(std::uint16_t code, std::string_view reason);
  void drop();

 private:
  friend class SocketHub;
  friend struct SocketGroup;
  enum class State : std::uint8_t { open, closing, lingering };

  static void on_read_event(ngx_event_t* event);
  static void on_write_event(ngx_event_t* event);
  void on_readable();
  void on_silence();
  void pump();
  void leave_open(State next);
  void linger();
  void discard();
  bool need_framer();
  ssize_t read(std::uint8_t* to, std::size_t size) override;
  ssize_t write(const std::uint8_t* from, std::size_t size) override;

  SocketHub& hub_;
  SocketGroup& group_;
  std::optional<GaugeHold> counted_;
  Socket* previous_ = nullptr;  // in the group, oldest first
  Socket* next_ = nullptr;
  ngx_connection_t* connection_ = nullptr;
  const SocketSettings* settings_ = nullptr;
  std::unique_ptr<Framer> framer_;
  std::unique_ptr<std::string> early_;
  std::size_t password_ = 0;  // a hash of what changes with the password
  ngx_msec_t heard_ = 0;      // when the client last sent something
  Sequence told_ = 0;
  Sequence pending_ = 0;  // the newest the client has not been told of; 0: none
  State state_ = State::open;
  bool pinged_ = false;
  bool password_changed_ = false;  // while it was only reserved
};

}  // namespace wallet_sync
