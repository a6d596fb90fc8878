// Commands outside transactions: who goes over which link, who waits, who is refused. The test plays the
// peers.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "links.hpp"
#include "manual_loop.hpp"
#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

using Answer = Result<Replies>;

Server somewhere(std::size_t links) {
  Server server;
  server.host = "192.0.2.1";
  server.links = links;
  server.connect_timeout_ms = 1000;
  server.command_timeout_ms = 2000;
  return server;
}

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

std::size_t occurrences(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

// Links to peer(0), peer(1), …; whatever is asked is GET.
struct Bench {
  explicit Bench(std::size_t number = 1, bool greet = true) : server(somewhere(number)) {
    for (std::size_t i = 0; greet && i < number; ++i) {
      loop.peer(i).greets();
    }
  }
  static Task<Answer> read(Links& over, Command command, Repeat repeat) {
    Commands commands;
    commands.push_back(std::move(command));
    co_return co_await Read(over, std::move(commands), repeat);
  }
  // A read that has begun and had a turn.
  std::unique_ptr<Task<Answer>> ask(std::string_view key = "k", Repeat repeat = Repeat::yes) {
    auto task = std::make_unique<Task<Answer>>(read(links, Command("GET", key), repeat));
    task->start();
    loop.run_posted();
    return task;
  }
  std::vector<std::unique_ptr<Task<Answer>>> ask_many(std::size_t count) {
    std::vector<std::unique_ptr<Task<Answer>>> tasks;
    for (std::size_t i = 0; i < count; ++i) {
      tasks.push_back(std::make_unique<Task<Answer>>(read(links, Command("GET", "k"), Repeat::yes)));
      tasks.back()->start();
    }
    loop.run_posted();
    return tasks;
  }
  // How many GETs a peer has got since it was looked the last time.
  std::size_t heard(std::size_t peer) { return occurrences(loop.peer(peer).heard(), "\r\nGET\r\n"); }
  // Large answers have come of late.
  void learn_that_replies_are_large() {
    for (int i = 0; i < 30; ++i) {
      auto task = ask();
      loop.peer(0).says(large);
      assert_true(task->done());
    }
    heard(0);
  }

  std::string large = bulk(std::string(1'000'000, 'x'));
  ManualLoop loop;
  TestMonitor monitor;
  Server server;
  Deadlines deadlines{loop};
  Node node{loop, server, monitor};
  Links links{deadlines, node};
};

std::optional<StoreError> failure(Task<Answer>& task) {
  assert_true(task.done());
  const Answer answer = task.take();
  return answer ? std::nullopt : std::optional(answer.error());
}

std::string text_of(Task<Answer>& task) {
  assert_true(task.done());
  const Answer answer = task.take();
  return answer ? (*answer)[0].text : "no answer";
}

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
  bench.loop.peer(0).allows(1'000'000);
  const auto tasks = bench.ask_many(100);
  assert_int_equal(bench.heard(0), 100);
  assert_int_equal(bench.heard(1), 0);
}

void who_finds_one_link_busy_takes_another(void**) {
  Bench bench(3);
  const auto tasks = bench.ask_many(300);
  const std::size_t first = bench.heard(0);
  const std::size_t second = bench.heard(1);
  assert_in_range(first, 100, 150);
  assert_int_equal(second, first);
  assert_int_equal(bench.heard(2), 300 - first - second);
}

// 5 MB/s and 90 KB wallets: what is on its way is bounded, the rest waits here.
void what_is_on_its_way_is_bounded_by_what_replies_weigh(void**) {
  Bench bench(2);
  bench.learn_that_replies_are_large();
  auto tasks = bench.ask_many(100);
  assert_int_equal(bench.heard(0), 4);
  assert_int_equal(bench.heard(1), 4);
  assert_int_equal(bench.links.waiting(), 92);
  bench.loop.peer(1).says(bench.large);
  assert_int_equal(bench.heard(0), 0);
  assert_int_equal(bench.heard(1), 1);
  assert_int_equal(bench.links.waiting(), 91);
}

void small_replies_are_not_held_back(void**) {
  Bench bench(1);
  const auto tasks = bench.ask_many(1000);
  assert_int_equal(bench.heard(0), 1000);
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
  bench.loop.peer(0).says("te!\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n" +
                          bulk("in time"));  // ROLE between them
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

// It takes 10 ms for each, and a request waits 2 s: 500 would wait 5 s.
void who_cannot_be_served_in_time_is_refused_at_once(void**) {
  Bench bench(1);
  bench.learn_that_replies_are_large();
  auto tasks = bench.ask_many(500);
  for (int i = 0; i < 30; ++i) {
    assert_true(bench.links.waiting() > 300);  // nobody is refused on a guess
    bench.loop.pass(10);
    bench.loop.peer(0).says(bench.large);
  }
  auto newcomer = bench.ask();
  assert_true(failure(*newcomer) == StoreError::overloaded);
  assert_true(tasks[20]->done() && text_of(*tasks[20]).size() == 1'000'000);
  tasks.resize(100);  // the others are gone: now there is time enough
  auto another = bench.ask();
  assert_false(another->done());
}

// However slow it was a moment ago.
void a_short_queue_refuses_nobody(void**) {
  Bench bench(1);
  bench.learn_that_replies_are_large();
  auto tasks = bench.ask_many(120);
  for (int i = 0; i < 4; ++i) {
    bench.loop.pass(300);
    bench.loop.peer(0).says(bench.large);
  }
  auto newcomer = bench.ask();
  assert_false(newcomer->done());
}

void the_measure_is_forgotten_when_nobody_is_served(void**) {
  Bench bench(1);
  bench.learn_that_replies_are_large();
  auto tasks = bench.ask_many(500);
  for (int i = 0; i < 20; ++i) {
    bench.loop.pass(10);
    bench.loop.peer(0).says(bench.large);
  }
  bench.loop.pass(1000);
  auto newcomer = bench.ask();
  assert_false(newcomer->done());
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
      cmocka_unit_test(what_is_on_its_way_is_bounded_by_what_replies_weigh),
      cmocka_unit_test(small_replies_are_not_held_back),
      cmocka_unit_test(one_late_read_does_not_fail_the_others),
      cmocka_unit_test(replies_that_nobody_waits_for_any_more_make_room_too),
      cmocka_unit_test(while_redis_is_known_down_a_read_fails_in_its_turn),
      cmocka_unit_test(all_who_wait_are_told_when_the_last_link_cannot_be_made),
      cmocka_unit_test(while_one_link_is_there_the_others_are_not_missed),
      cmocka_unit_test(a_read_whose_link_is_lost_is_made_again_once),
      cmocka_unit_test(a_read_is_made_again_over_the_new_connection_if_there_is_but_one_link),
      cmocka_unit_test(what_may_not_be_repeated_is_not),
      cmocka_unit_test(who_cannot_be_served_in_time_is_refused_at_once),
      cmocka_unit_test(a_short_queue_refuses_nobody),
      cmocka_unit_test(the_measure_is_forgotten_when_nobody_is_served),
      cmocka_unit_test(an_error_that_the_server_is_no_master_ends_all_links),
      cmocka_unit_test(who_goes_away_is_forgotten_wherever_he_waits),
      cmocka_unit_test(when_nobody_waits_no_deadline_keeps_a_worker),
  };
  return cmocka_run_group_tests_name("redis links", tests, nullptr, nullptr);
}
