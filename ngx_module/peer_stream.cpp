#include "peer_stream.hpp"

#include <arpa/inet.h>

#include <cstring>

#include "cluster_map.hpp"
#include "tls_context.hpp"

namespace wallet_sync {
namespace {

union Address {
  sockaddr any;
  sockaddr_un local;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

socklen_t address_of(const Server& server, Address& address) {
  address = {};
  if (!server.unix_path.empty()) {
    address.local.sun_family = AF_UNIX;
    server.unix_path.copy(address.local.sun_path, sizeof address.local.sun_path - 1);
    return sizeof address.local;
  }
  const auto port = htons(static_cast<in_port_t>(server.port));
  if (inet_pton(AF_INET, server.host.c_str(), &address.v4.sin_addr) == 1) {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = port;
    return sizeof address.v4;
  }
  inet_pton(AF_INET6, server.host.c_str(), &address.v6.sin6_addr);
  address.v6.sin6_family = AF_INET6;
  address.v6.sin6_port = port;
  return sizeof address.v6;
}

PeerStream* stream_of(ngx_event_t* event) {
  return static_cast<PeerStream*>(static_cast<ngx_connection_t*>(event->data)->data);
}

}  // namespace

// nginx would log each attempt to connect, and what OpenSSL says of it; the node tells once what is wrong.
void PeerStream::keep_message(ngx_log_t* log, ngx_uint_t, u_char* line, std::size_t size) {
  std::string_view text(reinterpret_cast<char*>(line), size);  // "<time> [<level>] <pid>#<tid>: <message>"
  const std::size_t message = text.find(": ");
  if (message != std::string_view::npos) {
    text.remove_prefix(message + 2);
  }
  static_cast<PeerStream*>(log->wdata)->logged_ = text.substr(0, text.find('\n'));
}

PeerStream::PeerStream(EventLoop& loop, const Server& server, Stream::User& user, const TlsContext* tls)
    : Posted(loop), user_(user), tls_(tls), tls_name_(server.tls ? server.tls->name : "") {
  log_.log_level = NGX_LOG_INFO;
  log_.writer = keep_message;
  log_.wdata = this;
  Address address;
  std::string name = server.name();
  ngx_str_t ngx_name = to_ngx(name);
  ngx_peer_connection_t peer{};
  peer.socklen = address_of(server, address);
  peer.sockaddr = &address.any;
  peer.name = &ngx_name;
  peer.get = ngx_event_get_peer;
  peer.log = &log_;
  peer.log_error = NGX_ERROR_INFO;
  peer.so_keepalive = server.unix_path.empty() ? 1 : 0;
  ngx_set_errno(0);
  const ngx_int_t rc = ngx_event_connect_peer(&peer);
  if (rc != NGX_OK && rc != NGX_AGAIN) {
    const ngx_err_t error = ngx_socket_errno;
    fail(rc == NGX_DECLINED && error != 0 ? std::strerror(error) : logged_);
    return;
  }
  connection_ = peer.connection;
  connection_->data = this;
  connection_->read->handler = on_read_event;
  connection_->write->handler = on_write_event;
  if (server.unix_path.empty()) {
    ngx_tcp_nodelay(connection_);
  }
  if (rc == NGX_OK) {  // the next turn begins without waiting
    ngx_post_event(connection_->write, &ngx_posted_next_events);
  }
}

PeerStream::~PeerStream() {
  if (connection_ == nullptr) {
    return;
  }
  ngx_pool_t* pool = connection_->pool;
#if (NGX_SSL)
  if (connection_->ssl != nullptr) {
    connection_->ssl->no_wait_shutdown = 1;
    connection_->ssl->no_send_shutdown = 1;
    ngx_ssl_shutdown(connection_);
  }
#endif
  ngx_close_connection(connection_);
  if (pool != nullptr) {
    ngx_destroy_pool(pool);
  }
}

void PeerStream::fail(std::string reason) {
  state_ = State::failed;
  error_ = std::move(reason);
  post();
}

// Also called by nginx to end the connection: worker_shutdown_timeout.
void PeerStream::on_read_event(ngx_event_t* event) { stream_of(event)->on_event(true); }

void PeerStream::on_write_event(ngx_event_t* event) { stream_of(event)->on_event(false); }

void PeerStream::on_event(bool readable) {
  ngx_connection_t* connection = connection_;
  if (state_ == State::failed) {
    return;
  }
  if (connection->close != 0 && state_ != State::connected) {
    fail("the worker ends");
    return;
  }
  if (state_ == State::connecting) {
    finish_connect();
  } else if (state_ == State::connected && readable) {
    user_.on_readable();
  } else if (state_ == State::connected) {
    user_.on_writable();
  }
  const ngx_int_t watched =
      readable ? ngx_handle_read_event(connection->read, 0) : ngx_handle_write_event(connection->write, 0);
  if (watched != NGX_OK) {
    fail("it cannot be watched");
  }
}

void PeerStream::finish_connect() {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(connection_->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
    error = ngx_socket_errno;
  }
  if (error != 0) {
    fail(std::strerror(error));
    return;
  }
#if (NGX_SSL)
  if (tls_ != nullptr) {
    start_handshake();
    return;
  }
#endif
  state_ = State::connected;
  user_.on_connected();
}

#if (NGX_SSL)

void PeerStream::start_handshake() {
  constexpr std::size_t kPoolSize = 512;
  state_ = State::handshake;
  connection_->pool = ngx_create_pool(kPoolSize, connection_->log);
  auto* ssl = const_cast<ngx_ssl_t*>(&tls_->ssl);
  if (connection_->pool == nullptr ||
      ngx_ssl_create_connection(ssl, connection_, NGX_SSL_BUFFER | NGX_SSL_CLIENT) != NGX_OK) {
    fail("no memory for TLS");
    return;
  }
  // An address is no server name: RFC 6066 section 3.
  if (!is_ip_address(tls_name_) &&
      SSL_set_tlsext_host_name(connection_->ssl->connection, tls_name_.c_str()) != 1) {
    fail("cannot ask for the TLS name");
    return;
  }
  const ngx_int_t rc = ngx_ssl_handshake(connection_);
  if (rc == NGX_AGAIN) {
    connection_->ssl->handler = [](ngx_connection_t* c) {
      static_cast<PeerStream*>(c->data)->end_handshake();
    };
    return;
  }
  end_handshake();
}

void PeerStream::end_handshake() {
  connection_->read->handler = on_read_event;
  connection_->write->handler = on_write_event;
  if (connection_->ssl->handshaked == 0) {
    fail(logged_.empty() ? "the TLS handshake failed" : logged_);
    return;
  }
  if (std::string wrong = refuse_certificate(connection_, tls_name_); !wrong.empty()) {
    fail(std::move(wrong));
    return;
  }
  state_ = State::connected;
  user_.on_connected();
}

#endif

Stream::Read PeerStream::read(char* buffer, std::size_t capacity) {
  if (connection_ == nullptr || connection_->close != 0) {
    return {Read::What::end};
  }
  if (broken_) {
    return {Read::What::failure};
  }
  const ssize_t size = connection_->recv(connection_, reinterpret_cast<u_char*>(buffer), capacity);
  if (size > 0) {
    return {Read::What::bytes, static_cast<std::size_t>(size)};
  }
  if (size == NGX_AGAIN) {
    return {Read::What::nothing_yet};
  }
  if (size == 0) {
    return {Read::What::end};
  }
  note_error();
  return {Read::What::failure};
}

void PeerStream::note_error() {
  const ngx_err_t error = ngx_socket_errno;
  error_ = tls_ != nullptr && !logged_.empty() ? logged_ : error != 0 ? std::strerror(error) : "it broke";
}

void PeerStream::read_later() { ngx_post_event(connection_->read, &ngx_posted_next_events); }

std::size_t PeerStream::write(std::string_view bytes) {
  std::size_t written = 0;
  while (written < bytes.size()) {
    auto* from = reinterpret_cast<u_char*>(const_cast<char*>(bytes.data() + written));
    const ssize_t size = connection_->send(connection_, from, bytes.size() - written);
    if (size > 0) {
      written += static_cast<std::size_t>(size);
      continue;
    }
    if (size == NGX_AGAIN) {
      if (ngx_handle_write_event(connection_->write, 0) == NGX_OK) {
        break;
      }
    }
    note_error();
    broken_ = true;
    read_later();
    break;
  }
  return written;
}

}  // namespace wallet_sync
