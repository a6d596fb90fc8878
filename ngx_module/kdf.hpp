// scrypt in nginx' thread pool. A hash takes 32 MiB and some 70 ms of a core, so the queue is bounded: what
// does not fit is refused at once. Its own threads give way to those that answer requests.
#pragma once

#include <optional>
#include <string>

#include "metrics.hpp"
#include "services.hpp"
#include "thread_jobs.hpp"

namespace wallet_sync {

class ThreadPoolKdf final : public KeyDerivation {
 public:
  // `max_tasks`: running and waiting ones together; 0: as many as the pool takes.
  ThreadPoolKdf(Metrics& metrics, EventLoop& loop, ngx_thread_pool_t* pool, ngx_uint_t max_tasks,
                ngx_log_t* log);

  Task<std::optional<std::string>> derive(std::string password, std::string salt_hex,
                                          ScryptCost cost) override;
  std::size_t tasks() const { return jobs_.size(); }

 private:
  struct Derivation {
    std::string password;
    std::string salt;
    ScryptCost cost;
    bool own_thread;
    std::optional<std::string> operator()() const;
  };
  Metrics& metrics_;
  EventLoop& loop_;
  bool own_threads_;  // those of a pool of the user's may have other work
  ThreadJobs<Derivation> jobs_;
};

}  // namespace wallet_sync
