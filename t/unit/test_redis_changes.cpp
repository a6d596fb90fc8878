// WATCH, look, decide, MULTI … EXEC: what each answer of Redis, or none, makes of a change. What happens
// between two steps is done by a proxy.
#include "change_bench.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;
using Verdict = RedisProxy::Verdict;
const AccountId kAccount = account_number(0);
const std::string kCounter = counter_key(kAccount);

bool has(std::string_view request, std::string_view name) { return ChangeBench::has(request, name); }

std::string counter(RedisServer& server = *redis) { return server("HGET", kCounter, "n").text; }

Server in_a_hurry(Server server, std::int64_t timeout_ms = 400) {
  server.connect_timeout_ms = timeout_ms;
  server.command_timeout_ms = timeout_ms;
  return server;
}

void a_change_takes_two_trips(void**) {
  ChangeBench bench(redis->server());
  int writes = 0;
  bench.judge = [&](std::string_view request) {
    writes += has(request, "ROLE") ? 0 : 1;
    return Verdict::forward;
  };
  assert_int_equal(*bench.increment_one(), 1);
  assert_int_equal(*bench.increment_one(), 2);
  assert_text(counter(), "2");
  assert_int_equal(writes, 4);
  assert_int_equal(bench.sent("WATCH"), 2);
  assert_int_equal(bench.sent("MULTI"), 2);
  assert_int_equal(bench.sent("EXEC"), 2);
  assert_int_equal(bench.monitor.counted(Counter::transactions), 2);
  assert_int_equal(bench.monitor.failures(), 0);
}

void a_watched_key_that_changes_makes_it_decide_again(void**) {
  ChangeBench bench(redis->server());
  int execs = 0;
  bench.judge = [&](std::string_view request) {
    if (has(request, "EXEC") && ++execs == 1) (*redis)("HSET", kCounter, "n", 41);
    return Verdict::forward;
  };
  assert_int_equal(*bench.increment_one(), 42);
  assert_int_equal(execs, 2);
  assert_int_equal(bench.monitor.counted(Counter::transaction_retries), 1);
  assert_int_equal(bench.monitor.counted(Counter::outcomes_read_back), 0);
  assert_text(counter(), "42");
}

void when_each_attempt_is_overtaken_it_ends_as_contended(void**) {
  ChangeBench bench(redis->server());
  BlockingClient rival(redis->server());
  int execs = 0;
  bench.judge = [&](std::string_view request) {
    if (has(request, "EXEC")) {
      ++execs;
      rival("HINCRBY", kCounter, "n", 100);
    }
    return Verdict::forward;
  };
  assert_true(bench.increment_one().error() == StoreError::contended);
  assert_in_range(execs, 16, 1000);
  assert_text(counter(), std::to_string(100 * execs));
  assert_int_equal(bench.monitor.counted(Counter::store_contended), 1);
  assert_int_equal(bench.queue.in_flight() + bench.queue.waiting(), 0);
}

void nothing_to_write_ends_it_without_exec_and_leaves_no_watch_behind(void**) {
  ChangeBench bench(redis->server());
  assert_true(*bench.run(advance(bench.queue, kAccount, 7)) == false);
  assert_int_equal(bench.sent("EXEC"), 0);
  (*redis)("HSET", kCounter, "n", 5);  // would fail the next EXEC on this connection
  assert_int_equal(*bench.increment_one(), 6);
  assert_int_equal(bench.sent("EXEC"), 1);
  assert_int_equal(bench.monitor.counted(Counter::connects), 1);
}

// What comes next need not wait for the answer.
void unwatch_goes_along_with_what_comes_next(void**) {
  ChangeBench bench(redis->server());
  std::vector<std::string> requests;
  bench.judge = [&](std::string_view request) {
    if (!has(request, "ROLE")) requests.emplace_back(request);
    return Verdict::forward;
  };
  Begun<bool> refused(advance(bench.queue, kAccount, 7));
  Crowd<std::int64_t> others;
  assert_true(bench.loop.run_until([&] { return requests.size() == 1; }));
  join(others, increment(bench.queue, kAccount));
  assert_true(bench.wait_for(others));
  assert_true(refused.gave(false));
  assert_int_equal(requests.size(), 3);
  assert_true(has(requests[1], "UNWATCH") && has(requests[1], "WATCH"));
}

