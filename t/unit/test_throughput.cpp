// How long a newcomer to a queue has to expect to wait.
#include "throughput.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

// Serves `rate` a millisecond from `begin` for `duration`, while others wait.
void serve(Throughput& throughput, std::int64_t begin, std::int64_t duration, std::size_t rate) {
  for (std::int64_t now = begin; now <= begin + duration; ++now) {
    throughput.finished(rate, true, now);
  }
}

void nothing_is_expected_of_what_was_not_measured(void**) {
  Throughput throughput;
  assert_int_equal(throughput.expected_ms(1'000'000, 5), 0);
  throughput.finished(1, true, 10);
  assert_int_equal(throughput.expected_ms(1'000'000, 11), 0);
}

void the_wait_is_what_stands_before_one_over_the_rate(void**) {
  Throughput throughput;
  serve(throughput, 1000, 300, 4);
  assert_in_range(throughput.expected_ms(4000, 1300), 990, 1010);
  assert_in_range(throughput.expected_ms(8000, 1300), 1980, 2020);
  assert_int_equal(throughput.expected_ms(0, 1300), 0);
}

// A queue that is empty half of the time is served as slowly as work comes, not as fast as it could be.
void time_in_which_nobody_waits_does_not_count(void**) {
  Throughput throughput;
  serve(throughput, 1000, 100, 4);
  for (std::int64_t now = 1110; now < 1500; now += 10) {
    throughput.finished(1, false, now);
  }
  assert_in_range(throughput.expected_ms(400, 1500), 90, 110);
}

void a_slower_pace_is_noticed_within_a_few_windows(void**) {
  Throughput throughput;
  serve(throughput, 1000, 200, 10);
  serve(throughput, 1201, 1000, 1);
  assert_in_range(throughput.expected_ms(1000, 2201), 800, 1010);
}

// Whoever is refused does not measure anything: an old measure would refuse for ever.
void what_was_measured_is_forgotten_after_a_while(void**) {
  Throughput throughput;
  serve(throughput, 1000, 300, 1);
  assert_true(throughput.expected_ms(5000, 1500) > 0);
  assert_int_equal(throughput.expected_ms(5000, 2400), 0);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_expected_of_what_was_not_measured),
      cmocka_unit_test(the_wait_is_what_stands_before_one_over_the_rate),
      cmocka_unit_test(time_in_which_nobody_waits_does_not_count),
      cmocka_unit_test(a_slower_pace_is_noticed_within_a_few_windows),
      cmocka_unit_test(what_was_measured_is_forgotten_after_a_while),
  };
  return cmocka_run_group_tests_name("throughput", tests, nullptr, nullptr);
}
