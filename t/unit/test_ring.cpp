// A queue in one block of memory.
#include <deque>

#include "ring.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

void what_goes_in_comes_out_in_order(void**) {
  Ring<int> ring;
  std::deque<int> expected;
  int next = 0;
  // It grows and shrinks around every length up to 100, so that it is full at every place of its block.
  for (std::size_t length = 0; length < 100; ++length) {
    for (int round = 0; round < 7; ++round) {
      while (ring.size() <= length) {
        ring.push_back(next);
        expected.push_back(next++);
      }
      for (std::size_t i = 0; i < ring.size(); ++i) {
        assert_int_equal(ring[i], expected[i]);
      }
      for (std::size_t i = 0; i <= length / 2; ++i) {
        assert_int_equal(ring.front(), expected.front());
        ring.pop_front();
        expected.pop_front();
      }
      assert_int_equal(ring.size(), expected.size());
      assert_true(ring.empty() == expected.empty());
    }
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {cmocka_unit_test(what_goes_in_comes_out_in_order)};
  return cmocka_run_group_tests_name("ring", tests, nullptr, nullptr);
}
