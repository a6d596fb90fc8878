// Who is let in when more is asked than can be served in time, and what that costs those who are. The test
// plays the peers.
#include <algorithm>

#include "change_bench.hpp"
#include "manual_loop.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

constexpr std::int64_t kPatienceMs = 2000;

Server somewhere(std::size_t lanes) {
  Server server;
  server.host = "192.0.2.1";
  server.lanes = lanes;
  server.connect_timeout_ms = 1000;
  server.command_timeout_ms = kPatienceMs;
  return server;
}

struct Bench {
  explicit Bench(std::size_t lanes = 1) : server(somewhere(lanes)) {
    for (std::size_t i = 0; i < lanes; ++i) {
      loop.peer(i).greets();
    }
  }
  std::unique_ptr<Begun<std::int64_t>> begin(std::size_t account) {
    auto change = std::make_unique<Begun<std::int64_t>>(increment(queue, account_number(account)));
    loop.run_posted();
    return change;
  }
  Crowd<std::int64_t> begin_many(std::size_t count) {
    Crowd<std::int64_t> crowd;
    for (std::size_t i = 0; i < count; ++i) {
      join(crowd, increment(queue, account_number(next_account++)));
    }
    loop.run_posted();
    return crowd;
  }
  // Answers what a peer has been asked meanwhile, as Redis would.
  void answer(std::size_t index) {
    const std::string request = loop.peer(index).heard();
    std::string replies;
    for (std::size_t at = 0; at < request.size();) {
      const std::size_t word = request.find("\r\n", request.find('$', at)) + 2;
      const std::string name = request.substr(word, request.find("\r\n", word) - word);
      if (name == "WATCH" || name == "MULTI" || name == "UNWATCH") replies += "+OK\r\n";
      if (name == "HMGET") replies += "*2\r\n$-1\r\n$-1\r\n";
      if (name == "ROLE") replies += "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";
      if (name == "GET") replies += "$-1\r\n";
      if (name == "HSET") replies += "+QUEUED\r\n", ++queued;
      if (name == "EXEC") {
        replies += "*" + std::to_string(queued) + "\r\n";
        for (; queued > 0; --queued) replies += ":1\r\n";
      }
      at = std::min(request.find("\r\n*", word), request.size() - 2) + 2;
    }
    loop.peer(index).says(replies);
  }
  // Each trip takes so long; two of them are a batch.
  void serve(std::int64_t trip_ms, int trips) {
    for (int i = 0; i < trips; ++i) {
      loop.pass(trip_ms);
      for (std::size_t lane = 0; lane < loop.peers(); ++lane) {
        if (!loop.peer(lane).closed()) {
          answer(lane);
        }
      }
    }
  }

  ManualLoop loop;
  TestMonitor monitor;
  Server server;
  Deadlines deadlines{loop};
  Node node{loop, server, monitor};
  ChangeQueue queue{deadlines, node};
  std::size_t next_account = 0;
  std::size_t queued = 0;
};

std::size_t failed_with(Crowd<std::int64_t>& crowd, StoreError error) {
  return static_cast<std::size_t>(std::count_if(
      crowd.begin(), crowd.end(), [&](const auto& change) { return change->failed_with(error); }));
}

std::size_t stored(Crowd<std::int64_t>& crowd) {
  return static_cast<std::size_t>(
      std::count_if(crowd.begin(), crowd.end(), [](const auto& change) { return change->gave(1); }));
}

// 32 a batch and 100 ms a batch: 1,000 are three seconds' work.
void who_cannot_be_served_in_time_is_refused_at_once(void**) {
  Bench bench;
  auto crowd = bench.begin_many(1000);
  bench.serve(50, 6);
  auto newcomer = bench.begin(5000);
  assert_true(newcomer->failed_with(StoreError::overloaded));
  assert_int_equal(bench.monitor.counted(Counter::store_overloaded), 1);
  assert_int_equal(stored(crowd), 96);
}

void who_can_be_is_let_in(void**) {
  Bench bench;
  auto crowd = bench.begin_many(300);
  bench.serve(50, 4);
  auto newcomer = bench.begin(5000);
  assert_false(newcomer->done());
  bench.serve(50, 20);
  assert_true(newcomer->gave(1));
  assert_int_equal(stored(crowd), 300);
}

