// The metrics as Prometheus reads them. Every series is there from the start.
#include <csignal>

#include "metrics.hpp"
#include "prometheus.hpp"

namespace wallet_sync {
namespace {

constexpr std::array<std::string_view, kFailures> kFailureNames = {
    "bad_request", "unauthorized", "forbidden",       "not_found", "method_not_allowed", "request_timeout",
    "conflict",    "too_large",    "too_many_logins", "internal",  "password_hashing",   "mail"};

struct StoreFailure {
  Counter counter;
  std::string_view kind;
  std::string_view error_type;  // empty: the reply is a 500 and counted as one
};
constexpr std::array kStoreFailures = {
    StoreFailure{Counter::store_unavailable, "unavailable", "store_unavailable"},
    StoreFailure{Counter::store_overloaded, "overloaded", "store_overloaded"},
    StoreFailure{Counter::store_refused, "refused", "store_refused"},
    StoreFailure{Counter::store_unknown, "unknown", "store_unknown"},
    StoreFailure{Counter::store_unreplicated, "unreplicated", "store_unreplicated"},
    StoreFailure{Counter::store_contended, "contended", "store_contended"},
    StoreFailure{Counter::store_internal, "internal", ""}};

unsigned long value(const SharedNumber& number) { return number.load(std::memory_order_relaxed); }

unsigned long value(const MetricsMemory& memory, Counter counter) {
  return value(memory.counters[static_cast<std::size_t>(counter)]);
}

// Signal 0 asks for nothing but whether the process is there; one of another user is (EPERM).
bool lives(ngx_pid_t pid) { return kill(pid, 0) == 0 || errno != ESRCH; }

// A slot whose owner is found dead is freed, so that a later process of the same number is not taken for it.
unsigned long sum(MetricsMemory& memory, Gauge gauge) {
  unsigned long total = 0;
  for (auto& slot : memory.slots) {
    ngx_pid_t owner = slot.owner.load(std::memory_order_acquire);
    if (owner == 0) {
      continue;
    }
    if (lives(owner)) {
      total += value(slot.gauges[static_cast<std::size_t>(gauge)]);
    } else {
      slot.owner.compare_exchange_strong(owner, 0, std::memory_order_relaxed);
    }
  }
  return total;
}

void render_requests(const MetricsMemory& memory, PrometheusText& out) {
  // The names' endings were chosen before Prometheus' rules for counters: as "counter" they would break them.
  out.metric("wallet_sync_requests_count", "untyped",
             "Counter: GET and POST requests by endpoint, both APIs together, counted before any check.");
  for (std::size_t i = 0; i < kEndpointIds; ++i) {
    const auto endpoint = endpoint_name(static_cast<EndpointId>(i));
    out.sample({{"endpoint", endpoint}, {"method", "GET"}}, value(memory.requests[i][0]));
    out.sample({{"endpoint", endpoint}, {"method", "POST"}}, value(memory.requests[i][1]));
  }
  out.metric(
      "wallet_sync_error_count", "untyped",
      "Counter: errors by kind. Refused requests by the reply's meaning; internal: replies 500; store_*, "
      "password_hashing and mail: failed operations behind replies 503.");
  for (std::size_t i = 0; i < kFailures; ++i) {
    out.sample({{"error_type", kFailureNames[i]}}, value(memory.failures[i]));
  }
  for (const StoreFailure& failure : kStoreFailures) {
    if (!failure.error_type.empty()) {
      out.sample({{"error_type", failure.error_type}}, value(memory, failure.counter));
    }
  }
  out.metric("wallet_sync_responses_total", "counter", "Replies by endpoint and HTTP status.");
  for (std::size_t i = 0; i < kEndpointIds; ++i) {
    const auto endpoint = endpoint_name(static_cast<EndpointId>(i));
    for (std::size_t status = 0; status < kStatusLabels; ++status) {
      const std::string label = status < kStatuses.size() ? std::to_string(kStatuses[status]) : "other";
      out.sample({{"endpoint", endpoint}, {"status", label}}, value(memory.responses[i][status]));
    }
  }
}

void render_store(const MetricsMemory& memory, PrometheusText& out) {
  out.metric("wallet_sync_store_errors_total", "counter", "Operations on Redis that failed, by kind.");
  for (const StoreFailure& failure : kStoreFailures) {
    out.sample({{"kind", failure.kind}}, value(memory, failure.counter));
  }
  const auto single = [&](std::string_view name, std::string_view help, Counter counter) {
    out.metric(name, "counter", help);
    out.sample({}, value(memory, counter));
  };
  single("wallet_sync_transactions_total", "Changes begun: WATCH, read, decide, MULTI and EXEC.",
         Counter::transactions);
  single("wallet_sync_transaction_retries_total", "EXECs that ran nothing because a watched key had changed.",
         Counter::transaction_retries);
  single("wallet_sync_outcomes_read_back_total",
         "EXECs whose reply was lost, so that the state was read again.", Counter::outcomes_read_back);
  single("wallet_sync_redis_connects_total", "Connections to Redis that became ready.", Counter::connects);
  single("wallet_sync_redis_connections_lost_total",
         "Connections to Redis that ended without our doing, failed attempts included.",
         Counter::connections_lost);
}

}  // namespace

std::string_view failure_name(Failure failure) { return kFailureNames[static_cast<std::size_t>(failure)]; }

std::string render_metrics(const ngx_shm_zone_t& zone) {
  auto& memory = *static_cast<MetricsMemory*>(zone.data);
  PrometheusText out;
  render_requests(memory, out);
  render_store(memory, out);
  out.metric("wallet_sync_websockets", "gauge", "Open websockets.");
  out.sample({}, sum(memory, Gauge::websockets));
  out.metric("wallet_sync_websocket_updates_total", "counter", "wallet-update messages sent to websockets.");
  out.sample({}, value(memory, Counter::updates_told));
  out.metric("wallet_sync_kdf_tasks", "gauge", "Password hashes that run or wait for a thread.");
  out.sample({}, sum(memory, Gauge::kdf_tasks));
  return out.finish();
}

}  // namespace wallet_sync
