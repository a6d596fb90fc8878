#include "kdf.hpp"

#include "password.hpp"

namespace wallet_sync {
namespace {

// Expires only if the threads hang; then the request is answered without them.
constexpr std::int64_t kPatienceMs = 60'000;

}  // namespace

ThreadPoolKdf::ThreadPoolKdf(Metrics& metrics, EventLoop& loop, ngx_thread_pool_t* pool, ngx_uint_t max_tasks,
                             ngx_log_t* log)
    : metrics_(metrics), jobs_(loop, pool, max_tasks, log, "password hashing") {}

std::optional<std::string> ThreadPoolKdf::Derivation::operator()() const {
  return scrypt_key(password, salt, cost);
}

Task<std::optional<std::string>> ThreadPoolKdf::derive(std::string password, std::string salt_hex,
                                                       ScryptCost cost) {
  Derivation work{std::move(password), std::move(salt_hex), cost};
  const GaugeHold hold(metrics_, Gauge::kdf_tasks);
  auto outcome = co_await jobs_.run(std::move(work), kPatienceMs);
  auto key = outcome ? *std::move(outcome) : std::nullopt;
  if (!key) {
    metrics_.count(Failure::password_hashing);
  }
  co_return key;
}

}  // namespace wallet_sync
