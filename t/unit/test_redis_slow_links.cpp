// A way to Redis over which less comes than is asked for: who is let in, and what is asked at all. The test
// plays the peers.
#include <algorithm>

#include "links_bench.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

using Bench = LinksBench;

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
  bench.learn_that_replies_come_fast();
  const auto tasks = bench.ask_many(1000);
  assert_int_equal(bench.heard(0), 1000);
}

// Nothing is known of the replies yet, and they may be large.
void at_first_little_is_asked_and_twice_as_much_when_that_has_come(void**) {
  Bench bench(1);
  const auto tasks = bench.ask_many(1000);
  assert_int_equal(bench.heard(0), 32);
  for (int i = 0; i < 32; ++i) {
    bench.loop.peer(0).says(bulk("v"));
  }
  assert_int_equal(bench.heard(0), 64);
}

void less_is_asked_when_it_comes_too_late(void**) {
  Bench bench(1);
  const auto late = bench.ask_many(32);
  bench.loop.pass(1999);
  bench.loop.peer(0).says("$4\r\nla");
  bench.loop.pass(1);
  assert_true(failure(*late.back()) == StoreError::unavailable);
  bench.loop.peer(0).says("te\r\n");
  for (int i = 1; i < 32; ++i) {
    bench.loop.peer(0).says(bulk("late"));
  }
  bench.heard(0);
  const auto tasks = bench.ask_many(1000);
  assert_in_range(bench.heard(0), 32, 40);
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
  bench.learn_that_replies_come_fast();
  auto tasks = bench.ask_many(1024 + 120);
  for (int i = 0; i < 4; ++i) {
    bench.loop.pass(300);
    bench.loop.peer(0).says(bulk("v"));
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

// Whoever was served or refused wants more a second later. One wallet of 90 KB comes in 18 ms.
struct SlowLink {
  static constexpr std::int64_t kTickMs = 18;
  static constexpr std::int64_t kPauseMs = 1000;
  explicit SlowLink(std::size_t clients) : crowd(clients) {}

  void tick() {
    for (Client& client : crowd) {
      if (client.task != nullptr && client.task->done()) {
        const auto failed = failure(*client.task);
        served += failed ? 0 : 1;
        timed_out += failed == StoreError::unavailable ? 1 : 0;
        client = {nullptr, bench.loop.now_ms() + kPauseMs};
      }
      if (client.task == nullptr && bench.loop.now_ms() >= client.comes_at_ms) {
        client.task = bench.ask();
      }
    }
    bench.loop.pass(kTickMs);
    for (std::size_t i = 0; i < kLinks; ++i) {
      listen(i);
    }
    for (std::size_t i = 0; i < kLinks; ++i) {
      turn = (turn + 1) % kLinks;
      if (!asked[turn].empty()) {
        answer(turn, wallet);
        return;
      }
    }
  }
  // A node asks for the ROLE and the schema version now and then.
  void listen(std::size_t link) {
    const std::string heard = bench.loop.peer(link).heard();
    for (std::size_t at = 0; at < heard.size(); ++at) {
      if (heard.compare(at, 7, "\r\nGET\r\n") == 0) {
        asked[link].push_back('G');
      } else if (heard.compare(at, 8, "\r\nROLE\r\n") == 0) {
        asked[link].push_back('R');
        at = heard.find("\r\nGET\r\n", at);
      }
    }
    while (!asked[link].empty() && asked[link].front() == 'R') {
      answer(link, "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n$-1\r\n");
    }
  }
  void answer(std::size_t link, std::string_view reply) {
    asked[link].erase(0, 1);
    bench.loop.peer(link).says(reply);
  }
  void run(int ticks) {
    for (int i = 0; i < ticks; ++i) {
      tick();
    }
  }

  struct Client {
    std::unique_ptr<Task<Answer>> task;
    std::int64_t comes_at_ms = 0;
  };
  static constexpr std::size_t kLinks = 4;
  Bench bench{kLinks};
  std::string wallet = bulk(std::string(90'000, 'x'));
  std::vector<std::string> asked = std::vector<std::string>(kLinks);  // and not answered
  std::vector<Client> crowd;
  std::size_t turn = 0;
  int served = 0;
  int timed_out = 0;
};

// What comes too late took the place of something that would have been in time: if that goes on, nobody is
// served, however much comes.
void of_what_a_slow_way_carries_nearly_all_is_of_use(void**) {
  for (const std::size_t clients : {100U, 300U, 1500U}) {
    SlowLink link(clients);
    link.run(600);
    link.served = 0;
    link.timed_out = 0;
    link.run(500);
    assert_in_range(link.served, 450, 500);
    assert_true(link.timed_out <= 25);
    assert_int_equal(link.bench.monitor.counted(Counter::connections_lost), 0);
  }
}

// It waited long for its turn; nothing is asked that nobody will wait for.
void who_has_less_time_left_than_what_is_on_its_way_takes_is_not_asked(void**) {
  Bench bench(1);
  bench.learn_that_replies_are_large();
  auto tasks = bench.ask_many(20);
  for (int i = 0; i < 8; ++i) {
    bench.loop.pass(210);
    bench.loop.peer(0).says(bench.large);
  }
  bench.heard(0);  // 320 ms are left, and four are on their way
  bench.loop.pass(100);
  bench.loop.peer(0).says(bench.large);
  assert_int_equal(bench.heard(0), 0);
  assert_true(failure(*tasks.back()) == StoreError::overloaded);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(what_is_on_its_way_is_bounded_by_what_replies_weigh),
      cmocka_unit_test(small_replies_are_not_held_back),
      cmocka_unit_test(at_first_little_is_asked_and_twice_as_much_when_that_has_come),
      cmocka_unit_test(less_is_asked_when_it_comes_too_late),
      cmocka_unit_test(who_cannot_be_served_in_time_is_refused_at_once),
      cmocka_unit_test(a_short_queue_refuses_nobody),
      cmocka_unit_test(the_measure_is_forgotten_when_nobody_is_served),
      cmocka_unit_test(of_what_a_slow_way_carries_nearly_all_is_of_use),
      cmocka_unit_test(who_has_less_time_left_than_what_is_on_its_way_takes_is_not_asked),
  };
  return cmocka_run_group_tests_name("redis: slow links", tests, nullptr, nullptr);
}
