// The configuration: what the directives say, in the forms the other files use.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "mail_settings.hpp"
#include "ngx.hpp"
#include "ngx_http_wallet_sync_module.h"
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

// What stands in a block; what does not is inherited. Handlers look at what holds, below.
struct Written : ngx_http_wallet_sync_slots_t {
  Written();  // nothing stands there

  bool enabled = false;          // `wallet_sync` stands in this very location
  bool shows_metrics = false;    // `wallet_sync_metrics` does
  std::optional<Health> health;  // `wallet_sync_health` does
  std::optional<Server> redis;
  std::optional<AccountPolicy> accounts;
  std::optional<LoginLimit> login_limit;
  std::optional<MailSettings> mail;
};

// What holds in a location, as the merge leaves it: in those that are not enabled the defaults.
struct LocationConf {
  bool enabled = false;
  Health health = Health::live;
  std::size_t max_body = kDefaultMaxBody;  // bytes
  Settings settings;
  SocketSettings sockets;
  std::size_t server = 0;             // index in MainConf::servers
  std::optional<std::size_t> mailer;  // index in MainConf::mails; absent where no mail is needed
};

// All that nginx keeps of us for a block; it knows the slots of it.
struct Block : Written {
  LocationConf holds;
};

// nginx's pointer to what it keeps.
inline Block& block_of(void* conf) {
  return *static_cast<Block*>(static_cast<ngx_http_wallet_sync_slots_t*>(conf));
}

MainConf& main_conf(ngx_conf_t* cf);
const LocationConf& location_conf(ngx_http_request_t* r);
const MainConf* main_conf(ngx_cycle_t* cycle);  // null: no http {} block

}  // namespace wallet_sync