void data_that_make_no_sense_are_an_internal_error(void**) {
  ChangeBench bench(redis->server());
  Decide<int> decide = [](Seen, bool) -> Result<Decision<int>> { return StoreError::internal; };
  assert_true(bench.run(run_change(bench.queue, kAccount, look_at_counter(kAccount), decide)).error() ==
              StoreError::internal);
  assert_int_equal(bench.monitor.counted(Counter::store_internal), 1);
  assert_int_equal(*bench.increment_one(), 1);
}

void a_look_that_redis_refuses_is_refused_and_keeps_the_connection(void**) {
  ChangeBench bench(redis->server());
  (*redis)("LPUSH", kCounter, "a list");
  assert_true(bench.increment_one().error() == StoreError::refused);
  assert_int_equal(bench.monitor.counted(Counter::store_refused), 1);
  assert_int_equal(bench.monitor.lines_with("WRONGTYPE"), 1);
  assert_int_equal(bench.sent("EXEC"), 0);
  (*redis)("DEL", kCounter);
  assert_int_equal(*bench.increment_one(), 1);
  assert_int_equal(bench.monitor.counted(Counter::connections_lost), 0);
}

void a_write_that_fails_inside_exec_is_an_internal_error(void**) {
  ChangeBench bench(redis->server());
  (*redis)("LPUSH", "list", "x");
  Decide<int> decide = [](Seen, bool) -> Result<Decision<int>> {
    return Decision<int>{7, {Command("HSET", "list", "f", "v")}};
  };
  assert_true(bench.run(run_change(bench.queue, kAccount, look_at_counter(kAccount), decide)).error() ==
              StoreError::internal);
  assert_int_equal(bench.monitor.counted(Counter::store_internal), 1);
  assert_int_equal(bench.monitor.lines_with("in part"), 1);
}

// EXECABORT leaves a clean connection.
void out_of_memory_is_refused_on_a_connection_that_stays(void**) {
  RedisServer full;
  ChangeBench bench(full.server());
  assert_int_equal(*bench.increment_one(), 1);
  full("CONFIG", "SET", "maxmemory", 1);
  for (int i = 0; i < 5; ++i) {
    assert_true(bench.increment_one().error() == StoreError::refused);
  }
  assert_text(counter(full), "1");
  assert_int_equal(bench.monitor.counted(Counter::store_refused), 5);
  assert_true(bench.monitor.lines_with("OOM") > 0);
  full("CONFIG", "SET", "maxmemory", 0);
  assert_int_equal(*bench.increment_one(), 2);
  assert_int_equal(bench.monitor.counted(Counter::connections_lost), 0);
  assert_int_equal(bench.proxy.accepted(), 1);
}

void a_demoted_master_is_refused_then_unavailable_then_used_again(void**) {
  RedisServer demoted;
  ChangeBench bench(demoted.server());
  assert_int_equal(*bench.increment_one(), 1);
  demoted("REPLICAOF", "127.0.0.1", redis->tcp_server().port);
  const auto refused = bench.increment_one();  // or ROLE was faster
  assert_true(refused.error() == StoreError::refused || refused.error() == StoreError::unavailable);
  assert_true(bench.loop.run_until([&] { return bench.queue.known_down(); }));
  assert_true(bench.increment_one().error() == StoreError::unavailable);
  demoted("REPLICAOF", "NO", "ONE");
  assert_true(bench.loop.run_until([&] { return !bench.queue.known_down(); }));
  assert_true(static_cast<bool>(bench.increment_one()));
}

void stale_connections_are_replaced_without_the_caller_noticing(void**) {
  ChangeBench bench(redis->server(), 4);
  assert_int_equal(*bench.increment_one(), 1);
  (*redis)("CLIENT", "KILL", "TYPE", "normal");
  assert_int_equal(*bench.increment_one(), 2);
  assert_int_equal(bench.monitor.failures(), 0);
}

void an_exec_whose_answer_is_lost_is_read_back_and_not_repeated(void**) {
  ChangeBench bench(redis->server());
  int execs = 0;
  bench.judge = [&](std::string_view request) {
    return has(request, "EXEC") && ++execs == 1 ? Verdict::cut_reply : Verdict::forward;
  };
  assert_int_equal(*bench.increment_one(), 1);
  assert_text(counter(), "1");
  assert_int_equal(execs, 1);
  assert_int_equal(bench.monitor.counted(Counter::outcomes_read_back), 1);
  assert_int_equal(bench.monitor.failures(), 0);
}

