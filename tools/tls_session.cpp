#include "tls_session.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace {

std::string last_error(const std::string& what) {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return reason != nullptr ? what + ": " + reason : what;
}

bool is_ip_address(const std::string& name) {
  in6_addr ignored;
  return inet_pton(AF_INET, name.c_str(), &ignored) == 1 || inet_pton(AF_INET6, name.c_str(), &ignored) == 1;
}

}  // namespace

TlsSession::TlsSession(const wallet_sync::Tls& tls, const std::string& name, int fd)
    : name_(name), context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free), ssl_(nullptr, SSL_free) {
  SSL_CTX* context = context_.get();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const bool trusting = tls.ca_file.empty()
                            ? SSL_CTX_set_default_verify_paths(context) == 1
                            : SSL_CTX_load_verify_locations(context, tls.ca_file.c_str(), nullptr) == 1;
  if (!trusting) {
    error_ = last_error("tls_ca_file cannot be used");
  } else if (!tls.certificate.empty() &&
             (SSL_CTX_use_certificate_chain_file(context, tls.certificate.c_str()) != 1 ||
              SSL_CTX_use_PrivateKey_file(context, tls.certificate_key.c_str(), SSL_FILETYPE_PEM) != 1)) {
    error_ = last_error("tls_certificate or tls_certificate_key cannot be used");
  }
  ssl_.reset(SSL_new(context));
  SSL_set_fd(ssl_.get(), fd);
  if (!is_ip_address(name_)) {
    SSL_set_tlsext_host_name(ssl_.get(), name_.c_str());
  }
}

TlsSession::~TlsSession() = default;

TlsSession::Step TlsSession::step_of(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_NONE: return Step::done;
    case SSL_ERROR_WANT_READ: return Step::wants_read;
    case SSL_ERROR_WANT_WRITE: return Step::wants_write;
    case SSL_ERROR_ZERO_RETURN: return Step::end;
    default: error_ = last_error("TLS failed"); return Step::failed;
  }
}

bool TlsSession::verified() {
  const long result = SSL_get_verify_result(ssl_.get());
  if (result != X509_V_OK) {
    error_ = std::string("its certificate is not trusted: ") + X509_verify_cert_error_string(result);
    return false;
  }
  const std::unique_ptr<X509, void (*)(X509*)> certificate(SSL_get1_peer_certificate(ssl_.get()), X509_free);
  const bool matches =
      certificate != nullptr && (is_ip_address(name_) ? X509_check_ip_asc(certificate.get(), name_.c_str(), 0)
                                                      : X509_check_host(certificate.get(), name_.data(),
                                                                        name_.size(), 0, nullptr)) == 1;
  if (!matches) {
    error_ = "its certificate is not for \"" + name_ + "\"";
  }
  return matches;
}

TlsSession::Step TlsSession::handshake() {
  if (!error_.empty()) {
    return Step::failed;
  }
  ERR_clear_error();
  const Step step = step_of(SSL_connect(ssl_.get()));
  return step == Step::done && !verified() ? Step::failed : step;
}

TlsSession::Step TlsSession::read(char* buffer, std::size_t capacity, std::size_t& size) {
  ERR_clear_error();
  return step_of(SSL_read_ex(ssl_.get(), buffer, capacity, &size));
}

TlsSession::Step TlsSession::write(std::string_view bytes, std::size_t& size) {
  ERR_clear_error();
  return step_of(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &size));
}
