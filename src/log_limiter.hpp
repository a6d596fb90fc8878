// Keeps a log readable when the same happens thousands of times a second: a line is written when it is new,
// and then at most once a second, with the number of those that were left out.
//
// Lines are told apart by their text. Of different texts within a second, a few are kept apart; of the others
// only the number is told. So the log grows by a handful of lines a second, whatever clients do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wallet_sync {

class LogLimiter {
 public:
  static constexpr std::int64_t kIntervalMs = 1000;
  static constexpr std::size_t kMaxTexts = 8;

  // What is to be written now of a line that is due at `now_ms`, a monotonic clock; nullopt: nothing, it is
  // counted. `level` is the caller's and comes back with the line.
  std::optional<std::string> admit(int level, std::string_view text, std::int64_t now_ms);

  // What was counted and has waited for its second. To be called now and then while pending().
  struct Line {
    int level;
    std::string text;
  };
  std::vector<Line> take_due(std::int64_t now_ms);
  // All that was counted, due or not: the log ends.
  std::vector<Line> take_all();
  bool pending() const;

 private:
  struct Entry {
    int level;
    std::string text;
    std::int64_t written_ms;
    std::uint64_t left_out;
  };
  std::vector<Entry> entries_;  // written within the last interval, or with something left out
};

}  // namespace wallet_sync
