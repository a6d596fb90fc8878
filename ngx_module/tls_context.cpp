#include "tls_context.hpp"

#include <string>

#include "cluster_map.hpp"

namespace wallet_sync {

#if (NGX_SSL)

namespace {

constexpr ngx_int_t kVerifyDepth = 8;

ngx_str_t in_pool(ngx_pool_t* pool, const std::string& text) {
  ngx_str_t copy = to_ngx(text);
  auto* data = static_cast<u_char*>(ngx_pnalloc(pool, copy.len + 1));
  if (data != nullptr) {
    ngx_cpystrn(data, copy.data, copy.len + 1);
  }
  copy.data = data;
  return copy;
}

}  // namespace

bool make_tls_context(ngx_conf_t* cf, TlsContext& context) {
  const Tls& tls = context.files;
  ngx_ssl_t& ssl = context.ssl;
  ssl.log = cf->log;
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(cf->pool, 0);
  if (cleanup == nullptr || ngx_ssl_create(&ssl, NGX_SSL_TLSv1_2 | NGX_SSL_TLSv1_3, nullptr) != NGX_OK) {
    return false;
  }
  cleanup->handler = ngx_ssl_cleanup_ctx;
  cleanup->data = &ssl;
  if (!tls.certificate.empty()) {
    ngx_str_t certificate = in_pool(cf->pool, tls.certificate);
    ngx_str_t key = in_pool(cf->pool, tls.certificate_key);
    if (certificate.data == nullptr || key.data == nullptr ||
        ngx_ssl_certificate(cf, &ssl, &certificate, &key, nullptr) != NGX_OK) {
      return false;  // nginx has logged which file
    }
  }
  if (!tls.ca_file.empty()) {
    ngx_str_t ca_file = in_pool(cf->pool, tls.ca_file);
    return ca_file.data != nullptr && ngx_ssl_trusted_certificate(cf, &ssl, &ca_file, kVerifyDepth) == NGX_OK;
  }
  if (SSL_CTX_set_default_verify_paths(ssl.ctx) != 1) {
    ngx_ssl_error(NGX_LOG_EMERG, cf->log, 0,
                  const_cast<char*>("wallet_sync_redis: the system has no certificates to verify Redis by; "
                                    "write tls_ca_file=path"));
    return false;
  }
  return true;
}

std::string refuse_certificate(ngx_connection_t* connection, const std::string& name) {
  const long result = SSL_get_verify_result(connection->ssl->connection);
  if (result != X509_V_OK) {
    return std::string("its certificate is not trusted: ") + X509_verify_cert_error_string(result);
  }
  // Not nginx' own check, which knows no addresses.
  X509* certificate = SSL_get_peer_certificate(connection->ssl->connection);
  const bool matches =
      certificate != nullptr &&
      (is_ip_address(name) ? X509_check_ip_asc(certificate, name.c_str(), 0)
                           : X509_check_host(certificate, name.data(), name.size(), 0, nullptr)) == 1;
  X509_free(certificate);
  if (!matches) {
    return "its certificate is not for \"" + name + "\"";
  }
  return {};
}

#else

bool make_tls_context(ngx_conf_t* cf, TlsContext&) {
  ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                     "wallet_sync_redis: tls=on needs an nginx that is built with --with-http_ssl_module");
  return false;
}

#endif

}  // namespace wallet_sync
