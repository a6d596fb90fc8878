// What the lower layers report, in nginx' error log (no line more often than once a second) and in the
// metrics.
#pragma once

#include <memory>

#include "event_loop.hpp"
#include "log_limiter.hpp"
#include "metrics.hpp"
#include "monitor.hpp"
#include "ngx.hpp"

namespace wallet_sync {

class LogMonitor final : public Monitor {
 public:
  LogMonitor(EventLoop& loop, ngx_log_t* log, Metrics& metrics);
  ~LogMonitor() override;
  LogMonitor(const LogMonitor&) = delete;
  LogMonitor& operator=(const LogMonitor&) = delete;

  void error(std::string_view line) override { write(NGX_LOG_ERR, line); }
  void warn(std::string_view line) override { write(NGX_LOG_WARN, line); }
  void notice(std::string_view line) override { write(NGX_LOG_NOTICE, line); }
  void count(Counter counter) override { metrics_.count(counter); }
  void observe(Distribution distribution, std::uint64_t value) override {
    metrics_.observe(distribution, value);
  }

 private:
  void write(int level, std::string_view line);
  void write_due();

  EventLoop& loop_;
  ngx_log_t* log_;
  Metrics& metrics_;
  LogLimiter limiter_;
  std::unique_ptr<Timer> due_;
};

}  // namespace wallet_sync
