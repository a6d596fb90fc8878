// A stream in TLS. Certificates are not checked: both ends are ours.
#pragma once

#include <openssl/ssl.h>

#include <csignal>

#include "stream.hpp"

class TlsStream : public Stream {
 public:
  TlsStream(Poller& poller, int fd, std::function<void(Stream&)> on_data)
      : Stream(poller, fd, std::move(on_data)), ssl_(SSL_new(context())) {
    SSL_set_fd(ssl_, fd);
    SSL_set_connect_state(ssl_);
  }
  ~TlsStream() override { SSL_free(ssl_); }

 protected:
  ssize_t read(char* to, std::size_t size) override {
    return outcome(SSL_read(ssl_, to, static_cast<int>(size)));
  }
  ssize_t write(const char* from, std::size_t size) override {
    return outcome(SSL_write(ssl_, from, static_cast<int>(size)));
  }
  void finish() override { SSL_shutdown(ssl_); }

 private:
  // One for all; buffers are given back while a connection is idle.
  static SSL_CTX* context() {
    static SSL_CTX* const context = [] {
      std::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes without MSG_NOSIGNAL
      SSL_CTX* made = SSL_CTX_new(TLS_client_method());
      SSL_CTX_set_mode(made, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
      SSL_CTX_set_session_cache_mode(made, SSL_SESS_CACHE_OFF);
      return made;
    }();
    return context;
  }

  ssize_t outcome(int n) const {
    if (n > 0) {
      return n;
    }
    switch (SSL_get_error(ssl_, n)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE: return -1;
      case SSL_ERROR_ZERO_RETURN: return 0;
      default: return -2;
    }
  }

  SSL* ssl_;
};
