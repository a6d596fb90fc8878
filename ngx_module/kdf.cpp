#include "kdf.hpp"

#include "password.hpp"

namespace wallet_sync {
namespace {

// A worker that quits waits as long as a plain timer of ours runs: this one holds it until the threads are done.
// It expires only if they hang; then the request is answered without them.
constexpr std::int64_t kPatienceMs = 60'000;

}  // namespace

// What the thread works on. It belongs to no request, for the request may be gone before the thread is done.
struct ThreadPoolKdf::Job {
  ngx_thread_task_t task{};
  ThreadPoolKdf* kdf = nullptr;
  Derivation* waiter = nullptr;
  std::list<std::unique_ptr<Job>>::iterator self;
  std::string password;
  std::string salt;
  std::optional<std::string> key;
};

class ThreadPoolKdf::Derivation : private Posted {
 public:
  Derivation(ThreadPoolKdf& kdf, std::string password, std::string salt)
      : Posted(kdf.loop_), patience_(kdf.loop_.new_timer(TimerKind::deadline, [this] { give_up(); })) {
    if (kdf.max_tasks_ > 0 && kdf.jobs_.size() >= kdf.max_tasks_) {
      ngx_log_error(NGX_LOG_WARN, kdf.log_, 0, "wallet_sync: the queue for password hashing is full");
      return;
    }
    kdf.jobs_.push_back(std::make_unique<Job>());
    Job& job = *kdf.jobs_.back();
    job.kdf = &kdf;
    job.self = std::prev(kdf.jobs_.end());
    job.password = std::move(password);
    job.salt = std::move(salt);
    job.task.ctx = &job;
    job.task.handler = [](void* data, ngx_log_t*) {
      Job& work = *static_cast<Job*>(data);
      work.key = scrypt_key(work.password, work.salt);
    };
    job.task.event.data = &job;
    job.task.event.handler = on_done;
    job.task.event.log = kdf.log_;
    if (ngx_thread_task_post(kdf.pool_, &job.task) != NGX_OK) {
      kdf.jobs_.pop_back();
      return;
    }
    job_ = &job;
    job.waiter = this;
    patience_->arm(kPatienceMs);
  }
  ~Derivation() override { detach(); }

  bool await_ready() const noexcept { return job_ == nullptr; }
  void await_suspend(std::coroutine_handle<> caller) noexcept { caller_ = caller; }
  std::optional<std::string> await_resume() { return std::move(key_); }

  void done(std::optional<std::string> key) {
    key_ = std::move(key);
    detach();
    post();
  }

 private:
  void run() override { caller_.resume(); }
  void detach() {
    if (job_ != nullptr) {
      job_->waiter = nullptr;
      job_ = nullptr;
    }
    patience_->disarm();
  }
  void give_up() {
    detach();
    post();
  }

  Job* job_ = nullptr;
  std::optional<std::string> key_;
  std::unique_ptr<Timer> patience_;
  std::coroutine_handle<> caller_;
};

ThreadPoolKdf::ThreadPoolKdf(EventLoop& loop, ngx_thread_pool_t* pool, ngx_uint_t max_tasks, ngx_log_t* log)
    : loop_(loop), pool_(pool), max_tasks_(max_tasks), log_(log) {}

ThreadPoolKdf::~ThreadPoolKdf() = default;

// In the worker's own thread.
void ThreadPoolKdf::on_done(ngx_event_t* event) {
  Job& job = *static_cast<Job*>(event->data);
  if (job.waiter != nullptr) {
    job.waiter->done(std::move(job.key));
  }
  job.kdf->jobs_.erase(job.self);
}

Task<std::optional<std::string>> ThreadPoolKdf::derive(std::string password, std::string salt_hex) {
  co_return co_await Derivation(*this, std::move(password), std::move(salt_hex));
}

}  // namespace wallet_sync
