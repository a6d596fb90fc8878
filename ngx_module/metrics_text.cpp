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
  single("wallet_sync_sentinel_switches_total",
         "Changes of the master that sentinels named, as each worker followed them.",
         Counter::master_switches);
}

template <std::size_t bounds>
void render_histogram(PrometheusText& out, PrometheusText::Labels labels,
                      const std::array<std::uint64_t, bounds>& limits,
                      const SharedHistogram<bounds>& histogram, unsigned scale) {
  std::array<std::uint64_t, bounds + 1> counts{};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] = value(histogram.classes[i]);
  }
  out.histogram(labels, limits, counts, value(histogram.sum), scale);
}

void render_durations(const MetricsMemory& memory, PrometheusText& out) {
  out.metric("wallet_sync_request_duration_seconds", "histogram",
             "From a request's header to its reply, by endpoint.");
  for (std::size_t i = 0; i < kEndpointIds; ++i) {
    render_histogram(out, {{"endpoint", endpoint_name(static_cast<EndpointId>(i))}}, kDurationBounds,
                     memory.request_durations[i], 1000);
  }
  out.metric("wallet_sync_redis_trip_duration_seconds", "histogram",
             "From commands that go to Redis together to the last of their replies.");
  render_histogram(out, {}, kDurationBounds, memory.redis_trips, 1000);
  out.metric("wallet_sync_kdf_duration_seconds", "histogram",
             "Password hashes, waiting for a thread included.");
  render_histogram(out, {}, kDurationBounds, memory.hashes, 1000);
  out.metric("wallet_sync_batch_changes", "histogram", "Changes that went to Redis in one transaction.");
  render_histogram(out, {}, kBatchBounds, memory.batches, 1);
}

// How a worker stands with its Redis. What a cluster adds belongs here.
void render_state(MetricsMemory& memory, PrometheusText& out) {
  out.metric("wallet_sync_workers", "gauge", "Worker processes that serve, old ones that finish included.");
  out.sample({}, sum(memory, Gauge::workers));
  out.metric("wallet_sync_redis_connections", "gauge", "Connections to Redis that are ready, by use.");
  out.sample({{"use", "reads"}}, sum(memory, Gauge::connections_reads));
  out.sample({{"use", "changes"}}, sum(memory, Gauge::connections_changes));
  out.sample({{"use", "events"}}, sum(memory, Gauge::connections_events));
  out.metric("wallet_sync_redis_unreachable", "gauge",
             "Redis that are known to be away: one for each worker and wallet_sync_redis.");
  out.sample({}, sum(memory, Gauge::redis_unreachable));
  out.metric("wallet_sync_redis_waiting", "gauge",
             "Operations that wait for their turn on a connection, by use.");
  out.sample({{"use", "reads"}}, sum(memory, Gauge::waiting_reads));
  out.sample({{"use", "changes"}}, sum(memory, Gauge::waiting_changes));
  out.metric("wallet_sync_redis_changes_in_flight", "gauge", "Changes that a transaction works on.");
  out.sample({}, sum(memory, Gauge::changes_in_flight));
  out.metric("wallet_sync_sentinels", "gauge", "Sentinels that are configured: once for each worker.");
  out.sample({}, sum(memory, Gauge::sentinels));
  out.metric("wallet_sync_sentinels_connected", "gauge", "Those of them that answer.");
  out.sample({}, sum(memory, Gauge::sentinels_connected));
}

void render_sockets(MetricsMemory& memory, PrometheusText& out) {
  out.metric("wallet_sync_websockets", "gauge", "Open websockets.");
  out.sample({}, sum(memory, Gauge::websockets));
  out.metric("wallet_sync_websockets_opened_total", "counter", "Websockets that were opened.");
  out.sample({}, value(memory, Counter::websockets_opened));
  out.metric("wallet_sync_websocket_updates_total", "counter", "wallet-update messages sent to websockets.");
  out.sample({}, value(memory, Counter::updates_told));
  out.metric("wallet_sync_events_total", "counter",
             "Notifications that workers had from Redis for their websockets, by kind.");
  out.sample({{"event", "update"}}, value(memory, Counter::updates_heard));
  out.sample({{"event", "revoked"}}, value(memory, Counter::revocations_heard));
  out.metric("wallet_sync_event_gaps_total", "counter",
             "Times a worker may have missed notifications, and looked where its accounts stand.");
  out.sample({}, value(memory, Counter::event_gaps));
}

}  // namespace

std::string_view failure_name(Failure failure) { return kFailureNames[static_cast<std::size_t>(failure)]; }

std::string render_metrics(const ngx_shm_zone_t& zone) {
  auto& memory = *static_cast<MetricsMemory*>(zone.data);
  PrometheusText out;
  render_requests(memory, out);
  render_store(memory, out);
  render_durations(memory, out);
  render_state(memory, out);
  render_sockets(memory, out);
  out.metric("wallet_sync_kdf_tasks", "gauge", "Password hashes that run or wait for a thread.");
  out.sample({}, sum(memory, Gauge::kdf_tasks));
  out.metric("wallet_sync_kdf_tasks_limit", "gauge",
             "As many may be at once in all workers; more are refused. 0: as many as a thread_pool takes.");
  out.sample({}, sum(memory, Gauge::kdf_tasks_limit));
  return out.finish();
}

}  // namespace wallet_sync
