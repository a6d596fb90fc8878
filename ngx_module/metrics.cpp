#include "metrics.hpp"

#include <algorithm>

#include "ngx_http_wallet_sync_module.h"

namespace wallet_sync {
namespace {

MetricsMemory& memory_of(const ngx_shm_zone_t& zone) { return *static_cast<MetricsMemory*>(zone.data); }

// At start `old` is null; at a reload that keeps the zone it is what the last configuration had.
ngx_int_t init_zone(ngx_shm_zone_t* zone, void* old) {
  auto* pool = reinterpret_cast<ngx_slab_pool_t*>(zone->shm.addr);
  void* memory = old;
  if (memory == nullptr) {
    memory = ngx_slab_alloc(pool, sizeof(MetricsMemory));
    if (memory == nullptr) {
      return NGX_ERROR;
    }
  } else if (static_cast<MetricsMemory*>(memory)->layout == kMetricsLayout) {
    zone->data = memory;
    return NGX_OK;
  }
  auto* fresh = new (memory) MetricsMemory{};
  fresh->layout = kMetricsLayout;
  zone->data = fresh;
  return NGX_OK;
}

std::size_t status_label(int status) {
  return static_cast<std::size_t>(std::find(kStatuses.begin(), kStatuses.end(), status) - kStatuses.begin());
}

}  // namespace

std::optional<Failure> failure_of(int status) {
  switch (status) {
    case 401: return Failure::unauthorized;
    case 403: return Failure::forbidden;
    case 404: return Failure::not_found;
    case 405: return Failure::method_not_allowed;
    case 408: return Failure::request_timeout;
    case 409: return Failure::conflict;
    case 413: return Failure::too_large;
    case 429: return Failure::too_many_logins;
    case 503: return std::nullopt;
    default: break;
  }
  if (status < 400) {
    return std::nullopt;
  }
  return status < 500 ? Failure::bad_request : Failure::internal;
}

ngx_shm_zone_t* use_metrics_zone(ngx_conf_t* cf, ngx_shm_zone_t*& zone) {
  if (zone != nullptr) {
    return zone;
  }
  ngx_str_t name = ngx_string("wallet_sync_metrics");
  // The slab allocator needs some pages for itself.
  const std::size_t size = ngx_align(sizeof(MetricsMemory), ngx_pagesize) + 8 * ngx_pagesize;
  zone = ngx_shared_memory_add(cf, &name, size, &ngx_http_wallet_sync_module);
  if (zone != nullptr) {
    zone->init = init_zone;
  }
  return zone;
}

Metrics::Metrics(ngx_shm_zone_t& zone)
    : memory_(memory_of(zone)), slot_(memory_.slots[static_cast<std::size_t>(ngx_process_slot)]) {
  for (SharedNumber& gauge : slot_.gauges) {  // a worker that crashed in this slot left its share behind
    gauge.store(0, std::memory_order_relaxed);
  }
  slot_.owner.store(ngx_pid, std::memory_order_release);
}

Metrics::~Metrics() { slot_.owner.store(0, std::memory_order_relaxed); }

void Metrics::count_request(EndpointId endpoint, Method method) {
  if (method == Method::get || method == Method::post) {
    add(memory_.requests[static_cast<std::size_t>(endpoint)][method == Method::get ? 0 : 1]);
  }
}

void Metrics::count_response(EndpointId endpoint, int status, std::uint64_t milliseconds) {
  memory_.request_durations[static_cast<std::size_t>(endpoint)].add(kDurationBounds, milliseconds);
  add(memory_.responses[static_cast<std::size_t>(endpoint)][status_label(status)]);
  if (const auto failure = failure_of(status)) {
    count(*failure);
  }
}

void Metrics::observe(Distribution distribution, std::uint64_t value) {
  switch (distribution) {
    case Distribution::redis_trip: memory_.redis_trips.add(kDurationBounds, value); break;
    case Distribution::batch_changes: memory_.batches.add(kBatchBounds, value); break;
  }
}

}  // namespace wallet_sync
