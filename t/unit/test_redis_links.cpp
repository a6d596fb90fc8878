// Commands outside transactions: who goes over which link, who waits. The test plays the peers.
#include "links_bench.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

using Bench = LinksBench;

void a_read_made_while_the_links_connect_waits_for_them(void**) {
  Bench bench(2, false);
  auto task = bench.ask();
  assert_false(bench.links.known_down());
  assert_int_equal(bench.links.waiting(), 1);
  bench.loop.peer(1).greets();
  assert_int_equal(bench.links.waiting(), 0);
  bench.loop.peer(1).says(bulk("v"));
  assert_text(text_of(*task), "v");
}

void it_waits_for_them_no_longer_than_its_patience(void**) {
  Bench bench(1, false);
  auto task = bench.ask();
  bench.loop.pass(999);
  assert_false(task->done());
  bench.loop.pass(1);  // connect_timeout
  assert_true(failure(*task) == StoreError::unavailable);
  assert_true(bench.links.known_down());
}

void what_is_asked_in_one_turn_goes_over_one_link_in_one_write(void**) {
  Bench bench(2);
  bench.learn_that_replies_come_fast();
  bench.loop.peer(0).allows(1'000'000);
  const auto tasks = bench.ask_many(100);
  assert_int_equal(bench.heard(0), 100);
  assert_int_equal(bench.heard(1), 0);
}

void who_finds_one_link_busy_takes_another(void**) {
  Bench bench(3);
  bench.learn_that_replies_come_fast();
  const auto tasks = bench.ask_many(300);
  const std::size_t first = bench.heard(0);
  const std::size_t second = bench.heard(1);
  assert_in_range(first, 100, 150);
  assert_int_equal(second, first);
  assert_int_equal(bench.heard(2), 300 - first - second);
}

void one_late_read_does_not_fail_the_others(void**) {
  Bench bench(1);
  auto late = bench.ask("a");
  bench.loop.pass(1500);
  auto in_time = bench.ask("b");
  bench.loop.pass(400);
  bench.loop.peer(0).says("$5\r\nla");
  bench.loop.pass(100);
  assert_true(failure(*late) == StoreError::unavailable);
  bench.loop.pass(1000);
  assert_false(in_time->done());
  bench.loop.peer(0).says("te!\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n$-1\r\n" +
                          bulk("in time"));  // ROLE and GET between them
  assert_text(text_of(*in_time), "in time");
  assert_int_equal(bench.monitor.counted(Counter::connections_lost), 0);
}

// Their clients went away, or lost patience; the place they took on the link is free again.
void replies_that_nobody_waits_for_any_more_make_room_too(void**) {
  Bench bench(1);
  bench.learn_that_replies_are_large();
  auto gone = bench.ask_many(4);
  auto waiting = bench.ask("next");
  assert_int_equal(bench.heard(0), 4);
  gone.clear();
  bench.loop.peer(0).says(bench.large);
  assert_int_equal(bench.heard(0), 1);
  for (int i = 0; i < 3; ++i) {
    bench.loop.peer(0).says(bench.large);
  }
  bench.loop.peer(0).says(bulk("v"));
  assert_text(text_of(*waiting), "v");
}

void while_redis_is_known_down_a_read_fails_in_its_turn(void**) {
  Bench bench(2, false);
  bench.loop.peer(0).refuses();
  assert_false(bench.links.known_down());
  bench.loop.peer(1).refuses();
  assert_true(bench.links.known_down());
  auto task = bench.ask();
  assert_true(failure(*task) == StoreError::unavailable);
}

void all_who_wait_are_told_when_the_last_link_cannot_be_made(void**) {
  Bench bench(2, false);
  auto tasks = bench.ask_many(40);
  bench.loop.peer(0).refuses();
  assert_int_equal(bench.links.waiting(), 40);
  bench.loop.peer(1).refuses();
  for (const auto& task : tasks) {
    assert_true(failure(*task) == StoreError::unavailable);
  }
}

