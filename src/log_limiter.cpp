#include "log_limiter.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace wallet_sync {
namespace {

constexpr std::string_view kOthers = "other lines were left out";

std::string with_count(const std::string& text, std::uint64_t more) {
  return more == 0 ? text : text + " (and " + std::to_string(more) + " more)";
}

}  // namespace

std::optional<std::string> LogLimiter::admit(int level, std::string_view text, std::int64_t now_ms) {
  const auto of_text = [&] {
    return std::find_if(entries_.begin(), entries_.end(),
                        [&](const Entry& entry) { return entry.text == text && entry.level == level; });
  };
  auto entry = of_text();
  if (entry == entries_.end()) {
    std::erase_if(entries_, [&](const Entry& old) {
      return old.left_out == 0 && now_ms - old.written_ms >= kIntervalMs;
    });
    if (entries_.size() < kMaxTexts) {
      entries_.push_back({level, std::string(text), now_ms, 0});
      return std::string(text);
    }
    text = kOthers;
    entry = of_text();
    if (entry == entries_.end()) {
      entries_.push_back({level, std::string(text), now_ms, 1});
      return std::nullopt;
    }
  }
  if (text == kOthers || now_ms - entry->written_ms < kIntervalMs) {
    ++entry->left_out;
    return std::nullopt;
  }
  entry->written_ms = now_ms;
  return with_count(entry->text, std::exchange(entry->left_out, 0));
}

std::vector<LogLimiter::Line> LogLimiter::take_due(std::int64_t now_ms) {
  std::vector<Line> due;
  for (Entry& entry : entries_) {
    if (entry.left_out > 0 && now_ms - entry.written_ms >= kIntervalMs) {
      const std::uint64_t count = std::exchange(entry.left_out, 0);
      entry.written_ms = now_ms;
      due.push_back({entry.level, entry.text == kOthers ? std::to_string(count) + " " + entry.text
                                                        : with_count(entry.text, count - 1)});
    }
  }
  return due;
}

std::vector<LogLimiter::Line> LogLimiter::take_all() {
  return take_due(std::numeric_limits<std::int64_t>::max() / 2);
}

bool LogLimiter::pending() const {
  return std::any_of(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.left_out > 0; });
}

}  // namespace wallet_sync