void a_short_queue_refuses_nobody(void**) {
  Bench bench;
  auto crowd = bench.begin_many(32 + 127);
  bench.serve(400, 1);
  auto newcomer = bench.begin(5000);
  assert_false(newcomer->done());
}

void the_measure_is_of_the_last_second(void**) {
  Bench bench;
  auto crowd = bench.begin_many(1000);
  bench.serve(50, 6);
  crowd.resize(400);
  bench.loop.pass(1100);  // nothing was served
  auto newcomer = bench.begin(5000);
  assert_false(newcomer->done());
}

// Once with twice, once with ten times as many as can be served. Each that is refused comes again in a
// second.
void under_overload_what_can_be_served_is_and_no_healthy_connection_is_closed(void**) {
  for (const std::size_t times : {2U, 10U}) {
    constexpr std::int64_t kTripMs = 50;
    constexpr std::size_t kCapacity = 2 * 32 * 10;  // a second: two lanes, 32 a batch, ten batches
    Bench bench(2);
    Crowd<std::int64_t> crowd;
    for (int tenth = 0; tenth < 60; ++tenth) {
      for (auto& change : bench.begin_many(times * kCapacity / 10)) {
        crowd.push_back(std::move(change));
      }
      bench.serve(kTripMs, 2);
    }
    assert_in_range(stored(crowd), kCapacity * 6 * 9 / 10, kCapacity * 6);
    assert_true(failed_with(crowd, StoreError::overloaded) > 0);
    assert_int_equal(failed_with(crowd, StoreError::unknown), 0);
    assert_int_equal(bench.monitor.counted(Counter::connections_lost), 0);
  }
}

// A change that is begun with milliseconds left is work for nobody.
void who_has_less_time_left_than_a_batch_takes_is_not_begun(void**) {
  Bench bench;
  auto crowd = bench.begin_many(32);
  for (int i = 0; i < 8; ++i) {  // a batch takes 600 ms, as it has learnt
    bench.serve(300, 2);
    crowd = bench.begin_many(32);
  }
  auto late = bench.begin_many(1);
  bench.loop.pass(1700);  // of its 2000
  bench.answer(0);
  bench.answer(0);
  assert_true(late[0]->failed_with(StoreError::overloaded));
  const std::string next = bench.loop.peer(0).heard();
  assert_true(next.find("WATCH") == std::string::npos);
}

// Its batches took longer than anyone waits, and for a while all were late. That must not last.
void trips_that_took_too_long_do_not_shut_the_door_for_ever(void**) {
  Bench bench;
  for (int i = 0; i < 20; ++i) {
    auto change = bench.begin_many(1);
    bench.serve(1900, 2);
  }
  bench.serve(100, 2);
  for (int i = 0; i < 5; ++i) {
    auto change = bench.begin_many(1);
    bench.serve(1, 2);
    assert_true(change[0]->gave(1));
  }
  assert_int_equal(bench.monitor.counted(Counter::connections_lost), 0);
}

void while_nobody_waits_no_deadline_keeps_a_worker(void**) {
  Bench bench;
  auto crowd = bench.begin_many(3);
  assert_int_equal(bench.loop.armed(TimerKind::deadline), 1);
  bench.serve(1, 2);
  assert_int_equal(stored(crowd), 3);
  assert_int_equal(bench.loop.armed(TimerKind::deadline), 0);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(who_cannot_be_served_in_time_is_refused_at_once),
      cmocka_unit_test(who_can_be_is_let_in),
      cmocka_unit_test(a_short_queue_refuses_nobody),
      cmocka_unit_test(the_measure_is_of_the_last_second),
      cmocka_unit_test(under_overload_what_can_be_served_is_and_no_healthy_connection_is_closed),
      cmocka_unit_test(who_has_less_time_left_than_a_batch_takes_is_not_begun),
      cmocka_unit_test(trips_that_took_too_long_do_not_shut_the_door_for_ever),
      cmocka_unit_test(while_nobody_waits_no_deadline_keeps_a_worker),
  };
  return cmocka_run_group_tests_name("redis: admission of changes", tests, nullptr, nullptr);
}
