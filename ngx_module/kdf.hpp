// scrypt in nginx' thread pool. A hash takes 32 MiB and some 70 ms of a core, so the queue is bounded: what does
// not fit is refused at once.
#pragma once

#include <coroutine>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include "event_loop.hpp"
#include "ngx.hpp"
#include "services.hpp"

namespace wallet_sync {

class ThreadPoolKdf final : public KeyDerivation {
 public:
  // `max_tasks`: running and waiting ones together; 0: as many as the pool takes.
  ThreadPoolKdf(EventLoop& loop, ngx_thread_pool_t* pool, ngx_uint_t max_tasks, ngx_log_t* log);
  // REQUIRES: the pool's threads have ended (nginx ends them before exit_process).
  ~ThreadPoolKdf() override;
  ThreadPoolKdf(const ThreadPoolKdf&) = delete;
  ThreadPoolKdf& operator=(const ThreadPoolKdf&) = delete;

  Task<std::optional<std::string>> derive(std::string password, std::string salt_hex) override;
  std::size_t tasks() const { return jobs_.size(); }

 private:
  struct Job;
  class Derivation;
  static void on_done(ngx_event_t* event);

  EventLoop& loop_;
  ngx_thread_pool_t* pool_;
  ngx_uint_t max_tasks_;
  ngx_log_t* log_;
  std::list<std::unique_ptr<Job>> jobs_;
};

}  // namespace wallet_sync
