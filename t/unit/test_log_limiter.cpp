// What is written of lines that come again and again.
#include <string>
#include <string_view>
#include <vector>

#include "log_limiter.hpp"

// cmocka comes last: its macros hide what the others use.
#include "cmocka.hpp"

using wallet_sync::LogLimiter;

namespace {

constexpr int kWarn = 5;
constexpr int kNotice = 6;

std::string admitted(LogLimiter& limiter, std::string_view text, std::int64_t now, int level = kWarn) {
  return limiter.admit(level, text, now).value_or("-");
}

std::string written(const std::vector<LogLimiter::Line>& lines) {
  std::string text;
  for (const auto& line : lines) {
    text.append(std::to_string(line.level)).append(" ").append(line.text).append("\n");
  }
  return text;
}

void what_happens_once_is_written_as_it_is(void**) {
  LogLimiter limiter;
  assert_text(admitted(limiter, "one", 0), "one");
  assert_text(admitted(limiter, "another", 0), "another");
  assert_false(limiter.pending());
  assert_text(written(limiter.take_due(100'000)), "");
}

void what_happens_again_within_a_second_is_counted(void**) {
  LogLimiter limiter;
  assert_text(admitted(limiter, "one", 5'000), "one");
  for (int i = 0; i < 300; ++i) {
    assert_text(admitted(limiter, "one", 5'999), "-");
  }
  assert_true(limiter.pending());
  assert_text(written(limiter.take_due(5'999)), "");
  assert_text(admitted(limiter, "one", 6'000), "one (and 300 more)");
  assert_false(limiter.pending());
  assert_text(admitted(limiter, "one", 6'999), "-");
  assert_text(admitted(limiter, "one", 7'000), "one (and 1 more)");
  assert_text(admitted(limiter, "one", 8'000), "one");
}

void what_was_counted_is_told_although_it_has_ended(void**) {
  LogLimiter limiter;
  admitted(limiter, "one", 0);
  admitted(limiter, "two", 10);
  for (int i = 0; i < 4; ++i) {
    admitted(limiter, "one", 20);
  }
  admitted(limiter, "two", 20);
  assert_text(written(limiter.take_due(1'000)), "5 one (and 3 more)\n");
  assert_true(limiter.pending());
  assert_text(written(limiter.take_due(1'010)), "5 two\n");
  assert_false(limiter.pending());
  assert_text(admitted(limiter, "one", 1'500), "-");  // a second has not passed since the last line
  assert_text(written(limiter.take_all()), "5 one\n");
}

void levels_are_told_apart(void**) {
  LogLimiter limiter;
  assert_text(admitted(limiter, "one", 0, kWarn), "one");
  assert_text(admitted(limiter, "one", 0, kNotice), "one");
  admitted(limiter, "one", 1, kNotice);
  assert_text(written(limiter.take_all()), "6 one\n");
}

void texts_without_end_are_counted_together(void**) {
  LogLimiter limiter;
  for (int i = 0; i < 1'000; ++i) {
    const std::string text = "key " + std::to_string(i);
    const bool kept_apart = i < static_cast<int>(LogLimiter::kMaxTexts);
    assert_text(admitted(limiter, text, 10), kept_apart ? text : "-");
  }
  assert_text(written(limiter.take_due(1'010)),
              "5 " + std::to_string(1'000 - LogLimiter::kMaxTexts) + " other lines were left out\n");
  assert_false(limiter.pending());
  // A second later there is room again.
  assert_text(admitted(limiter, "new", 1'010), "new");
}

void a_state_that_changes_to_and_fro_is_told_once_a_second(void**) {
  LogLimiter limiter;
  std::size_t lines = 0;
  for (std::int64_t now = 0; now < 10'000; now += 10) {
    lines += limiter.admit(kWarn, now % 20 == 0 ? "away" : "back", now) ? 1 : 0;
  }
  assert_in_range(lines, 18, 20);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(what_happens_once_is_written_as_it_is),
      cmocka_unit_test(what_happens_again_within_a_second_is_counted),
      cmocka_unit_test(what_was_counted_is_told_although_it_has_ended),
      cmocka_unit_test(levels_are_told_apart),
      cmocka_unit_test(texts_without_end_are_counted_together),
      cmocka_unit_test(a_state_that_changes_to_and_fro_is_told_once_a_second),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
