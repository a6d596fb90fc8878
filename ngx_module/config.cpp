// Of each block: what nginx keeps, and what holds there once the blocks around it are known.
#include "config.hpp"

#include <algorithm>

#include "directives.hpp"
#include "error_log.hpp"
#include "handler.hpp"
#include "request_body.hpp"

namespace wallet_sync {
namespace {

template <typename T>
void inherit(std::optional<T>& value, const std::optional<T>& parent) {
  if (!value) {
    value = parent;
  }
}

void inherit(Written& written, const Written& outer) {
  const Settings settings;
  const SocketSettings sockets;
  ngx_conf_merge_size_value(written.max_body, outer.max_body, kDefaultMaxBody);
  ngx_conf_merge_value(written.account_deletion, outer.account_deletion, settings.account_deletion ? 1 : 0);
  ngx_conf_merge_sec_value(written.unverified_lifetime, outer.unverified_lifetime,
                           settings.unverified_lifetime);
  ngx_conf_merge_msec_value(written.ping_interval, outer.ping_interval, sockets.ping_interval);
  ngx_conf_merge_msec_value(written.drain_time, outer.drain_time, sockets.drain_time);
  ngx_conf_merge_value(written.max_sockets_per_account, outer.max_sockets_per_account,
                       static_cast<ngx_int_t>(sockets.max_per_account));
  inherit(written.redis, outer.redis);
  inherit(written.accounts, outer.accounts);
  inherit(written.login_limit, outer.login_limit);
  inherit(written.mail, outer.mail);
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

bool use_mail(ngx_conf_t* cf, MainConf& main, const Written& written, LocationConf& holds) {
  if (!written.mail) {
    ngx_conf_log_error(
        NGX_LOG_EMERG, cf, 0,
        "wallet_sync_accounts email sends mails: write wallet_sync_mail as well, such as wallet_sync_mail "
        "smtp://localhost sending_domain=example.com server_domain=sync.example.com");
    return false;
  }
  holds.mailer = use(main.mails, *written.mail);
  holds.settings.resend_interval = written.mail->resend_interval;
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

Server default_server() {
  Server server;
  server.host = "127.0.0.1";
  return server;
}

// What is written, and merged, in the forms that handlers use, with what they need of a worker. False:
// logged.
bool hold(ngx_conf_t* cf, const Written& written, LocationConf& holds) {
  MainConf& main = main_conf(cf);
  holds.enabled = true;
  holds.max_body = written.max_body;
  holds.settings.account_deletion = written.account_deletion != 0;
  holds.settings.accounts = written.accounts.value_or(AccountPolicy{});
  holds.settings.login_limit = written.login_limit.value_or(LoginLimit{});
  holds.settings.unverified_lifetime = static_cast<std::uint32_t>(written.unverified_lifetime);
  holds.sockets = {written.ping_interval, static_cast<std::size_t>(written.max_sockets_per_account),
                   written.drain_time};
  Server server = written.redis.value_or(default_server());
  server.marks_schema = true;
  holds.server = use(main.servers, server);
  return (!server.tls || use_tls(cf, main, *server.tls)) &&
         (main.kdf_pool != nullptr || use_default_thread_pool(cf, main)) &&
         (holds.settings.accounts.mode != AccountPolicy::Mode::email || use_mail(cf, main, written, holds));
}

}  // namespace

Written::Written() : ngx_http_wallet_sync_slots_t{} {
  max_body = NGX_CONF_UNSET_SIZE;
  account_deletion = NGX_CONF_UNSET;
  unverified_lifetime = NGX_CONF_UNSET;
  ping_interval = NGX_CONF_UNSET_MSEC;
  drain_time = NGX_CONF_UNSET_MSEC;
  max_sockets_per_account = NGX_CONF_UNSET;
}

MainConf& main_conf(ngx_conf_t* cf) {
  return *static_cast<MainConf*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_wallet_sync_module));
}

const LocationConf& location_conf(ngx_http_request_t* r) {
  return block_of(ngx_http_get_module_loc_conf(r, ngx_http_wallet_sync_module)).holds;
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

void* ngx_http_wallet_sync_create_loc_conf(ngx_conf_t* cf) {
  ngx_http_wallet_sync_slots_t* slots = make_in_pool<Block>(cf->pool);
  return slots;
}

char* ngx_http_wallet_sync_merge_loc_conf(ngx_conf_t* cf, void* parent, void* child) {
  const Block& outer = block_of(parent);
  Block& block = block_of(child);
  inherit(block, outer);
  auto* core =
      static_cast<ngx_http_core_loc_conf_t*>(ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module));
  // `if` and `limit_except` blocks have a configuration of their own, but the handler around them.
  if (outer.holds.enabled && core->noname != 0 && core->handler == nullptr) {
    block.enabled = true;
    core->handler = handle_request;
  }
  block.holds.health = block.health.value_or(Health::live);
  if (!block.enabled) {
    return NGX_CONF_OK;
  }
  if (!hold(cf, block, block.holds)) {
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  // The limit is ours (see limit_bodies()): nginx' own would answer with a page instead of the protocol's
  // JSON.
  core->client_max_body_size = 0;
  return NGX_CONF_OK;
}

ngx_int_t ngx_http_wallet_sync_postconfiguration(ngx_conf_t* cf) {
  if (main_conf(cf).servers.empty()) {
    if (main_conf(cf).watches_readiness) {
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
