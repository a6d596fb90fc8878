// wallet_sync_redis: where Redis is and how it is spoken to. A wrong parameter ends the start with a line
// that says what to write instead.
#include <algorithm>
#include <string>
#include <string_view>

#include "config.hpp"
#include "directives.hpp"
#include "ngx_http_wallet_sync_module.h"
#include "redis_address.hpp"

namespace wallet_sync {
namespace {

// More connections of one kind than this are a mistake: a few carry everything.
constexpr ngx_int_t kMostConnections = 64;

// A transaction of a cluster is of one account, so there have to be more of them at once.
constexpr std::size_t kLanesOfCluster = 8;

bool is_count(ngx_int_t value) { return value >= 1 && value <= kMostConnections; }

constexpr const char* kOfSentinels =
    "it with an address sentinel://NAME@host:port,host:port, or leave it out";

// replicas=number[,time]. What to write instead; null: the value is fine.
const char* read_replicas(std::string_view value, bool fsync, Server& server) {
  if (server.replicas > 0) {
    return "replicas= or replicas_fsync=, once";
  }
  const std::size_t comma = value.find(',');
  const ngx_int_t count = number(value.substr(0, comma));
  const ngx_int_t time = comma != value.npos ? milliseconds(value.substr(comma + 1)) : 0;
  if (!is_count(count) || time == NGX_ERROR) {
    return "replicas=number or replicas=number,time with a number from 1 to 64, such as replicas=1,500ms";
  }
  server.replicas = static_cast<std::size_t>(count);
  server.replicas_fsync = fsync;
  server.replicas_timeout_ms = time;
  return nullptr;
}

// The parameters of TLS, gathered until all are known.
struct TlsParameters {
  bool on = false;
  bool given = false;  // any but tls= itself
  Tls tls;
};

// What to write instead; null: the parameter is fine. `known` tells whether it is one of TLS at all.
const char* read_tls_parameter(std::string_view word, TlsParameters& parameters, bool& known) {
  std::string_view value;
  known = true;
  if (named(word, "tls", value)) {
    parameters.on = value == "on";
    return value == "on" || value == "off" ? nullptr : "tls=on or tls=off";
  }
  for (const auto& [name, member] :
       {std::pair{"tls_ca_file", &Tls::ca_file}, std::pair{"tls_certificate", &Tls::certificate},
        std::pair{"tls_certificate_key", &Tls::certificate_key}, std::pair{"tls_name", &Tls::name}}) {
    if (named(word, name, value)) {
      parameters.tls.*member = value;
      parameters.given = true;
      return value.empty() ? "a value behind =" : nullptr;
    }
  }
  known = false;
  return nullptr;
}

// What is wrong with them as a whole; null: nothing.
const char* finish_tls(TlsParameters& parameters, Server& server, std::string_view address) {
  if (!parameters.on) {
    return parameters.given ? "has parameters of TLS, but not tls=on" : nullptr;
  }
  Tls& tls = parameters.tls;
  if (tls.certificate.empty() != tls.certificate_key.empty()) {
    return "needs both or none of tls_certificate=path and tls_certificate_key=path";
  }
  if (server.sentinels && !tls.name.empty()) {
    for (Sentinels::Address& sentinel : server.sentinels->addresses) {
      sentinel.tls_name = tls.name;
    }
  }
  const bool named_by_address = server.sentinels || !server.cluster.empty();
  if (tls.name.empty() && server.unix_path.empty() && !named_by_address) {
    tls.name = host_of(address);
  }
  if (tls.name.empty() && !named_by_address) {
    return "needs tls_name=name, the name that Redis' certificate carries";
  }
  server.tls = std::move(tls);
  return nullptr;
}

}  // namespace
}  // namespace wallet_sync

using namespace wallet_sync;

