// Variables for the access log: what a request asked for, why it failed, and how it fared with Redis. None of
// them holds anything that a client sent.
#include <array>
#include <string>
#include <string_view>

#include "exchange.hpp"
#include "ngx_http_wallet_sync_module.h"

namespace wallet_sync {
namespace {

using Show = std::string (*)(const Exchange& exchange);

struct Variable {
  std::string_view name;
  Show show;  // empty: there is nothing to tell
};

// As nginx writes its own times.
std::string seconds(std::int64_t milliseconds) {
  const std::string fraction = std::to_string(milliseconds % 1000);
  return std::to_string(milliseconds / 1000) + '.' + std::string(3 - fraction.size(), '0') + fraction;
}

constexpr std::array kVariables = {
    Variable{"wallet_sync_endpoint",
             [](const Exchange& exchange) { return std::string(endpoint_name(exchange.endpoint())); }},
    Variable{"wallet_sync_error",
             [](const Exchange& exchange) { return std::string(exchange.error_name()); }},
    Variable{"wallet_sync_redis_time",
             [](const Exchange& exchange) {
               const Trace& trace = exchange.trace();
               return trace.used_store ? seconds(trace.store_ms) : std::string();
             }},
    Variable{"wallet_sync_retries", [](const Exchange& exchange) {
               const Trace& trace = exchange.trace();
               return trace.used_store ? std::to_string(trace.retries) : std::string();
             }}};

ngx_int_t get_variable(ngx_http_request_t* r, ngx_http_variable_value_t* value, uintptr_t index) {
  const Exchange* exchange = Exchange::of(r);
  const std::string text = exchange != nullptr ? kVariables[index].show(*exchange) : std::string();
  value->valid = text.empty() ? 0 : 1;
  value->not_found = text.empty() ? 1 : 0;
  value->no_cacheable = 1;
  if (text.empty()) {
    return NGX_OK;
  }
  ngx_str_t found = to_ngx(text);
  value->data = ngx_pstrdup(r->pool, &found);
  value->len = static_cast<unsigned>(found.len) & 0x0fff'ffffU;  // a field of 28 bits
  return value->data != nullptr ? NGX_OK : NGX_ERROR;
}

}  // namespace
}  // namespace wallet_sync

using namespace wallet_sync;

ngx_int_t ngx_http_wallet_sync_preconfiguration(ngx_conf_t* cf) {
  for (std::size_t i = 0; i < kVariables.size(); ++i) {
    ngx_str_t name = to_ngx(kVariables[i].name);
    ngx_http_variable_t* variable = ngx_http_add_variable(cf, &name, NGX_HTTP_VAR_NOCACHEABLE);
    if (variable == nullptr) {
      return NGX_ERROR;
    }
    variable->get_handler = get_variable;
    variable->data = i;
  }
  return NGX_OK;
}