void an_exec_that_never_arrived_is_written_after_reading_back(void**) {
  ChangeBench bench(redis->server());
  int execs = 0;
  bench.judge = [&](std::string_view request) {
    return has(request, "EXEC") && ++execs == 1 ? Verdict::cut : Verdict::forward;
  };
  assert_int_equal(*bench.increment_one(), 1);
  assert_text(counter(), "1");
  assert_int_equal(execs, 2);
  assert_int_equal(bench.monitor.failures(), 0);
}

// While most of the deadline is left nobody is told "unknown".
void an_exec_whose_answer_is_lost_is_unknown_at_the_deadline_and_not_before(void**) {
  ChangeBench bench(in_a_hurry(redis->server(), 1000));
  bool lost = false;
  bench.judge = [&](std::string_view request) {
    if (has(request, "EXEC")) {
      lost = true;
      return Verdict::cut_reply;
    }
    return lost ? Verdict::cut : Verdict::forward;
  };
  const std::int64_t begin = bench.loop.now_ms();
  assert_true(bench.increment_one().error() == StoreError::unknown);
  assert_true(bench.loop.now_ms() - begin >= 990);
  assert_text(counter(), "1");
  assert_int_equal(bench.monitor.counted(Counter::store_unknown), 1);
  assert_int_equal(bench.monitor.failures(), 1);
}

// Known down is for those who have not begun.
void what_may_have_been_written_waits_for_redis_while_others_are_turned_away(void**) {
  RedisServer mortal;
  ChangeBench bench(mortal.server());
  bench.judge = [&](std::string_view request) {
    if (has(request, "EXEC")) {
      mortal.kill();
    }
    return Verdict::forward;
  };
  Begun<std::int64_t> begun(increment(bench.queue, kAccount));
  assert_true(bench.loop.run_until([&] { return bench.queue.known_down(); }));
  bench.judge = nullptr;
  assert_true(bench.increment_one(1).error() == StoreError::unavailable);
  assert_false(begun.done());
  mortal.restart();
  assert_true(bench.loop.run_until([&] { return begun.done(); }));
  assert_true(begun.gave(1));
  assert_text(counter(mortal), "1");
  assert_int_equal(bench.monitor.counted(Counter::store_unknown), 0);
}

// kill -9 and immediate restart: what the append-only file holds is found there, what it does not is written.
void after_a_crash_and_a_restart_each_change_finds_out_what_became_of_it(void**) {
  RedisServer mortal({"--appendfsync", "always"});
  for (const bool after_exec : {false, true}) {
    mortal("FLUSHALL");
    ChangeBench bench(mortal.server(), 2);
    Crowd<std::int64_t> crowd;
    bool killed = false;
    bench.judge = [&](std::string_view request) {
      if (has(request, "EXEC") && !killed) {
        killed = true;
        return after_exec ? Verdict::cut_reply : Verdict::cut;
      }
      return Verdict::forward;
    };
    for (std::size_t i = 0; i < 16; ++i) {
      join(crowd, increment(bench.queue, account_number(i), "mark-" + std::to_string(i)));
    }
    assert_true(bench.loop.run_until([&] { return bench.monitor.counted(Counter::connections_lost) > 0; }));
    mortal.kill();
    mortal.restart();
    assert_true(bench.wait_for(crowd));
    for (std::size_t i = 0; i < crowd.size(); ++i) {
      assert_true(crowd[i]->gave(1));
      assert_text(mortal("HGET", counter_key(account_number(i)), "n").text, "1");
    }
    assert_true(bench.monitor.counted(Counter::outcomes_read_back) > 0);
    assert_int_equal(bench.monitor.failures(), 0);
  }
}

// A failover: the reply is lost, and for a while there is a server that is no master. It says nothing about
// what became of the change, and most of the deadline is left.
void what_may_have_been_written_outlasts_a_server_that_is_no_master(void**) {
  for (const std::string_view stale : {"yes", "no"}) {  // it refuses the write, or even to read
    RedisServer demoted({"--replica-serve-stale-data", std::string(stale)});
    ChangeBench bench(demoted.server());
    int execs = 0;
    bool lost = false;
    bench.judge = [&](std::string_view request) {
      if (has(request, "EXEC") && ++execs == 1) {
        lost = true;
        return Verdict::cut;
      }
      if (has(request, "WATCH") && std::exchange(lost, false)) {
        demoted("REPLICAOF", "127.0.0.1", 1);
      }
      return Verdict::forward;
    };
    Begun<std::int64_t> begun(increment(bench.queue, kAccount));
    assert_true(bench.loop.run_until([&] { return bench.queue.known_down() || begun.done(); }));
    assert_false(begun.done());
    demoted("REPLICAOF", "NO", "ONE");
    assert_true(bench.loop.run_until([&] { return begun.done(); }));
    assert_true(begun.gave(1));
    assert_text(counter(demoted), "1");
    assert_int_equal(bench.monitor.failures(), 0);
  }
}

