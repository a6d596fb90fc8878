// What a worker process has once: the event loop, the stores, the thread pool for scrypt, and the requests
// that are being served. Made in init_process, gone in exit_process; nothing of ours outlives it.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "config.hpp"
#include "crowd_memory.hpp"
#include "intrusive_list.hpp"
#include "kdf.hpp"
#include "log_monitor.hpp"
#include "loop.hpp"
#include "mailer.hpp"
#include "metrics.hpp"
#include "readiness.hpp"
#include "redis_store.hpp"
#include "socket_hub.hpp"
#include "state_gauges.hpp"

namespace wallet_sync {

class Exchange;

class Worker {
 public:
  Worker(ngx_cycle_t* cycle, const MainConf& conf);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Null in processes that serve no requests.
  static Worker* current();

  EventLoop& loop() { return loop_; }
  Metrics& metrics() { return metrics_; }
  LogMonitor& monitor() { return monitor_; }
  RedisStore& store(std::size_t server) { return *stores_[server]; }
  SocketHub& sockets(std::size_t server) { return *hubs_[server]; }
  ThreadPoolKdf& kdf() { return kdf_; }
  // Of each store; empty unless some location shows it.
  const std::vector<std::unique_ptr<Readiness>>& readiness() const { return readiness_; }
  // Null for the location that sends no mail.
  Mailer* mailer(std::optional<std::size_t> index) { return index ? mailers_[*index].get() : nullptr; }

  // Of the requests, from when we are asked until nginx frees them.
  CrowdMemory& crowd() { return crowd_; }

  // Exchanges whose coroutine is suspended. A worker that is told to terminate destroys them.
  List<Exchange, Worker>& suspended() { return suspended_; }

 private:
  Metrics metrics_;
  NgxEventLoop loop_;
  LogMonitor monitor_;
  std::vector<std::unique_ptr<RedisStore>> stores_;
  std::vector<std::unique_ptr<SocketHub>> hubs_;  // one for each store
  std::vector<std::unique_ptr<Readiness>> readiness_;
  std::optional<StateGauges> gauges_;
  ThreadPoolKdf kdf_;
  std::optional<CurlLibrary> curl_;  // where mails are sent
  MailQueue mail_queue_;
  std::vector<std::unique_ptr<CurlMailer>> mailers_;
  List<Exchange, Worker> suspended_;
  CrowdMemory crowd_;
};

}  // namespace wallet_sync
