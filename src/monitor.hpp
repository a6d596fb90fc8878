// Where the lower layers report what operators should know: a line in the log, a count in the metrics.
#pragma once

#include <cstddef>
#include <cstdint>
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
  connections_lost,   // links to Redis that ended without our doing
  connects,           // links to Redis that became ready
  updates_told,       // wallet-update messages to websockets
  updates_heard,      // events of Redis: of a write
  revocations_heard,  // events of Redis: nobody is logged in any more
  event_gaps,         // events may have been missed; where the accounts stand was read instead
  websockets_opened,
  master_switches,  // the sentinels named another master
  last = master_switches
};
inline constexpr std::size_t kCounters = static_cast<std::size_t>(Counter::last) + 1;

// What is counted by size.
enum class Distribution {
  redis_trip,     // milliseconds from a request to Redis to its last reply
  batch_changes,  // changes that shared a transaction
};

class Monitor {
 public:
  virtual ~Monitor() = default;
  // No secret and no client's data belongs into a line.
  virtual void warn(std::string_view line) = 0;
  // What stays wrong until somebody does something about it.
  virtual void error(std::string_view line) { warn(line); }
  virtual void notice(std::string_view line) = 0;
  virtual void count(Counter counter) = 0;
  virtual void observe(Distribution, std::uint64_t /*value*/) {}
};

}  // namespace wallet_sync
