// Where the lower layers report what operators should know: a line in the log, a count in the metrics.
#pragma once

#include <cstddef>
#include <string_view>

namespace wallet_sync {

enum class Counter {
  transactions,         // transactions begun
  transaction_retries,  // EXEC found a watched key changed
  outcomes_read_back,   // EXEC lost its reply and the state was read again
  store_unavailable,    // the next seven: operations that ended with that StoreError
  store_overloaded,
  store_refused,
  store_unknown,
  store_unreplicated,
  store_contended,
  store_internal,
  connections_lost,  // links to Redis that ended without our doing
  connects,          // links to Redis that became ready
  updates_told,      // wallet-update messages to websockets
  last = updates_told
};
inline constexpr std::size_t kCounters = static_cast<std::size_t>(Counter::last) + 1;

class Monitor {
 public:
  virtual ~Monitor() = default;
  // No secret and no client's data belongs into a line.
  virtual void warn(std::string_view line) = 0;
  virtual void notice(std::string_view line) = 0;
  virtual void count(Counter counter) = 0;
};

}  // namespace wallet_sync
