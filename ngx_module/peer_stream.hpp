// redis/stream.hpp on a connection of nginx: plain, or TLS by nginx' own means.
#pragma once

#include <string>

#include "event_loop.hpp"
#include "ngx.hpp"
#include "stream.hpp"

namespace wallet_sync {

struct TlsContext;

// The socket and its slot among worker_connections are given back by the destructor.
class PeerStream final : public Stream, private Posted {
 public:
  // `tls` is null for a plain stream, otherwise it outlives the stream.
  PeerStream(EventLoop& loop, const Server& server, Stream::User& user, const TlsContext* tls);
  ~PeerStream() override;
  PeerStream(const PeerStream&) = delete;
  PeerStream& operator=(const PeerStream&) = delete;

  Read read(char* buffer, std::size_t capacity) override;
  void read_later() override;
  std::size_t write(std::string_view bytes) override;
  std::string error() const override { return error_; }

 private:
  enum class State { connecting, handshake, connected, failed };

  void run() override { user_.on_failed(error_); }
  void fail(std::string reason);
  void on_event(bool readable);
  void finish_connect();
  void note_error();
  static void keep_message(ngx_log_t* log, ngx_uint_t level, u_char* line, std::size_t size);
  static void on_read_event(ngx_event_t* event);
  static void on_write_event(ngx_event_t* event);
#if (NGX_SSL)
  void start_handshake();
  void end_handshake();
#endif

  ngx_log_t log_{};     // the connection's
  std::string logged_;  // what nginx last wrote there
  Stream::User& user_;
  const TlsContext* tls_;
  const std::string tls_name_;
  State state_ = State::connecting;
  ngx_connection_t* connection_ = nullptr;
  bool broken_ = false;  // it could not be written: told when it is read
  std::string error_;
};

}  // namespace wallet_sync