void while_one_link_is_there_the_others_are_not_missed(void**) {
  Bench bench(3, false);
  bench.loop.peer(1).greets();
  bench.loop.peer(0).refuses();
  bench.loop.peer(2).refuses();
  auto task = bench.ask();
  bench.loop.peer(1).says(bulk("v"));
  assert_text(text_of(*task), "v");
}

void a_read_whose_link_is_lost_is_made_again_once(void**) {
  Bench bench(2);
  auto task = bench.ask();
  assert_int_equal(bench.heard(0), 1);
  bench.loop.peer(0).hangs_up();
  assert_false(task->done());
  assert_int_equal(bench.heard(1), 1);
  bench.loop.peer(1).hangs_up();
  assert_true(failure(*task) == StoreError::unavailable);
}

void a_read_is_made_again_over_the_new_connection_if_there_is_but_one_link(void**) {
  Bench bench(1);
  auto task = bench.ask();
  bench.loop.peer(0).hangs_up();
  bench.loop.peer(1).greets();
  assert_int_equal(bench.heard(1), 1);
  bench.loop.peer(1).says(bulk("v"));
  assert_text(text_of(*task), "v");
}

// INCR may have run.
void what_may_not_be_repeated_is_not(void**) {
  Bench bench(2);
  auto task = bench.ask("k", Repeat::no);
  bench.loop.peer(0).hangs_up();
  assert_true(failure(*task) == StoreError::unavailable);
  assert_int_equal(bench.heard(1), 0);
}

void an_error_that_the_server_is_no_master_ends_all_links(void**) {
  Bench bench(2);
  auto task = bench.ask();
  bench.loop.peer(0).says(
      "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n");
  assert_true(task->done());
  const Answer answer = task->take();
  assert_true(answer && (*answer)[0].is_error());  // the story decides what it means
  assert_int_equal(bench.loop.open(), 0);
  assert_true(bench.links.known_down());
}

void who_goes_away_is_forgotten_wherever_he_waits(void**) {
  Bench bench(1, false);
  auto before = bench.ask();
  before.reset();
  assert_int_equal(bench.links.waiting(), 0);
  bench.loop.peer(0).greets();
  assert_int_equal(bench.heard(0), 0);
  auto asked = bench.ask("gone");
  auto next = bench.ask("next");
  asked.reset();
  bench.loop.peer(0).has_said(bulk("gone") + bulk("next"));
  bench.loop.peer(0).says("");
  assert_text(text_of(*next), "next");
}

void when_nobody_waits_no_deadline_keeps_a_worker(void**) {
  Bench bench(1);
  auto answered = bench.ask();
  auto gone = bench.ask();
  assert_int_equal(bench.loop.armed(TimerKind::deadline), 1);
  bench.loop.peer(0).says(bulk("v"));
  gone.reset();
  assert_int_equal(bench.loop.armed(TimerKind::deadline), 0);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_read_made_while_the_links_connect_waits_for_them),
      cmocka_unit_test(it_waits_for_them_no_longer_than_its_patience),
      cmocka_unit_test(what_is_asked_in_one_turn_goes_over_one_link_in_one_write),
      cmocka_unit_test(who_finds_one_link_busy_takes_another),
      cmocka_unit_test(one_late_read_does_not_fail_the_others),
      cmocka_unit_test(replies_that_nobody_waits_for_any_more_make_room_too),
      cmocka_unit_test(while_redis_is_known_down_a_read_fails_in_its_turn),
      cmocka_unit_test(all_who_wait_are_told_when_the_last_link_cannot_be_made),
      cmocka_unit_test(while_one_link_is_there_the_others_are_not_missed),
      cmocka_unit_test(a_read_whose_link_is_lost_is_made_again_once),
      cmocka_unit_test(a_read_is_made_again_over_the_new_connection_if_there_is_but_one_link),
      cmocka_unit_test(what_may_not_be_repeated_is_not),
      cmocka_unit_test(an_error_that_the_server_is_no_master_ends_all_links),
      cmocka_unit_test(who_goes_away_is_forgotten_wherever_he_waits),
      cmocka_unit_test(when_nobody_waits_no_deadline_keeps_a_worker),
  };
  return cmocka_run_group_tests_name("redis links", tests, nullptr, nullptr);
}
