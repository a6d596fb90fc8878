#include "state_gauges.hpp"

namespace wallet_sync {
namespace {

constexpr std::int64_t kIntervalMs = 1000;

}  // namespace

StateGauges::StateGauges(EventLoop& loop, Metrics& metrics,
                         const std::vector<std::unique_ptr<RedisStore>>& stores,
                         const std::vector<std::unique_ptr<SocketHub>>& hubs)
    : metrics_(metrics),
      stores_(stores),
      hubs_(hubs),
      timer_(loop.new_timer(TimerKind::background, [this] { look(); })) {
  metrics_.set(Gauge::workers, 1);
  look();
}

void StateGauges::look() {
  timer_->arm(kIntervalMs);
  std::size_t reads = 0;
  std::size_t changes = 0;
  std::size_t events = 0;
  std::size_t waiting_reads = 0;
  std::size_t waiting_changes = 0;
  std::size_t in_flight = 0;
  std::size_t unreachable = 0;
  std::size_t sentinels = 0;
  std::size_t sentinels_connected = 0;
  for (const auto& store : stores_) {
    reads += store->links().connected();
    changes += store->changes().connected();
    waiting_reads += store->links().waiting();
    waiting_changes += store->changes().waiting();
    in_flight += store->changes().in_flight();
    unreachable += store->known_down() ? 1 : 0;
    if (const SentinelWatch* watch = store->node().sentinels()) {
      sentinels += watch->size();
      sentinels_connected += watch->connected();
    }
  }
  for (const auto& hub : hubs_) {
    events += hub->hears() ? 1 : 0;
  }
  metrics_.set(Gauge::connections_reads, reads);
  metrics_.set(Gauge::connections_changes, changes);
  metrics_.set(Gauge::connections_events, events);
  metrics_.set(Gauge::waiting_reads, waiting_reads);
  metrics_.set(Gauge::waiting_changes, waiting_changes);
  metrics_.set(Gauge::changes_in_flight, in_flight);
  metrics_.set(Gauge::redis_unreachable, unreachable);
  metrics_.set(Gauge::sentinels, sentinels);
  metrics_.set(Gauge::sentinels_connected, sentinels_connected);
}

}  // namespace wallet_sync
