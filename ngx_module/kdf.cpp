#include "kdf.hpp"

#ifdef __linux__
#include <sys/resource.h>

#include <algorithm>
#endif

#include "password.hpp"

namespace wallet_sync {
namespace {

// Expires only if the threads hang; then the request is answered without them.
constexpr std::int64_t kPatienceMs = 60'000;

// Once for each thread. On Linux, "this process" is the calling thread. The scheduler then lets a worker run
// as soon as it has something to do, instead of after some milliseconds for each thread that hashes.
void give_way_to_workers() {
#ifdef __linux__
  constexpr int kSteps = 10;  // a tenth of the share of a worker that is as busy
  constexpr int kMost = 19;
  static thread_local bool done = false;
  if (!done) {
    done = true;
    setpriority(PRIO_PROCESS, 0, std::min(getpriority(PRIO_PROCESS, 0) + kSteps, kMost));
  }
#endif
}

}  // namespace

ThreadPoolKdf::ThreadPoolKdf(Metrics& metrics, EventLoop& loop, ngx_thread_pool_t* pool, ngx_uint_t max_tasks,
                             ngx_log_t* log)
    : metrics_(metrics),
      loop_(loop),
      own_threads_(max_tasks > 0),
      jobs_(loop, pool, max_tasks, log, "password hashing") {
  metrics_.set(Gauge::kdf_tasks_limit, max_tasks);
}

std::optional<std::string> ThreadPoolKdf::Derivation::operator()() const {
  if (own_thread) {
    give_way_to_workers();
  }
  return scrypt_key(password, salt, cost);
}

Task<std::optional<std::string>> ThreadPoolKdf::derive(std::string password, std::string salt_hex,
                                                       ScryptCost cost) {
  Derivation work{std::move(password), std::move(salt_hex), cost, own_threads_};
  const GaugeHold hold(metrics_, Gauge::kdf_tasks);
  const std::int64_t begun_at_ms = loop_.now_ms();
  auto outcome = co_await jobs_.run(std::move(work), kPatienceMs);
  auto key = outcome ? *std::move(outcome) : std::nullopt;
  if (!key) {
    metrics_.count(Failure::password_hashing);
  } else {
    metrics_.observe_hash(static_cast<std::uint64_t>(loop_.now_ms() - begun_at_ms));
  }
  co_return key;
}

}  // namespace wallet_sync
