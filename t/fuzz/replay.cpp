// Runs a target on its seeds, as one test among the unit tests: a target that no longer builds, or breaks on
// what it held for once, is noticed without a fuzzer.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "fuzz.hpp"

//
#include "cmocka.hpp"

namespace {

void the_properties_hold_for_every_seed(void**) {
  std::size_t seeds = 0;
  for (const auto& seed : std::filesystem::directory_iterator(FUZZ_CORPUS)) {
    std::ifstream file(seed.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    ++seeds;
  }
  assert_int_not_equal(seeds, 0);
}

void the_properties_hold_for_nothing(void**) { LLVMFuzzerTestOneInput(nullptr, 0); }

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_properties_hold_for_every_seed),
      cmocka_unit_test(the_properties_hold_for_nothing),
  };
  return cmocka_run_group_tests_name(FUZZ_TARGET, tests, nullptr, nullptr);
}
