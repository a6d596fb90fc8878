// One websocket: first a place among its account's sockets, then a connection that nginx has handed over to
// us.
//
//   reserved ──attach──▶ open ──▶ closing (our close frame is out) ──▶ lingering (ours to close) ──▶ gone
//
// Of the HTTP request nothing is left but nginx' connection and its small pool, in which the open socket
// lies. Only the newest sequence matters to a client, so what waits to be told is one number, however slow
// the reader is.
#pragma once

#include <cstdint>
#include <memory>
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
  Socket(SocketHub& hub, const SocketGroup& group);
  // Takes the other one's place among the account's sockets.
  Socket(Socket&& reserved) noexcept;
  ~Socket();
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  Socket& operator=(Socket&&) = delete;

  // What the account looked like when the token was checked.
  void stand_at(const Standing& standing);
  // Takes the connection over, the request being gone; `early` is what the client sent along with the
  // handshake.
  void attach(ngx_connection_t* connection, const SocketSettings& settings, std::string early);
  Socket* next() const { return next_; }
  bool open() const { return connection_ != nullptr && state_ == State::open; }

  // Any of these may destroy the Socket. `frame` says the sequence, and is the same for all sockets.
  void on_update(Sequence sequence, std::string_view frame);
  // Updates may have been missed: catch_up() is going to be called.
  void on_gap() { caught_up_ = false; }
  void catch_up(const Standing& standing);
  void close(std::uint16_t code, std::string_view reason);
  void drop();

 private:
  friend class SocketHub;
  enum class State : std::uint8_t { open, closing, lingering };

  // What an idle socket has not.
  struct Traffic {
    std::string early;  // came before there was a Framer
    std::string out;    // what the client has not taken yet
    std::unique_ptr<Framer> framer;
  };

  void tell(Sequence sequence, std::string_view frame);
  static void on_read_event(ngx_event_t* event);
  static void on_write_event(ngx_event_t* event);
  void on_readable();
  void on_silence();
  void pump();
  ssize_t look();
  bool hear();
  void settle();
  bool send(std::string_view frame);
  void await_room();
  bool blocked() const { return traffic_ && !traffic_->out.empty(); }
  Framer* framer() const { return traffic_ ? traffic_->framer.get() : nullptr; }
  Traffic& traffic();
  void leave_open(State next);
  void linger();
  void discard();
  ssize_t read(std::uint8_t* to, std::size_t size) override;
  ssize_t write(const std::uint8_t* from, std::size_t size) override;
  ssize_t flush() override;

  SocketHub& hub_;
  const SocketGroup& group_;
  Socket* previous_ = nullptr;  // in the group, oldest first
  Socket* next_ = nullptr;
  ngx_connection_t* connection_ = nullptr;
  const SocketSettings* settings_ = nullptr;
  std::unique_ptr<Traffic> traffic_;
  std::size_t password_ = 0;  // a hash of what changes with the password
  ngx_msec_t heard_ = 0;      // when the client last sent something
  Sequence told_ = 0;
  Sequence pending_ = 0;  // the newest the client has not been told of; 0: none
  State state_ = State::open;
  bool pinged_ = false;
  bool caught_up_ = false;         // the newest is known from a standing; its event may still be on its way
  bool password_changed_ = false;  // while it was only reserved
  bool listed_ = true;             // among the account's sockets
};

}  // namespace wallet_sync
