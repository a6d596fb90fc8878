// Delays between attempts to connect: exponential, capped, with jitter so that many workers and machines do
// not come back in the same millisecond.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>

namespace wallet_sync {

inline constexpr std::int64_t kFirstBackoffMs = 50;
inline constexpr std::int64_t kMaxBackoffMs = 500;

// The delay before the next attempt; `current` is the previous base delay (0 at first) and is advanced.
inline std::int64_t next_backoff(std::int64_t& current) {
  thread_local std::minstd_rand random{std::random_device{}()};
  current = current == 0 ? kFirstBackoffMs : std::min(current * 2, kMaxBackoffMs);
  return current / 2 + static_cast<std::int64_t>(random()) % (current / 2 + 1);
}

}  // namespace wallet_sync
