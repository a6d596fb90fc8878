// How fast a queue is served, measured while somebody waits in it: the time a newcomer has to expect.
#pragma once

#include <cstddef>
#include <cstdint>

namespace wallet_sync {

class Throughput {
 public:
  // `done` more are finished; `waiting`: others wait for their turn.
  void finished(std::size_t done, bool waiting, std::int64_t now_ms) {
    if (since_ms_ < 0) {
      since_ms_ = waiting ? now_ms : -1;
      return;
    }
    done_ += done;
    const std::int64_t elapsed = now_ms - since_ms_;
    if (elapsed >= kWindowMs || (!waiting && elapsed >= kShortestMs)) {
      const double rate = static_cast<double>(done_) / static_cast<double>(elapsed);
      per_ms_ = fresh(now_ms) ? (per_ms_ + rate) / 2 : rate;
      measured_at_ms_ = now_ms;
      since_ms_ = now_ms;
      done_ = 0;
    }
    if (!waiting) {
      since_ms_ = -1;
      done_ = 0;
    }
  }

  // Until `ahead` others are done; 0 where nothing was measured of late.
  std::int64_t expected_ms(std::size_t ahead, std::int64_t now_ms) const {
    return fresh(now_ms) && per_ms_ > 0 ? static_cast<std::int64_t>(static_cast<double>(ahead) / per_ms_) : 0;
  }

 private:
  static constexpr std::int64_t kWindowMs = 100;
  static constexpr std::int64_t kShortestMs = 20;
  static constexpr std::int64_t kFreshMs = 1000;
  bool fresh(std::int64_t now_ms) const {
    return measured_at_ms_ >= 0 && now_ms - measured_at_ms_ < kFreshMs;
  }

  double per_ms_ = 0;
  std::size_t done_ = 0;
  std::int64_t since_ms_ = -1;
  std::int64_t measured_at_ms_ = -1;
};

}  // namespace wallet_sync
