#include "config.hpp"

#include <algorithm>

#include "directives.hpp"
#include "error_log.hpp"
#include "handler.hpp"
#include "metrics.hpp"
#include "ngx_http_wallet_sync_module.h"
#include "request_body.hpp"
#include "scrypt.hpp"

namespace wallet_sync {
namespace {

LocationConf& location_of(void* conf) { return *static_cast<LocationConf*>(conf); }

MainConf& main_of(ngx_conf_t* cf) {
  return *static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_wallet_sync_module));
}

template <typename T>
void inherit(std::optional<T>& value, const std::optional<T>& parent) {
  if (!value) {
    value = parent;
  }
}

// The index of a value in `all`. A worker keeps one store per different server, and one mailer per different
// way of mailing, however many locations name it.
template <typename T>
std::size_t use(std::vector<T>& all, const T& value) {
  const auto found = std::find(all.begin(), all.end(), value);
  if (found != all.end()) {
    return static_cast<std::size_t>(found - all.begin());
  }
  all.push_back(value);
  return all.size() - 1;
}

bool use_mail(ngx_conf_t* cf, MainConf& main, LocationConf& conf) {
  if (!conf.mail) {
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0,
        "wallet_sync_accounts email sends mails: write wallet_sync_mail as well, such as wallet_sync_mail "
        "smtp://localhost sending_domain=example.com server_domain=sync.example.com");
    return false;
  }
  conf.mailer = use(main.mails, *conf.mail);
  conf.settings.resend_interval = conf.mail->resend_interval;
  return main.mail_pool != nullptr || use_mail_thread_pool(cf, main);
}

bool use_tls(ngx_conf_t* cf, MainConf& main, const Tls& tls) {
  const auto known = std::find_if(main.tls.begin(), main.tls.end(),
                                  [&](const auto& context) { return context->files.same_files(tls); });
  if (known != main.tls.end()) {
    return true;
  }
  main.tls.push_back(std::make_unique<TlsContext>());
  main.tls.back()->files = tls;
  return make_tls_context(cf, *main.tls.back());
}

// A location has one handler. Null: there is none yet.
const char* other_content(const LocationConf& conf, std::string_view directive) {
  if (conf.enabled && directive != "wallet_sync") {
    return "needs a location without \"wallet_sync\"";
  }
  if (conf.shows_metrics && directive != "wallet_sync_metrics") {
    return "needs a location without \"wallet_sync_metrics\"";
  }
  if (conf.health && directive != "wallet_sync_health") {
    return "needs a location without \"wallet_sync_health\"";
  }
  return nullptr;
}

Server default_server() {
  Server server;
  server.host = "127.0.0.1";
  return server;
}

}  // namespace

const LocationConf& location_conf(ngx_http_request_t* r) {
  return *static_cast<LocationConf*>(ngx_http_get_module_loc_conf(r, ngx_http_wallet_sync_module));
}

const MainConf* main_conf(ngx_cycle_t* cycle) {
  if (ngx_get_conf(cycle->conf_ctx, ngx_http_module) == nullptr) {
    return nullptr;
  }
  return static_cast<MainConf*>(ngx_http_cycle_get_module_main_conf(cycle, ngx_http_wallet_sync_module));
}

}  // namespace wallet_sync

using namespace wallet_sync;

void* ngx_http_wallet_sync_create_main_conf(ngx_conf_t* cf) { return make_in_pool<MainConf>(cf->pool); }

char* ngx_http_wallet_sync_init_main_conf(ngx_conf_t*, void*) { return NGX_CONF_OK; }

void* ngx_http_wallet_sync_create_loc_conf(ngx_conf_t* cf) { return make_in_pool<LocationConf>(cf->pool); }

