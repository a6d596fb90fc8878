// TLS on a socket that does not block, by OpenSSL: the server's certificate is verified, its chain and its
// name, as nginx does it in a worker.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "server.hpp"

struct ssl_st;
struct ssl_ctx_st;

class TlsSession {
 public:
  enum class Step { done, wants_read, wants_write, end, failed };

  // Files that cannot be read show at the handshake.
  TlsSession(const wallet_sync::Tls& tls, const std::string& name, int fd);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  // To be called again when the socket can do what is wanted. done: the certificate is the name's.
  Step handshake();
  // `size` is set if it is done.
  Step read(char* buffer, std::size_t capacity, std::size_t& size);
  Step write(std::string_view bytes, std::size_t& size);
  // Why it failed.
  const std::string& error() const { return error_; }

 private:
  Step step_of(int result);
  bool verified();

  std::string name_;
  std::string error_;
  std::unique_ptr<ssl_ctx_st, void (*)(ssl_ctx_st*)> context_;
  std::unique_ptr<ssl_st, void (*)(ssl_st*)> ssl_;
};
