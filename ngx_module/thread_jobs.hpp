// Work that a coroutine hands to a thread pool of nginx and awaits: `co_await jobs.run(work, patience)`.
//
// A Work is something to call; the call runs in a thread, on a copy of its own. The job belongs to this
// object and to no request, for the request may be gone before the thread is done: then nobody is told, and
// the job is forgotten when it has ended. One that no thread has begun by then is not called at all.
#pragma once

#include <openssl/crypto.h>

#include <atomic>
#include <coroutine>
#include <limits>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "event_loop.hpp"
#include "log_limiter.hpp"
#include "ngx.hpp"
#include "trace.hpp"

namespace wallet_sync {

template <typename Work>
class ThreadJobs {
 public:
  using Outcome = std::invoke_result_t<Work&>;
  class Run;

  // `max_jobs`: running and waiting ones together; 0: as many as the pool takes. `name` is for the log.
  ThreadJobs(EventLoop& loop, ngx_thread_pool_t* pool, ngx_uint_t max_jobs, ngx_log_t* log, const char* name)
      : loop_(loop), pool_(pool), max_jobs_(max_jobs), log_(log), name_(name) {}
  // Comes after nginx has ended the pool's threads.
  ~ThreadJobs() {
    for (auto& job : jobs_) {
      job->cancelled = true;
    }
    // nginx leaves the threads of a pool too full to be ended (one of the user's may be). What they have
    // begun must not meet the end of the libraries it uses; what they have not will be skipped.
    for (auto& job : jobs_) {
      for (ngx_msec_t waited = 0; job->begun && !job->ended && waited < kMaxWaitMs; ++waited) {
        ngx_msleep(1);
      }
    }
    // A thread is not done with a task when its handler has returned, and nginx' list of those that are done
    // leads through all of them.
    left_behind().splice(left_behind().end(), jobs_);
  }
  ThreadJobs(const ThreadJobs&) = delete;
  ThreadJobs& operator=(const ThreadJobs&) = delete;

  // Gives nullopt at once when the queue is full, and after `patience_ms` when the thread is not done by
  // then. A worker that quits waits as long.
  Run run(Work work, std::int64_t patience_ms) { return Run(*this, std::move(work), patience_ms); }

  std::size_t size() const { return jobs_.size(); }

 private:
  static constexpr ngx_msec_t kMaxWaitMs = 3000;

  struct Job {
    explicit Job(Work to_do) : work(std::move(to_do)) {}
    ngx_thread_task_t task{};
    ThreadJobs* owner = nullptr;
    Run* waiter = nullptr;
    typename std::list<std::unique_ptr<Job>>::iterator self;
    Work work;
    std::optional<Outcome> outcome;
    std::atomic<bool> cancelled = false;
    std::atomic<bool> begun = false;
    std::atomic<bool> ended = false;
  };

  bool full() const {
    // Of a pool of the user's, its own refusal tells; each writes a line of nginx', so we ask again at times.
    return (max_jobs_ > 0 && jobs_.size() >= max_jobs_) ||
           (jobs_.size() >= refused_at_ && loop_.now_ms() - refused_ms_ < LogLimiter::kIntervalMs);
  }

  void write(const std::string& line) const {
    ngx_log_error(NGX_LOG_WARN, log_, 0, "wallet_sync: %s", line.c_str());
  }

  Job* refuse() {
    const std::string line = std::string("the queue for ") + name_ + " is full";
    if (const auto text = limiter_.admit(NGX_LOG_WARN, line, loop_.now_ms())) {
      write(*text);
    }
    return nullptr;
  }

  // Where jobs stay that nobody may free, until the process ends.
  static std::list<std::unique_ptr<Job>>& left_behind() {
    static auto* const kJobs = new std::list<std::unique_ptr<Job>>;
    return *kJobs;
  }

  // Null: no room.
  Job* post(Work work) {
    if (full()) {
      return refuse();
    }
    jobs_.push_back(std::make_unique<Job>(std::move(work)));
    Job& job = *jobs_.back();
    job.owner = this;
    job.self = std::prev(jobs_.end());
    job.task.ctx = &job;
    job.task.handler = [](void* data, ngx_log_t*) {
      Job& mine = *static_cast<Job*>(data);
      mine.begun = true;
      if (ngx_terminate == 0 && !mine.cancelled) {  // else nobody would hear of it
        mine.outcome.emplace(mine.work());
      }
      // A worker that ends does not wait for the destructors of its threads: they would meet OpenSSL's own
      // end.
      OPENSSL_thread_stop();
      mine.ended = true;
    };
    job.task.event.data = &job;
    job.task.event.handler = on_done;
    job.task.event.log = log_;
    if (ngx_thread_task_post(pool_, &job.task) != NGX_OK) {
      jobs_.pop_back();
      refused_at_ = jobs_.size();
      refused_ms_ = loop_.now_ms();
      return refuse();
    }
    return &job;
  }

  // In the worker's own thread.
  static void on_done(ngx_event_t* event) {
    Job& job = *static_cast<Job*>(event->data);
    if (job.waiter != nullptr) {
      job.waiter->done(std::move(job.outcome));
    }
    ThreadJobs& owner = *job.owner;
    owner.jobs_.erase(job.self);
    for (const auto& line : owner.limiter_.take_due(owner.loop_.now_ms())) {
      owner.write(line.text);
    }
  }

  EventLoop& loop_;
  ngx_thread_pool_t* pool_;
  ngx_uint_t max_jobs_;
  ngx_log_t* log_;
  const char* name_;
  LogLimiter limiter_;
  std::size_t refused_at_ =
      std::numeric_limits<std::size_t>::max();  // so many jobs were too many for the pool
  std::int64_t refused_ms_ = 0;
  std::list<std::unique_ptr<Job>> jobs_;
};

// Waits for one job. Destroying it leaves the job to itself, or takes it back if no thread has begun it.
template <typename Work>
class ThreadJobs<Work>::Run : private Posted {
 public:
  Run(ThreadJobs& jobs, Work work, std::int64_t patience_ms)
      : Posted(jobs.loop_),
        patience_(jobs.loop_.new_timer(TimerKind::deadline, [this] { done(std::nullopt); })),
        job_(jobs.post(std::move(work))) {
    if (job_ != nullptr) {
      job_->waiter = this;
      patience_->arm(patience_ms);
    }
  }
  ~Run() override { detach(); }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  bool await_ready() const noexcept { return job_ == nullptr; }
  void await_suspend(std::coroutine_handle<> caller) noexcept { caller_ = caller; }
  std::optional<Outcome> await_resume() { return std::move(outcome_); }

 private:
  friend class ThreadJobs;
  void done(std::optional<Outcome> outcome) {
    outcome_ = std::move(outcome);
    detach();
    post();
  }
  void run() override {
    const TraceScope scope(trace_);
    caller_.resume();
  }
  void detach() {
    if (job_ != nullptr) {
      job_->waiter = nullptr;
      job_->cancelled = true;
      job_ = nullptr;
    }
    patience_->disarm();
  }

  Trace* trace_ = current_trace;
  std::unique_ptr<Timer> patience_;
  Job* job_;
  std::optional<Outcome> outcome_;
  std::coroutine_handle<> caller_;
};

}  // namespace wallet_sync