char* ngx_http_wallet_sync_merge_loc_conf(ngx_conf_t* cf, void* parent, void* child) {
  const LocationConf& outer = location_of(parent);
  LocationConf& conf = location_of(child);

  inherit(conf.redis, outer.redis);
  inherit(conf.accounts, outer.accounts);
  inherit(conf.account_deletion, outer.account_deletion);
  inherit(conf.max_body, outer.max_body);
  inherit(conf.login_limit, outer.login_limit);
  inherit(conf.unverified_lifetime, outer.unverified_lifetime);
  inherit(conf.ping_interval, outer.ping_interval);
  inherit(conf.drain_time, outer.drain_time);
  inherit(conf.max_sockets, outer.max_sockets);
  inherit(conf.mail, outer.mail);
  auto* core =
      static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  // `if` and `limit_except` blocks have a configuration of their own, but the handler around them.
  if (outer.enabled && core->noname != 0 && core->handler == nullptr) {
    conf.enabled = true;
    core->handler = handle_request;
  }
  if (!conf.enabled) {
    return NGX_CONF_OK;
  }

  conf.settings.accounts = conf.accounts.value_or(AccountPolicy{});
  conf.settings.account_deletion = conf.account_deletion.value_or(false);
  const SocketSettings defaults;
  conf.sockets = {conf.ping_interval.value_or(defaults.ping_interval),
                  conf.max_sockets.value_or(defaults.max_per_account),
                  conf.drain_time.value_or(defaults.drain_time)};
  conf.settings.login_limit = conf.login_limit.value_or(LoginLimit{});
  conf.settings.unverified_lifetime = conf.unverified_lifetime.value_or(Settings{}.unverified_lifetime);
  conf.max_body = conf.max_body.value_or(kDefaultMaxBody);
  MainConf& main = main_of(cf);
  Server server = conf.redis.value_or(default_server());
  server.marks_schema = true;
  conf.server = use(main.servers, server);
  if (server.tls && !use_tls(cf, main, *server.tls)) {
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  if (main.kdf_pool == nullptr && !use_default_thread_pool(cf, main)) {
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  if (conf.settings.accounts.mode == AccountPolicy::Mode::email && !use_mail(cf, main, conf)) {
    return static_cast<char*>(NGX_CONF_ERROR);
  }

  // The limit is ours (see limit_bodies()): nginx' own would answer with a page instead of the protocol's
  // JSON.
  core->client_max_body_size = 0;
  return NGX_CONF_OK;
}

ngx_int_t ngx_http_wallet_sync_postconfiguration(ngx_conf_t* cf) {
  if (main_of(cf).servers.empty()) {
    if (main_of(cf).watches_readiness) {
      ngx_conf_log_error(
          NGX_LOG_EMERG, cf, 0,
          "wallet_sync_health ready: no location has wallet_sync, so there is no Redis to look "
          "at; write wallet_sync_health without ready");
      return NGX_ERROR;
    }
    return NGX_OK;
  }
  limit_bodies();
  return hide_arguments_in_error_log(cf) ? NGX_OK : NGX_ERROR;
}

char* ngx_http_wallet_sync(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  if (location_of(conf).enabled) {
    return const_cast<char*>("is duplicate");
  }
  if (const char* other = other_content(location_of(conf), "wallet_sync")) {
    return const_cast<char*>(other);
  }
  if (scrypt_choice().function == nullptr) {
    return const_cast<char*>("cannot hash passwords: no library's scrypt gives the right key");
  }
  if (use_metrics_zone(cf, main_of(cf).metrics_zone) == nullptr) {
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  location_of(conf).enabled = true;
  auto* core =
      static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  core->handler = handle_request;
  return NGX_CONF_OK;
}

char* ngx_http_wallet_sync_metrics(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  if (location_of(conf).shows_metrics) {
    return const_cast<char*>("is duplicate");
  }
  if (const char* other = other_content(location_of(conf), "wallet_sync_metrics")) {
    return const_cast<char*>(other);
  }
  if (use_metrics_zone(cf, main_of(cf).metrics_zone) == nullptr) {
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  location_of(conf).shows_metrics = true;
  auto* core =
      static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  core->handler = show_metrics;
  return NGX_CONF_OK;
}

char* ngx_http_wallet_sync_health(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  auto& health = location_of(conf).health;
  if (health) {
    return const_cast<char*>("is duplicate");
  }
  if (const char* other = other_content(location_of(conf), "wallet_sync_health")) {
    return const_cast<char*>(other);
  }
  auto* words = static_cast<ngx_str_t*>(cf->args->elts);
  if (cf->args->nelts == 2 && to_view(words[1]) != "ready") {
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "wallet_sync_health: unknown argument \"%V\"; write ready, or nothing", &words[1]);
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  health = cf->args->nelts == 2 ? Health::ready : Health::live;
  main_of(cf).watches_readiness |= health == Health::ready;
  auto* core =
      static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  core->handler = show_health;
  return NGX_CONF_OK;
}
