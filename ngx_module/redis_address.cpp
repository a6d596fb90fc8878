#include "redis_address.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <tuple>
#include <utility>

#include "directives.hpp"

namespace wallet_sync {
namespace {

constexpr std::string_view kSentinel = "sentinel://";
constexpr std::string_view kCluster = "cluster://";
constexpr in_port_t kRedisPort = 6379;
constexpr in_port_t kSentinelPort = 26379;

// False: it is none, url.err may say why.
bool resolve(ngx_conf_t* cf, std::string_view text, in_port_t default_port, ngx_url_t& url) {
  url.url = to_ngx(text);
  url.default_port = default_port;
  return text.find("://") == text.npos && ngx_parse_url(cf->pool, &url) == NGX_OK && url.naddrs > 0;
}

void refuse(ngx_conf_t* cf, const ngx_url_t& url, std::string_view kind, std::string_view hint) {
  const std::string address = without_secret(to_view(url.url));
  const std::string why = url.err != nullptr ? std::string(": ") + url.err : "";
  ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "wallet_sync_redis: \"%*s\" is no address of %*s%*s; write %*s",
                     address.size(), address.data(), kind.size(), kind.data(), why.size(), why.data(),
                     hint.size(), hint.data());
}

// The first address of the name.
std::pair<std::string, int> address_of(const ngx_url_t& url) {
  auto* address = const_cast<sockaddr*>(url.addrs[0].sockaddr);
  std::array<u_char, NGX_SOCKADDR_STRLEN> text{};
  const std::size_t length = ngx_sock_ntop(address, url.addrs[0].socklen, text.data(), text.size(), 0);
  std::string host(reinterpret_cast<const char*>(text.data()), length);
  if (host.starts_with('[')) {  // nginx writes IPv6 addresses in brackets
    host = host.substr(1, host.size() - 2);
  }
  return {std::move(host), ngx_inet_get_port(address)};
}

bool parse_one(ngx_conf_t* cf, std::string_view text, Server& server) {
  ngx_url_t url{};
  if (!resolve(cf, text, kRedisPort, url)) {
    refuse(cf, url, "Redis",
           "host:port, an IP address, unix:/path/to/socket, sentinel://NAME@host:port,host:port or "
           "cluster://host:port,host:port");
    return false;
  }
  if (url.addrs[0].sockaddr->sa_family == AF_UNIX) {
    server.unix_path = reinterpret_cast<const sockaddr_un*>(url.addrs[0].sockaddr)->sun_path;
    return true;
  }
  std::tie(server.host, server.port) = address_of(url);
  return true;
}

bool add_sentinel(ngx_conf_t* cf, std::string_view text, Sentinels& sentinels) {
  ngx_url_t url{};
  if (!resolve(cf, text, kSentinelPort, url) || url.addrs[0].sockaddr->sa_family == AF_UNIX) {
    refuse(cf, url, "a sentinel", "host:port or an IP address");
    return false;
  }
  Sentinels::Address address;
  std::tie(address.host, address.port) = address_of(url);
  // Most of them have to agree, so each counts once.
  const auto same = [&](const Sentinels::Address& other) {
    return other.host == address.host && other.port == address.port;
  };
  if (std::any_of(sentinels.addresses.begin(), sentinels.addresses.end(), same)) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "wallet_sync_redis: the sentinel \"%V\" is there already; write each of them once",
                       &url.url);
    return false;
  }
  address.tls_name = host_of(text);
  sentinels.addresses.push_back(std::move(address));
  return true;
}

bool parse_sentinels(ngx_conf_t* cf, std::string_view text, Server& server) {
  const std::string_view named = text.substr(kSentinel.size());
  const std::size_t at = named.find('@');
  Sentinels sentinels;
  sentinels.master = named.substr(0, at);
  if (at == named.npos || sentinels.master.empty() || at + 1 == named.size()) {
    const std::string address = without_secret(text);
    const ngx_str_t shown = to_ngx(address);
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "wallet_sync_redis: \"%V\" lacks the master's name or the sentinels; write "
                       "sentinel://NAME@host:port,host:port with the NAME of their \"sentinel monitor\"",
                       &shown);
    return false;
  }
  std::string_view rest = named.substr(at + 1);
  while (true) {
    const std::size_t comma = rest.find(',');
    if (!add_sentinel(cf, rest.substr(0, comma), sentinels)) {
      return false;
    }
    if (comma == rest.npos) {
      break;
    }
    rest.remove_prefix(comma + 1);
  }
  server.sentinels = std::move(sentinels);
  return true;
}

bool parse_cluster(ngx_conf_t* cf, std::string_view text, Server& server) {
  std::string_view rest = text.substr(kCluster.size());
  while (true) {
    const std::size_t comma = rest.find(',');
    const std::string_view one = rest.substr(0, comma);
    ngx_url_t url{};
    if (!resolve(cf, one, kRedisPort, url) || url.addrs[0].sockaddr->sa_family == AF_UNIX) {
      refuse(cf, url, "a node of a cluster", "host:port or an IP address");
      return false;
    }
    NodeAddress node;
    std::tie(node.host, node.port) = address_of(url);
    node.tls_name = host_of(one);
    server.cluster.push_back(std::move(node));
    if (comma == rest.npos) {
      return true;
    }
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace

std::string_view host_of(std::string_view address) {
  if (address.starts_with('[')) {
    return address.substr(1, address.find(']') - 1);
  }
  return address.substr(0, address.rfind(':'));
}

bool parse_redis_address(ngx_conf_t* cf, std::string_view text, Server& server) {
  if (text.starts_with(kSentinel)) {
    return parse_sentinels(cf, text, server);
  }
  return text.starts_with(kCluster) ? parse_cluster(cf, text, server) : parse_one(cf, text, server);
}

}  // namespace wallet_sync
