// What nginx needs to speak TLS to Redis, made when the configuration is read: the certificates are read
// once, as root. The server's name is not part of it: sentinels and masters have one each. Lives in the
// cycle's pool.
#pragma once

#include "ngx.hpp"
#include "server.hpp"

namespace wallet_sync {

struct TlsContext {
  Tls files;  // without the name
#if (NGX_SSL)
  ngx_ssl_t ssl{};
#endif
};

// False: logged, naming the directive.
bool make_tls_context(ngx_conf_t* cf, TlsContext& context);

#if (NGX_SSL)
// REQUIRES: the handshake is over. Empty if the certificate is that of the name, otherwise what is wrong with
// it.
std::string refuse_certificate(ngx_connection_t* connection, const std::string& name);
#endif

}  // namespace wallet_sync
