#include "log_monitor.hpp"

namespace wallet_sync {

namespace {

void write_log(ngx_log_t* log, int level, std::string_view line) {
  const ngx_str_t text = to_ngx(line);
  ngx_log_error(static_cast<ngx_uint_t>(level), log, 0, "wallet_sync: %V", &text);
}

}  // namespace

LogMonitor::LogMonitor(EventLoop& loop, ngx_log_t* log, Metrics& metrics)
    : loop_(loop),
      log_(log),
      metrics_(metrics),
      due_(loop.new_timer(TimerKind::background, [this] { write_due(); })) {}

LogMonitor::~LogMonitor() {
  for (const auto& line : limiter_.take_all()) {
    write_log(log_, line.level, line.text);
  }
}

void LogMonitor::write(int level, std::string_view line) {
  if (const auto text = limiter_.admit(level, line, loop_.now_ms())) {
    write_log(log_, level, *text);
  } else if (!due_->armed()) {
    due_->arm(LogLimiter::kIntervalMs);
  }
}

void LogMonitor::write_due() {
  for (const auto& line : limiter_.take_due(loop_.now_ms())) {
    write_log(log_, line.level, line.text);
  }
  if (limiter_.pending()) {
    due_->arm(LogLimiter::kIntervalMs);
  }
}

}  // namespace wallet_sync
