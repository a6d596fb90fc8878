// What the metrics tell of a worker's state: connections, queues, sentinels. Looked at once a second, so that
// nothing on a request's way has to count it.
#pragma once

#include <memory>
#include <vector>

#include "event_loop.hpp"
#include "metrics.hpp"
#include "redis_store.hpp"
#include "socket_hub.hpp"

namespace wallet_sync {

class StateGauges {
 public:
  // Looks from now on at what the vectors hold; they and the metrics outlive it.
  StateGauges(EventLoop& loop, Metrics& metrics, const std::vector<std::unique_ptr<RedisStore>>& stores,
              const std::vector<std::unique_ptr<SocketHub>>& hubs);
  StateGauges(const StateGauges&) = delete;
  StateGauges& operator=(const StateGauges&) = delete;
  ~StateGauges() = default;

 private:
  void look();

  Metrics& metrics_;
  const std::vector<std::unique_ptr<RedisStore>>& stores_;
  const std::vector<std::unique_ptr<SocketHub>>& hubs_;
  std::unique_ptr<Timer> timer_;
};

}  // namespace wallet_sync
