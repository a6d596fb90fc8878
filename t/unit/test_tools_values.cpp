// What the tools read: times of a database, words of a command line; and what they show.
#include <string>
#include <string_view>
#include <vector>

#include "arguments.hpp"
#include "datetime.hpp"
#include "session.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

void times_of_a_database_are_read_in_all_their_forms(void**) {
  constexpr UnixTime kTime = 1'659'357'296;
  for (const std::string_view text :
       {"2022-08-01 12:34:56+00:00", "2022-08-01 12:34:56", "2022-08-01 12:34:56.123456789+00:00",
        "2022-08-01T12:34:56Z", "2022-08-01 14:34:56+02:00", "2022-08-01 07:04:56.5-05:30"}) {
    const auto time = parse_datetime(text);
    assert_row(time && time->seconds == kTime, text);
    assert_row(time->exactly == (text == "2022-08-01 12:34:56+00:00" ? "" : text), text);
  }
  assert_text(format_datetime(kTime), "2022-08-01 12:34:56+00:00");
}

void what_is_no_time_is_none(void**) {
  for (const std::string_view text : {"", "now", "2022-08-01", "2022-13-01 00:00:00", "2022-02-30 00:00:00",
                                      "2022-08-01 24:00:00", "2022-08-01 12:34:56.", "2022-08-01 12:34:56+",
                                      "2022-08-01 12:34:56 x", "1659357296", "2022-08-01 12:34"}) {
    assert_row(!parse_datetime(text), text);
  }
}

void words_are_split_at_blanks_outside_quotes(void**) {
  assert_true(split_words(" a  b=\"c d\" 'e f'\tg''h \"\"") ==
              (std::vector<std::string>{"a", "b=c d", "e f", "gh", ""}));
  assert_true(split_words("").empty());
}

void options_are_taken_out_of_the_words(void**) {
  std::vector<std::string> words{"/usr/bin/tool", "list", "--json", "--redis", "a b", "x", "--other=c"};
  std::vector<char*> pointers;
  for (std::string& word : words) {
    pointers.push_back(word.data());
  }
  Arguments arguments(static_cast<int>(pointers.size()), pointers.data());
  assert_text(arguments.program(), "tool");
  assert_true(arguments.flag("--json"));
  assert_false(arguments.flag("--json"));
  assert_text(*arguments.value("--redis"), "a b");
  assert_text(*arguments.value("--other"), "c");
  assert_false(arguments.value("--other").has_value());
  assert_true(arguments.rest() == (std::vector<std::string>{"list", "x"}));
}

void a_terminal_gets_no_control_characters(void**) {
  assert_text(shown("a\x1b[31m\x7f\xc2\x9b\xc3\xa9\n"), "a?[31m??\xc3\xa9?");
  assert_text(shown_time("0"), "1970-01-01T00:00:00Z");
  assert_text(shown_time("soon"), "-");
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(times_of_a_database_are_read_in_all_their_forms),
      cmocka_unit_test(what_is_no_time_is_none),
      cmocka_unit_test(words_are_split_at_blanks_outside_quotes),
      cmocka_unit_test(options_are_taken_out_of_the_words),
      cmocka_unit_test(a_terminal_gets_no_control_characters),
  };
  return cmocka_run_group_tests_name("tools: values", tests, nullptr, nullptr);
}
