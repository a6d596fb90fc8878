// Parameters of a query string.
#include <optional>
#include <string>
#include <string_view>

#include "cmocka.hpp"
#include "query.hpp"

using namespace std::literals;
using wallet_sync::query_parameter;

namespace {

void a_parameter_is_found_and_decoded(void**) {
  const struct {
    std::string_view query, value;
  } rows[] = {{"token=x", "x"},
              {"a=1&token=x&b=2", "x"},
              {"token=", ""},
              {"token", ""},
              {"a&token&b", ""},
              {"&&token=x&&", "x"},
              {"token=x=y==", "x=y=="},
              {"token==", "="},
              {"token=x&token=y", "x"},
              {"token=&token=y", ""},
              {"token&token=y", ""},  // the first counts, empty or not
              {"token=a+b", "a b"},
              {"token=a%2Bb", "a+b"},
              {"token=a%2bb", "a+b"},
              {"token=%41%5a%5A", "AZZ"},
              {"token=%00", "\0"sv},
              {"token=%ff%C3%BC", "\xff\xc3\xbc"},
              {"token=%26%3D%3B%25%0A", "&=;%\n"},
              {"token=\xc3\xbc", "\xc3\xbc"},
              {"token=a b", "a b"},
              {"token=%2541", "%41"},
              {"token=a?b/c@d#e", "a?b/c@d#e"},
              {"%74oken=x", "x"},
              {"%74%6F%6b%65n=x", "x"},
              // broken pairs are skipped, be they ours or others
              {"token=%&token=y", "y"},
              {"token=%4&token=y", "y"},
              {"token=%zz&token=y", "y"},
              {"token=%4g&token=y", "y"},
              {"token=% 1&token=y", "y"},
              {"token=%+1&token=y", "y"},
              {"token=x%&token=y", "y"},
              {"token=a;b&token=y", "y"},
              {"token;=a&token=y", "y"},
              {"a=1;token=x&token=y", "y"},
              {"%=1&token=y", "y"},
              {"token%=1&token=y", "y"},
              {"a=%zz&token=y", "y"}};
  for (const auto& row : rows) {
    std::string decoded;
    const auto value = query_parameter(row.query, "token", decoded);
    assert_row(value.has_value(), row.query);
    assert_text(*value, row.value);
  }
}

void a_parameter_that_is_not_there_is_not_found(void**) {
  for (const auto query :
       {""sv,           "&"sv,          "&&&"sv,       "="sv,         "=token"sv,     "a=token"sv,
        "Token=x"sv,    "TOKEN=x"sv,    "tokens=x"sv,  "toke=x"sv,    "token+=x"sv,   "+token=x"sv,
        "token%20=x"sv, "token%00=x"sv, "?token=x"sv,  "token;"sv,    "token=x;"sv,   "a=1;token=x"sv,
        "token=%"sv,    "token=%1"sv,   "token=%x1"sv, "token%3Dx"sv, "a%26token=x"sv}) {
    std::string decoded;
    assert_row(!query_parameter(query, "token", decoded).has_value(), query);
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_parameter_is_found_and_decoded),
      cmocka_unit_test(a_parameter_that_is_not_there_is_not_found),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