char* ngx_http_wallet_sync_redis(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  auto& redis = static_cast<LocationConf*>(conf)->redis;
  if (redis) {
    return const_cast<char*>("is duplicate");
  }
  const auto* words = static_cast<ngx_str_t*>(cf->args->elts);
  Server server;
  TlsParameters tls;
  if (!parse_redis_address(cf, to_view(words[1]), server)) {
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  if (!server.cluster.empty()) {
    server.lanes = kLanesOfCluster;
  }
  for (ngx_uint_t i = 2; i < cf->args->nelts; ++i) {
    std::string_view value;
    const std::string_view word = to_view(words[i]);
    bool of_tls = false;
    const char* wanted = read_tls_parameter(word, tls, of_tls);
    if (of_tls) {
      // done
    } else if (named(word, "user", value)) {
      server.user = value;
    } else if (named(word, "password", value)) {
      server.password = value;
    } else if (named(word, "password_file", value)) {
      if (!read_secret_file(cf, "wallet_sync_redis", value, server.password)) {
        return static_cast<char*>(NGX_CONF_ERROR);
      }
    } else if (named(word, "sentinel_user", value)) {
      if (server.sentinels) {
        server.sentinels->user = value;
      }
      wanted = server.sentinels ? nullptr : kOfSentinels;
    } else if (named(word, "sentinel_password_file", value)) {
      if (server.sentinels && !read_secret_file(cf, "wallet_sync_redis", value, server.sentinels->password)) {
        return static_cast<char*>(NGX_CONF_ERROR);
      }
      wanted = server.sentinels ? nullptr : kOfSentinels;
    } else if (named(word, "database", value)) {
      const ngx_int_t database = number(value);
      server.database = static_cast<int>(database);
      wanted = database < 0 || database > kMaxInt ? "database=number, from 0 to 2147483647" : nullptr;
    } else if (named(word, "links", value)) {
      server.links = static_cast<std::size_t>(number(value));
      wanted = is_count(number(value)) ? nullptr : "links=number, from 1 to 64";
    } else if (named(word, "lanes", value)) {
      server.lanes = static_cast<std::size_t>(number(value));
      wanted = is_count(number(value)) ? nullptr : "lanes=number, from 1 to 64";
    } else if (named(word, "pool", value)) {
      ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                         "wallet_sync_redis: \"%V\" has no effect any more: a few connections carry all "
                         "changes; leave it out, or write lanes=number",
                         &words[i]);
    } else if (named(word, "connect_timeout", value)) {
      server.connect_timeout_ms = milliseconds(value);
      wanted =
          milliseconds(value) == NGX_ERROR ? "connect_timeout=time, such as connect_timeout=1s" : nullptr;
    } else if (named(word, "timeout", value)) {
      server.command_timeout_ms = milliseconds(value);
      wanted = milliseconds(value) == NGX_ERROR ? "timeout=time, such as timeout=2s" : nullptr;
    } else if (named(word, "replicas", value) || named(word, "replicas_fsync", value)) {
      wanted = read_replicas(value, word.starts_with("replicas_fsync"), server);
    } else if (named(word, "prefix", value)) {
      server.key_prefix = value;
      wanted =
          value.empty() || value.find_first_of("{}") != value.npos ? "prefix=text without braces" : nullptr;
    } else {
      wanted =
          "user=, password=, password_file=, database=, links=, lanes=, connect_timeout=, timeout=, prefix=, "
          "replicas=, replicas_fsync=, "
          "tls=, tls_ca_file=, tls_certificate=, tls_certificate_key=, tls_name=, sentinel_user= or "
          "sentinel_password_file=";
    }
    if (wanted != nullptr) {
      const std::string parameter = value.empty() ? without_secret(word) : std::string(word);
      const ngx_str_t shown = to_ngx(parameter);
      ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "wallet_sync_redis: invalid parameter \"%V\"; write %s",
                         &shown, wanted);
      return static_cast<char*>(NGX_CONF_ERROR);
    }
  }
  if (!server.cluster.empty() && server.database != 0) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "wallet_sync_redis: a cluster has no databases; leave out database=%d",
                       server.database);
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  if (const char* wrong = finish_tls(tls, server, to_view(words[1]))) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "wallet_sync_redis: \"%V\" %s", &words[1], wrong);
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  if (server.replicas_timeout_ms == 0) {
    server.replicas_timeout_ms = std::max<std::int64_t>(server.command_timeout_ms / 2, 1);
  }
  if (server.replicas > 0 && server.replicas_timeout_ms >= server.command_timeout_ms) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "wallet_sync_redis: the time for replicas has to be less than timeout; write a longer "
                       "timeout=time, or replicas=number,time with less than %Lms",
                       server.command_timeout_ms);
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  redis = std::move(server);
  return NGX_CONF_OK;
}
