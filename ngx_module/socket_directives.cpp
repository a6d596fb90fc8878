// The directives of websockets.
#include "config.hpp"
#include "directives.hpp"
#include "ngx_http_wallet_sync_module.h"

using namespace wallet_sync;

namespace {

char* set_time(ngx_conf_t* cf, std::optional<ngx_msec_t>& value, const char* directive, bool zero_allowed,
               const char* example) {
  if (value) {
    return const_cast<char*>("is duplicate");
  }
  auto* words = static_cast<ngx_str_t*>(cf->args->elts);
  const ngx_int_t time = ngx_parse_time(&words[1], 0);
  if (time == NGX_ERROR || (time == 0 && !zero_allowed) || time > kMaxInt) {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "%s: invalid time \"%V\"; write a time%s and of at most 24 days, such as %s",
                       directive, &words[1], zero_allowed ? "" : " above 0", example);
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  value = static_cast<ngx_msec_t>(time);
  return NGX_CONF_OK;
}

}  // namespace

char* ngx_http_wallet_sync_ping_interval(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  return set_time(cf, static_cast<LocationConf*>(conf)->ping_interval, "wallet_sync_ping_interval", false,
                  "60s");
}

char* ngx_http_wallet_sync_drain_time(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  return set_time(cf, static_cast<LocationConf*>(conf)->drain_time, "wallet_sync_drain_time", true, "5s");
}

char* ngx_http_wallet_sync_max_sockets_per_account(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  auto& limit = static_cast<LocationConf*>(conf)->max_sockets;
  if (limit) {
    return const_cast<char*>("is duplicate");
  }
  auto* words = static_cast<ngx_str_t*>(cf->args->elts);
  const ngx_int_t number = ngx_atoi(words[1].data, words[1].len);
  if (number < 1) {
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0,
        "wallet_sync_max_sockets_per_account: invalid number \"%V\"; write a number above 0, such as 32",
        &words[1]);
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  limit = static_cast<std::size_t>(number);
  return NGX_CONF_OK;
}