void a_look_that_is_cut_is_repeated_but_not_for_ever(void**) {
  ChangeBench bench(redis->server());
  int looks = 0;
  int cuts = 2;
  bench.judge = [&](std::string_view request) {
    return has(request, "WATCH") && ++looks <= cuts ? Verdict::cut : Verdict::forward;
  };
  const auto first = bench.increment_one();
  assert_true((first && *first == 1) || first.error() == StoreError::unavailable);
  cuts = 1000;
  assert_true(bench.increment_one().error() == StoreError::unavailable);
  assert_in_range(looks, 2, 10);
  assert_int_equal(bench.monitor.counted(Counter::store_unknown), 0);
}

void a_look_without_an_answer_is_unavailable_at_the_deadline(void**) {
  ChangeBench bench(in_a_hurry(redis->server()));
  bench.judge = [&](std::string_view request) {
    return has(request, "WATCH") ? Verdict::hold : Verdict::forward;
  };
  const std::int64_t begin = bench.loop.now_ms();
  assert_true(bench.increment_one().error() == StoreError::unavailable);
  assert_true(bench.loop.now_ms() - begin >= 390);
  assert_int_equal(bench.monitor.counted(Counter::store_unavailable), 1);
}

void an_exec_without_an_answer_is_unknown_at_the_deadline(void**) {
  ChangeBench bench(in_a_hurry(redis->server()));
  bench.judge = [&](std::string_view request) {
    return has(request, "EXEC") ? Verdict::hold : Verdict::forward;
  };
  const std::int64_t begin = bench.loop.now_ms();
  assert_true(bench.increment_one().error() == StoreError::unknown);
  assert_true(bench.loop.now_ms() - begin >= 390);
  assert_int_equal(bench.monitor.counted(Counter::store_unknown), 1);
}

void who_waits_behind_a_hanging_connection_is_answered_in_time(void**) {
  ChangeBench bench(in_a_hurry(redis->server()));
  bench.judge = [&](std::string_view request) {
    return has(request, "WATCH") ? Verdict::hold : Verdict::forward;
  };
  Crowd<std::int64_t> crowd;
  for (std::size_t i = 0; i < 100; ++i) {  // of 32 accounts' changes, which are on their way, and of others
    join(crowd, increment(bench.queue, account_number(i)));
  }
  assert_true(bench.wait_for(crowd));
  for (const auto& change : crowd) {
    assert_true(change->failed_with(StoreError::unavailable));
  }
  assert_int_equal(bench.monitor.counted(Counter::store_unavailable), 100);
  assert_int_equal(bench.queue.waiting(), 0);
}

void a_server_that_dies_and_comes_back_is_unavailable_in_between_only(void**) {
  RedisServer mortal;
  ChangeBench bench(mortal.server(), 2);
  assert_int_equal(*bench.increment_one(), 1);
  mortal.kill();
  assert_true(bench.loop.run_until([&] { return bench.queue.known_down(); }));
  for (int i = 0; i < 20; ++i) {
    Begun<std::int64_t> change(increment(bench.queue, kAccount));
    bench.loop.turn(0);
    assert_true(change.failed_with(StoreError::unavailable));
  }
  assert_int_equal(bench.monitor.counted(Counter::store_unavailable), 20);
  mortal.restart();
  assert_true(bench.loop.run_until([&] { return !bench.queue.known_down(); }));
  assert_int_equal(*bench.increment_one(), 2);
}

void changes_that_wait_for_the_first_connection_are_told_when_it_cannot_be_made(void**) {
  RedisServer gone;
  Server server = gone.server();
  gone.kill();
  LibeventLoop loop;
  TestMonitor monitor;
  Deadlines deadlines(loop);
  Node node(loop, server, monitor);
  ChangeQueue queue(deadlines, node);
  std::vector<Task<Result<std::int64_t>>> tasks;
  for (std::size_t i = 0; i < 40; ++i) {
    tasks.push_back(increment(queue, account_number(i)));
  }
  const std::int64_t begin = loop.now_ms();
  for (const auto& result : finish_all(loop, tasks)) {
    assert_true(result.error() == StoreError::unavailable);
  }
  assert_true(loop.now_ms() - begin < server.command_timeout_ms);
  assert_int_equal(monitor.lines.size(), 1);
}

