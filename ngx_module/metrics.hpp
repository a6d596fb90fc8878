// What is counted, in memory that all workers share.
//
// Counters belong to nobody: every worker adds to the same ones, and a reload hands them on with the zone.
// Gauges belong to a worker: each has a slot of its own, and a scrape sums the slots whose process lives, so
// the share of a worker that crashed is gone, and workers of two configurations count side by side while the
// old ones finish.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api.hpp"
#include "monitor.hpp"
#include "ngx.hpp"

namespace wallet_sync {

// Replies that were no success, by status, and services of ours that failed. The store's are in Counter.
enum class Failure {
  bad_request,
  unauthorized,
  forbidden,
  not_found,
  method_not_allowed,
  request_timeout,
  conflict,
  too_large,
  too_many_logins,
  internal,
  password_hashing,
  mail,
  last = mail
};
inline constexpr std::size_t kFailures = static_cast<std::size_t>(Failure::last) + 1;

// Of a reply's status; nullopt: it is no error, or a 503, whose cause is told elsewhere.
std::optional<Failure> failure_of(int status);
// As it is called in the metrics and in the access log.
std::string_view failure_name(Failure failure);

enum class Gauge {
  kdf_tasks,
  websockets,
  kdf_tasks_limit,  // the rest is set, not raised and lowered: see state_gauges.hpp
  workers,
  connections_reads,
  connections_changes,
  connections_events,
  waiting_reads,
  waiting_changes,
  changes_in_flight,
  redis_unreachable,
  sentinels,
  sentinels_connected,
  last = sentinels_connected
};
inline constexpr std::size_t kGauges = static_cast<std::size_t>(Gauge::last) + 1;

// The statuses that have a label of their own; all others are "other".
inline constexpr std::array kStatuses = {200, 201, 304, 400, 401, 403, 404, 405,
                                         408, 409, 413, 429, 500, 503, 101};
inline constexpr std::size_t kStatusLabels = kStatuses.size() + 1;

// Upper bounds of the classes of durations, in milliseconds, which is how exactly nginx' clock knows them;
// and of the numbers of changes in a batch. One class more takes what is above.
inline constexpr std::array<std::uint64_t, 13> kDurationBounds = {1,   2,   5,    10,   20,   50,   100,
                                                                  200, 500, 1000, 2000, 5000, 10000};
inline constexpr std::array<std::uint64_t, 7> kBatchBounds = {1, 2, 4, 8, 16, 32, 64};

using SharedNumber = std::atomic<unsigned long>;  // relaxed: a number says nothing about other memory
static_assert(SharedNumber::is_always_lock_free, "processes share it");

template <std::size_t bounds>
struct SharedHistogram {
  std::array<SharedNumber, bounds + 1> classes;  // each by itself, not summed up
  SharedNumber sum;

  void add(const std::array<std::uint64_t, bounds>& limits, std::uint64_t value) {
    std::size_t index = 0;
    while (index < bounds && value > limits[index]) {
      ++index;
    }
    classes[index].fetch_add(1, std::memory_order_relaxed);
    if (value > 0) {
      sum.fetch_add(value, std::memory_order_relaxed);
    }
  }
};
using SharedDurations = SharedHistogram<kDurationBounds.size()>;

// What lies in the zone.
struct MetricsMemory {
  struct alignas(64) Slot {        // one writer each: a cache line each
    std::atomic<ngx_pid_t> owner;  // 0: nobody
    std::array<SharedNumber, kGauges> gauges;
  };

  unsigned long layout;                                            // kMetricsLayout of the code that made it
  std::array<std::array<SharedNumber, 2>, kEndpointIds> requests;  // GET, POST
  std::array<std::array<SharedNumber, kStatusLabels>, kEndpointIds> responses;
  std::array<SharedNumber, kFailures> failures;
  std::array<SharedNumber, kCounters> counters;
  std::array<SharedDurations, kEndpointIds> request_durations;
  SharedDurations redis_trips;
  SharedDurations hashes;
  SharedHistogram<kBatchBounds.size()> batches;
  std::array<Slot, NGX_MAX_PROCESSES> slots;  // by ngx_process_slot: no two living processes have the same
};

// Changes with the layout; add to the first number when the meaning changes and the sizes do not.
inline constexpr unsigned long kMetricsLayout =
    (((((2UL * 31 + kEndpointIds) * 31 + kStatusLabels) * 31 + kFailures) * 31 + kCounters) * 31 + kGauges) *
        31 +
    kDurationBounds.size();

// Called for each location that counts or shows; the first call asks for the zone. Null: no memory.
ngx_shm_zone_t* use_metrics_zone(ngx_conf_t* cf, ngx_shm_zone_t*& zone);

// Everything in Prometheus' format.
std::string render_metrics(const ngx_shm_zone_t& zone);

// A worker's access to the zone, from init_process to exit_process.
class Metrics {
 public:
  explicit Metrics(ngx_shm_zone_t& zone);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  void count_request(EndpointId endpoint, Method method);
  // Also counts the Failure that the status stands for; a 503 has its cause counted elsewhere.
  void count_response(EndpointId endpoint, int status, std::uint64_t milliseconds);
  void observe(Distribution distribution, std::uint64_t value);
  void observe_hash(std::uint64_t milliseconds) { memory_.hashes.add(kDurationBounds, milliseconds); }
  void count(Failure failure) { add(memory_.failures[static_cast<std::size_t>(failure)]); }
  void count(Counter counter) { add(memory_.counters[static_cast<std::size_t>(counter)]); }
  void raise(Gauge gauge) { add(mine(gauge)); }
  void lower(Gauge gauge) { mine(gauge).fetch_sub(1, std::memory_order_relaxed); }
  void set(Gauge gauge, std::size_t value) { mine(gauge).store(value, std::memory_order_relaxed); }

 private:
  static void add(SharedNumber& number) { number.fetch_add(1, std::memory_order_relaxed); }
  SharedNumber& mine(Gauge gauge) { return slot_.gauges[static_cast<std::size_t>(gauge)]; }

  MetricsMemory& memory_;
  MetricsMemory::Slot& slot_;
};

// One more in the gauge for as long as it lives.
class GaugeHold {
 public:
  GaugeHold(Metrics& metrics, Gauge gauge) : metrics_(metrics), gauge_(gauge) { metrics_.raise(gauge_); }
  ~GaugeHold() { metrics_.lower(gauge_); }
  GaugeHold(const GaugeHold&) = delete;
  GaugeHold& operator=(const GaugeHold&) = delete;

 private:
  Metrics& metrics_;
  Gauge gauge_;
};

}  // namespace wallet_sync
