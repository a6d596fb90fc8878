#include "http.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

void a_version_is_named_by_its_tag(void**) {
  for (const auto* header :
       {R"("7")", R"(W/"7")", "*", R"("1", "7")", R"( "1" ,	W/"7"	)", R"("x",*)"}) {
    assert_row(names_version(header, 7), header);
  }
}

void what_is_no_tag_of_the_version_does_not_name_it(void**) {
  for (const auto* header :
       {"", "7", R"("70")", R"("07")", R"("7)", R"(w/"7")", R"(W/ "7")", R"("6","8")", ",", R"(" 7")"}) {
    assert_row(!names_version(header, 7), header);
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_version_is_named_by_its_tag),
      cmocka_unit_test(what_is_no_tag_of_the_version_does_not_name_it),
  };
  return cmocka_run_group_tests_name("http", tests, nullptr, nullptr);
}