void a_frozen_server_is_unavailable_in_time_and_served_again_when_it_thaws(void**) {
  RedisServer frozen;
  ChangeBench bench(in_a_hurry(frozen.server()));
  assert_int_equal(*bench.increment_one(), 1);
  frozen.freeze();
  const std::int64_t begin = bench.loop.now_ms();
  assert_true(bench.increment_one().error() == StoreError::unavailable);
  assert_true(bench.loop.now_ms() - begin >= 390);
  frozen.thaw();
  assert_true(bench.loop.run_until([&] { return bench.increment_one().operator bool(); }));
}

// A server with room for two of the four lanes.
void lanes_that_are_refused_a_connection_do_not_fail_who_can_be_served_by_others(void**) {
  RedisServer small({"--maxclients", "3"});
  BlockingClient occupant(small.server());
  occupant("PING");
  LibeventLoop loop;
  TestMonitor monitor;
  Server server = small.server();
  server.lanes = 4;
  Deadlines deadlines(loop);
  Node node(loop, server, monitor);
  ChangeQueue queue(deadlines, node);
  std::vector<Task<Result<std::int64_t>>> tasks;
  for (std::size_t i = 0; i < 200; ++i) {
    tasks.push_back(increment(queue, account_number(i)));
  }
  for (const auto& result : finish_all(loop, tasks)) {
    assert_true(result && *result == 1);
  }
  assert_false(queue.known_down());
}

int start_redis(void**) {
  redis = new RedisServer;
  return 0;
}
int stop_redis(void**) {
  delete redis;
  return 0;
}
int flush(void**) {
  (*redis)("FLUSHALL");
  return 0;
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test_setup(a_change_takes_two_trips, flush),
      cmocka_unit_test_setup(a_watched_key_that_changes_makes_it_decide_again, flush),
      cmocka_unit_test_setup(when_each_attempt_is_overtaken_it_ends_as_contended, flush),
      cmocka_unit_test_setup(nothing_to_write_ends_it_without_exec_and_leaves_no_watch_behind, flush),
      cmocka_unit_test_setup(unwatch_goes_along_with_what_comes_next, flush),
      cmocka_unit_test_setup(data_that_make_no_sense_are_an_internal_error, flush),
      cmocka_unit_test_setup(a_look_that_redis_refuses_is_refused_and_keeps_the_connection, flush),
      cmocka_unit_test_setup(a_write_that_fails_inside_exec_is_an_internal_error, flush),
      cmocka_unit_test_setup(out_of_memory_is_refused_on_a_connection_that_stays, flush),
      cmocka_unit_test_setup(a_demoted_master_is_refused_then_unavailable_then_used_again, flush),
      cmocka_unit_test_setup(stale_connections_are_replaced_without_the_caller_noticing, flush),
      cmocka_unit_test_setup(an_exec_whose_answer_is_lost_is_read_back_and_not_repeated, flush),
      cmocka_unit_test_setup(an_exec_that_never_arrived_is_written_after_reading_back, flush),
      cmocka_unit_test_setup(an_exec_whose_answer_is_lost_is_unknown_at_the_deadline_and_not_before, flush),
      cmocka_unit_test_setup(what_may_have_been_written_waits_for_redis_while_others_are_turned_away, flush),
      cmocka_unit_test_setup(after_a_crash_and_a_restart_each_change_finds_out_what_became_of_it, flush),
      cmocka_unit_test_setup(what_may_have_been_written_outlasts_a_server_that_is_no_master, flush),
      cmocka_unit_test_setup(a_look_that_is_cut_is_repeated_but_not_for_ever, flush),
      cmocka_unit_test_setup(a_look_without_an_answer_is_unavailable_at_the_deadline, flush),
      cmocka_unit_test_setup(an_exec_without_an_answer_is_unknown_at_the_deadline, flush),
      cmocka_unit_test_setup(who_waits_behind_a_hanging_connection_is_answered_in_time, flush),
      cmocka_unit_test_setup(a_server_that_dies_and_comes_back_is_unavailable_in_between_only, flush),
      cmocka_unit_test_setup(changes_that_wait_for_the_first_connection_are_told_when_it_cannot_be_made,
                             flush),
      cmocka_unit_test_setup(a_frozen_server_is_unavailable_in_time_and_served_again_when_it_thaws, flush),
      cmocka_unit_test_setup(lanes_that_are_refused_a_connection_do_not_fail_who_can_be_served_by_others,
                             flush),
  };
  return cmocka_run_group_tests_name("redis changes", tests, start_redis, stop_redis);
}
