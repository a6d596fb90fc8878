// What waits together goes together: which changes share a trip, and what each of them is told.
#include <algorithm>

#include "change_bench.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;
using Verdict = RedisProxy::Verdict;

bool has(std::string_view request, std::string_view name) { return ChangeBench::has(request, name); }

std::string counter(std::size_t account) {
  return (*redis)("HGET", counter_key(account_number(account)), "n").text;
}

void changes_of_different_accounts_share_one_transaction(void**) {
  ChangeBench bench(redis->server());
  Crowd<std::int64_t> crowd;
  for (std::size_t i = 0; i < 32; ++i) {
    join(crowd, increment(bench.queue, account_number(i)));
  }
  assert_true(bench.wait_for(crowd));
  for (std::size_t i = 0; i < crowd.size(); ++i) {
    assert_true(crowd[i]->gave(1));
    assert_text(counter(i), "1");
  }
  assert_int_equal(bench.sent("WATCH"), 1);
  assert_int_equal(bench.sent("HMGET"), 32);
  assert_int_equal(bench.sent("MULTI"), 1);
  assert_int_equal(bench.sent("HSET"), 32);
  assert_int_equal(bench.sent("EXEC"), 1);
  assert_int_equal(bench.monitor.counted(Counter::transactions), 32);
  assert_int_equal(bench.monitor.counted(Counter::transaction_retries), 0);
}

// So many that one EXEC in vain does not undo too much.
void no_more_than_32_accounts_share_one(void**) {
  ChangeBench bench(redis->server());
  Crowd<std::int64_t> crowd;
  for (std::size_t i = 0; i < 100; ++i) {
    join(crowd, increment(bench.queue, account_number(i)));
  }
  assert_int_equal(bench.queue.waiting(), 100);
  assert_true(bench.wait_for(crowd));
  assert_int_equal(bench.sent("EXEC"), 4);
  for (const auto& change : crowd) {
    assert_true(change->gave(1));
  }
}

