#include "kdf.hpp"

#include "background_thread.hpp"
#include "password.hpp"

namespace wallet_sync {
namespace {

// Expires only if the threads hang; then the request is answered without them.
constexpr std::int64_t kPatienceMs = 60'000;

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
    enter_background();
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
