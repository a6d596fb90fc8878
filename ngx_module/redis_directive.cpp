// wallet_sync_redis: where Redis is and how it is spoken to. Its words are read by redis/server_words.cpp;
// names are resolved and secrets read by nginx' own means. A wrong one ends the start with a line that says
// what to write instead.
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "config.hpp"
#include "directives.hpp"
#include "server_words.hpp"

namespace wallet_sync {
namespace {

class DirectiveReader final : public WordsReader {
 public:
  explicit DirectiveReader(ngx_conf_t* cf) : cf_(cf) {}

  // Names are resolved now: a worker would be blocked by it.
  std::optional<Address> resolve(std::string_view text, int default_port, std::string& why) override {
    ngx_url_t url{};
    url.url = to_ngx(text);
    url.default_port = static_cast<in_port_t>(default_port);
    if (ngx_parse_url(cf_->pool, &url) != NGX_OK || url.naddrs == 0) {
      why = url.err != nullptr ? url.err : "";
      return std::nullopt;
    }
    const ngx_addr_t& first = url.addrs[0];
    if (first.sockaddr->sa_family == AF_UNIX) {
      return Address{reinterpret_cast<const sockaddr_un*>(first.sockaddr)->sun_path, {}, 0};
    }
    std::array<u_char, NGX_SOCKADDR_STRLEN> digits{};
    const std::size_t length = ngx_sock_ntop(first.sockaddr, first.socklen, digits.data(), digits.size(), 0);
    std::string host(reinterpret_cast<const char*>(digits.data()), length);
    if (host.starts_with('[')) {  // nginx writes IPv6 addresses in brackets
      host = host.substr(1, host.size() - 2);
    }
    return Address{{}, std::move(host), ngx_inet_get_port(first.sockaddr)};
  }

  bool read_secret(std::string_view path, std::string& secret, std::string&) override {
    return read_secret_file(cf_, "wallet_sync_redis", path, secret);  // which has said why not
  }

  void warn(const std::string& line) override { log(NGX_LOG_WARN, line); }

  void log(ngx_uint_t level, const std::string& line) {
    const ngx_str_t text = to_ngx(line);
    ngx_conf_log_error(level, cf_, 0, "wallet_sync_redis: %V", &text);
  }

 private:
  ngx_conf_t* cf_;
};

}  // namespace
}  // namespace wallet_sync

using namespace wallet_sync;

char* ngx_http_wallet_sync_redis(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  auto& redis = block_of(conf).redis;
  if (redis) {
    return const_cast<char*>("is duplicate");
  }
  const auto* arguments = static_cast<ngx_str_t*>(cf->args->elts);
  std::vector<std::string_view> words;
  for (ngx_uint_t i = 1; i < cf->args->nelts; ++i) {
    words.push_back(to_view(arguments[i]));
  }
  DirectiveReader reader(cf);
  std::string wrong;
  redis = read_server(words, reader, wrong);
  if (!redis) {
    if (!wrong.empty()) {
      reader.log(NGX_LOG_EMERG, wrong);
    }
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  return NGX_CONF_OK;
}
