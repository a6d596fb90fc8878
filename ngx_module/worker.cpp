#include "worker.hpp"

#include "exchange.hpp"
#include "ngx_http_wallet_sync_module.h"
#include "scrypt.hpp"

namespace wallet_sync {
namespace {

std::unique_ptr<Worker> current_worker;

}  // namespace

Worker* Worker::current() { return current_worker.get(); }

Worker::Worker(ngx_cycle_t* cycle, const MainConf& conf)
    : metrics_(*conf.metrics_zone),
      loop_(cycle, conf.tls),
      monitor_(loop_, cycle->log, metrics_),
      kdf_(metrics_, loop_, conf.kdf_pool, conf.kdf_max_tasks, cycle->log),
      mail_queue_(loop_, conf.mail_pool, conf.mail_max_tasks, cycle->log, "mail") {
  for (const Server& server : conf.servers) {
    stores_.push_back(std::make_unique<RedisStore>(loop_, server, monitor_));
    hubs_.push_back(std::make_unique<SocketHub>(loop_, *stores_.back(), metrics_));
    if (conf.watches_readiness) {
      readiness_.push_back(std::make_unique<Readiness>(loop_, *stores_.back()));
    }
  }
  gauges_.emplace(loop_, metrics_, stores_, hubs_);
  if (!conf.mails.empty()) {
    curl_.emplace();
  }
  for (const MailSettings& mail : conf.mails) {
    mailers_.push_back(std::make_unique<CurlMailer>(mail_queue_, mail, metrics_, monitor_));
  }
}

Worker::~Worker() {
  while (!suspended_.empty()) {
    suspended_.pop_front().abandon();
  }
}

}  // namespace wallet_sync

using namespace wallet_sync;

ngx_int_t ngx_http_wallet_sync_init_module(ngx_cycle_t* cycle) {
  const MainConf* conf = main_conf(cycle);
  if (conf != nullptr && !conf->servers.empty()) {
    const ngx_str_t why = to_ngx(scrypt_choice().why);
    ngx_log_error(NGX_LOG_NOTICE, cycle->log, 0, "wallet_sync: passwords are hashed by %V", &why);
  }
  return NGX_OK;
}

ngx_int_t ngx_http_wallet_sync_init_process(ngx_cycle_t* cycle) {
  if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE) {
    return NGX_OK;
  }
  const MainConf* conf = main_conf(cycle);
  if (conf != nullptr && !conf->servers.empty()) {
    current_worker = std::make_unique<Worker>(cycle, *conf);
  }
  return NGX_OK;
}

void ngx_http_wallet_sync_exit_process(ngx_cycle_t*) { current_worker.reset(); }