// Over a slow network one piece of many large wallets would be late as a whole.
void what_shares_a_transaction_is_bounded_in_bytes_too(void**) {
  ChangeBench bench(redis->server());
  Crowd<bool> crowd;
  const std::string large(100'000, 'x');
  for (std::size_t i = 0; i < 24; ++i) {
    const AccountId id = account_number(i);
    Look look = look_at_counter(id);
    look.weight = large.size();
    Decide<bool> decide = [id, large](Seen, bool) -> Result<Decision<bool>> {
      return Decision<bool>{true, {Command("HSET", counter_key(id), "n", large)}};
    };
    join(crowd, run_change<bool>(bench.queue, id, std::move(look), std::move(decide)));
  }
  assert_true(bench.wait_for(crowd));
  const std::size_t batches = bench.sent("WATCH");
  assert_in_range(batches, 4, 5);
  assert_int_equal(bench.monitor.failures(), 0);
}

void several_lanes_work_side_by_side(void**) {
  ChangeBench bench(redis->server(), 2);
  std::size_t watches = 0;
  bench.judge = [&](std::string_view request) {
    watches += ChangeBench::count(request, "WATCH");
    return has(request, "WATCH") ? Verdict::hold : Verdict::forward;
  };
  Crowd<std::int64_t> crowd;
  for (std::size_t i = 0; i < 100; ++i) {
    join(crowd, increment(bench.queue, account_number(i)));
  }
  assert_true(bench.loop.run_until([&] { return watches == 2; }));
  assert_int_equal(bench.queue.in_flight(), 64);
  assert_int_equal(bench.queue.waiting(), 36);
  bench.judge = nullptr;
  bench.proxy.release();
  assert_true(bench.wait_for(crowd));
  assert_int_equal(bench.queue.in_flight() + bench.queue.waiting(), 0);
}

// Each would make the other's EXEC fail.
void changes_of_one_account_are_never_in_two_lanes(void**) {
  ChangeBench bench(redis->server(), 3);
  bench.judge = [&](std::string_view request) {
    return has(request, "EXEC") ? Verdict::hold : Verdict::forward;
  };
  Crowd<std::int64_t> crowd;
  for (int i = 0; i < 10; ++i) {
    join(crowd, increment(bench.queue, account_number(0), std::to_string(i)));
    bench.loop.turn(1);
  }
  assert_true(bench.loop.run_until([&] { return bench.sent("EXEC") == 1; }));
  assert_int_equal(bench.sent("WATCH"), 1);
  bench.judge = nullptr;
  bench.proxy.release();
  assert_true(bench.wait_for(crowd));
  assert_text(counter(0), "10");
  assert_int_equal(bench.monitor.counted(Counter::transaction_retries), 0);
}

void of_ten_writers_of_the_same_sequence_one_is_stored_and_nine_are_refused_in_the_same_trip(void**) {
  ChangeBench bench(redis->server());
  (*redis)("HSET", counter_key(account_number(0)), "n", 6);
  Crowd<bool> crowd;
  for (int i = 0; i < 10; ++i) {
    join(crowd, advance(bench.queue, account_number(0), 7, std::to_string(i)));
  }
  assert_true(bench.wait_for(crowd));
  for (std::size_t i = 0; i < crowd.size(); ++i) {
    assert_true(crowd[i]->gave(i == 0));  // who came first
  }
  assert_text(counter(0), "7");
  assert_int_equal(bench.sent("WATCH"), 1);
  assert_int_equal(bench.sent("HSET"), 1);
  assert_int_equal(bench.sent("EXEC"), 1);
}

void each_change_of_an_account_goes_by_what_the_one_before_it_leaves(void**) {
  ChangeBench bench(redis->server());
  Crowd<bool> steps;
  Crowd<std::int64_t> sums;
  for (int i = 1; i <= 5; ++i) {
    join(steps, advance(bench.queue, account_number(0), i, "step" + std::to_string(i)));
    join(sums, increment(bench.queue, account_number(1), "sum" + std::to_string(i)));
  }
  assert_true(bench.wait_for(steps) && bench.wait_for(sums));
  for (std::size_t i = 0; i < 5; ++i) {
    assert_true(steps[i]->gave(true));
    assert_true(sums[i]->gave(static_cast<std::int64_t>(i) + 1));
  }
  assert_text(counter(0), "5");
  assert_text(counter(1), "5");
  assert_int_equal(bench.sent("EXEC"), 1);
}

// It decided on what is not written yet.
void who_was_refused_because_of_a_write_before_it_is_told_once_that_has_been_written(void**) {
  ChangeBench bench(redis->server());
  bench.judge = [&](std::string_view request) {
    return has(request, "EXEC") ? Verdict::hold : Verdict::forward;
  };
  Begun<bool> alone(advance(bench.queue, account_number(1), 5));  // refused for what it has seen itself
  Begun<bool> stored(advance(bench.queue, account_number(0), 1, "a"));
  Begun<bool> refused(advance(bench.queue, account_number(0), 1, "b"));
  assert_true(bench.loop.run_until([&] { return bench.sent("EXEC") == 1; }));
  assert_true(alone.gave(false));
  assert_false(stored.done() || refused.done());
  bench.judge = nullptr;
  bench.proxy.release();
  assert_true(bench.loop.run_until([&] { return stored.done() && refused.done(); }));
  assert_true(stored.gave(true) && refused.gave(false));
}

// A command the overlay does not know: the next one looks for itself, in the next trip.
void who_cannot_be_told_what_the_one_before_leaves_looks_again(void**) {
  ChangeBench bench(redis->server());
  const AccountId id = account_number(0);
  Decide<bool> strange = [id](Seen, bool) -> Result<Decision<bool>> {
    return Decision<bool>{true, {Command("HINCRBY", counter_key(id), "n", 10)}};
  };
  Crowd<bool> first;
  Crowd<std::int64_t> next;
  join(first, run_change<bool>(bench.queue, id, look_at_counter(id), strange));
  join(next, increment(bench.queue, id));
  assert_true(bench.wait_for(first) && bench.wait_for(next));
  assert_true(first[0]->gave(true));
  assert_true(next[0]->gave(11));
  assert_int_equal(bench.sent("EXEC"), 2);
}

void what_came_in_the_meantime_is_the_next_batch(void**) {
  ChangeBench bench(redis->server());
  bench.judge = [&](std::string_view request) {
    return has(request, "EXEC") ? Verdict::hold : Verdict::forward;
  };
  Crowd<std::int64_t> crowd;
  join(crowd, increment(bench.queue, account_number(0)));
  assert_true(bench.loop.run_until([&] { return bench.sent("EXEC") == 1; }));
  for (std::size_t i = 1; i <= 20; ++i) {
    join(crowd, increment(bench.queue, account_number(i)));
    bench.loop.turn(1);
  }
  assert_int_equal(bench.sent("WATCH"), 1);
  bench.judge = nullptr;
  bench.proxy.release();
  assert_true(bench.wait_for(crowd));
  assert_int_equal(bench.sent("WATCH"), 2);
  assert_int_equal(bench.sent("EXEC"), 2);
}

// 300 of one account wait, then one of another comes.
void accounts_take_turns(void**) {
  ChangeBench bench(redis->server());
  Crowd<std::int64_t> busy;
  for (int i = 0; i < 300; ++i) {
    join(busy, increment(bench.queue, account_number(0), std::to_string(i)));
  }
  assert_true(bench.loop.run_until([&] { return bench.queue.in_flight() > 0; }));
  Crowd<std::int64_t> quiet;
  join(quiet, increment(bench.queue, account_number(1)));
  assert_true(bench.wait_for(quiet));
  assert_true(quiet[0]->gave(1));
  assert_true(bench.sent("EXEC") <= 2);
  assert_true(std::count_if(busy.begin(), busy.end(), [](const auto& change) { return change->done(); }) <
              200);
  assert_true(bench.wait_for(busy));
  assert_text(counter(0), "300");
}

void changes_of_one_account_keep_their_order(void**) {
  ChangeBench bench(redis->server(), 2);
  Crowd<std::int64_t> crowd;
  for (int i = 0; i < 150; ++i) {
    join(crowd, increment(bench.queue, account_number(0), std::to_string(i)));
  }
  assert_true(bench.wait_for(crowd));
  for (std::size_t i = 0; i < crowd.size(); ++i) {
    assert_true(crowd[i]->gave(static_cast<std::int64_t>(i) + 1));
  }
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
      cmocka_unit_test_setup(changes_of_different_accounts_share_one_transaction, flush),
      cmocka_unit_test_setup(no_more_than_32_accounts_share_one, flush),
      cmocka_unit_test_setup(what_shares_a_transaction_is_bounded_in_bytes_too, flush),
      cmocka_unit_test_setup(several_lanes_work_side_by_side, flush),
      cmocka_unit_test_setup(changes_of_one_account_are_never_in_two_lanes, flush),
      cmocka_unit_test_setup(
          of_ten_writers_of_the_same_sequence_one_is_stored_and_nine_are_refused_in_the_same_trip, flush),
      cmocka_unit_test_setup(each_change_of_an_account_goes_by_what_the_one_before_it_leaves, flush),
      cmocka_unit_test_setup(who_was_refused_because_of_a_write_before_it_is_told_once_that_has_been_written,
                             flush),
      cmocka_unit_test_setup(who_cannot_be_told_what_the_one_before_leaves_looks_again, flush),
      cmocka_unit_test_setup(what_came_in_the_meantime_is_the_next_batch, flush),
      cmocka_unit_test_setup(accounts_take_turns, flush),
      cmocka_unit_test_setup(changes_of_one_account_keep_their_order, flush),
  };
  return cmocka_run_group_tests_name("redis lanes", tests, start_redis, stop_redis);
}
