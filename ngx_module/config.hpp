// The configuration: what the directives say, in the forms the other files use.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mail_settings.hpp"
#include "ngx.hpp"
#include "server.hpp"
#include "services.hpp"
#include "socket.hpp"
#include "tls_context.hpp"

namespace wallet_sync {

inline constexpr std::size_t kDefaultMaxBody = 100'000;  // PROTOCOL, common checks

// http {}: what exists once in a worker. Lives in the cycle's pool.
struct MainConf {
  std::vector<Server> servers;                   // each different wallet_sync_redis that is used
  std::vector<std::unique_ptr<TlsContext>> tls;  // each different set of files among them
  ngx_shm_zone_t* metrics_zone = nullptr;        // null: nothing counts or shows
  bool watches_readiness = false;                // some location shows it

  ngx_thread_pool_t* kdf_pool = nullptr;
  ngx_uint_t kdf_max_tasks = 0;  // running and waiting; 0: as many as a pool of the user's takes

  std::vector<MailSettings> mails;  // each different wallet_sync_mail that is used
  ngx_thread_pool_t* mail_pool = nullptr;
  ngx_uint_t mail_max_tasks = 0;
};

// What `wallet_sync_health` tells: that a worker answers, or also whether all its Redis take writes.
enum class Health { live, ready };

// One location's settings while it is being configured: absent means inherit.
struct LocationConf {
  bool enabled = false;          // `wallet_sync` stands in this very location
  bool shows_metrics = false;    // `wallet_sync_metrics` does
  std::optional<Health> health;  // `wallet_sync_health` does
  std::optional<Server> redis;
  std::optional<AccountPolicy> accounts;
  std::optional<bool> account_deletion;
  std::optional<std::size_t> max_body;
  std::optional<LoginLimit> login_limit;
  std::optional<std::uint32_t> unverified_lifetime;  // seconds; 0: no end
  std::optional<ngx_msec_t> ping_interval;
  std::optional<ngx_msec_t> drain_time;
  std::optional<std::size_t> max_sockets;
  std::optional<MailSettings> mail;

  // Set by the merge, for locations that are enabled.
  Settings settings;
  SocketSettings sockets;
  std::size_t server = 0;             // index in MainConf::servers
  std::optional<std::size_t> mailer;  // index in MainConf::mails; absent where no mail is needed
};

const LocationConf& location_conf(ngx_http_request_t* r);
const MainConf* main_conf(ngx_cycle_t* cycle);  // null: no http {} block

}  // namespace wallet_sync
