// What nginx needs to speak TLS to Redis, made when the configuration is read: the certificates are read
// once, as root. Lives in the cycle's pool.
#pragma once

#include "ngx.hpp"
#include "server.hpp"

namespace wallet_sync {

struct TlsContext {
  Tls settings;
#if (NGX_SSL)
  ngx_ssl_t ssl{};
#endif
};

// False: logged, naming the directive.
bool make_tls_context(ngx_conf_t* cf, TlsContext& context);

#if (NGX_SSL)
bool is_ip_address(const std::string& name);
// REQUIRES: the handshake is over. Empty if the certificate is the server's, otherwise what is wrong with it.
std::string refuse_certificate(ngx_connection_t* connection, const Tls& settings);
#endif

}  // namespace wallet_sync
