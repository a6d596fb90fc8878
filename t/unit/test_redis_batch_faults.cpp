// What goes wrong for a batch of changes: each is told what became of it, and who is not concerned is not
// harmed.
#include <algorithm>
#include <optional>

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

// Writes whatever it is told to, once it has looked at its counter.
Task<Result<bool>> write(ChangeQueue& queue, AccountId id, Command command) {
  Decide<bool> decide = [command](Seen, bool) -> Result<Decision<bool>> {
    return Decision<bool>{true, {command}};
  };
  return run_change<bool>(queue, id, look_at_counter(id), std::move(decide));
}

Crowd<std::int64_t> increments(ChangeBench& bench, std::size_t accounts) {
  Crowd<std::int64_t> crowd;
  for (std::size_t i = 0; i < accounts; ++i) {
    join(crowd, increment(bench.queue, account_number(i)));
  }
  return crowd;
}

void an_exec_in_vain_is_tried_again_in_smaller_batches_until_who_caused_it_is_alone(void**) {
  ChangeBench bench(redis->server());
  BlockingClient rival(redis->server());
  const std::string contended = counter_key(account_number(13));
  std::vector<std::size_t> sizes;
  bench.judge = [&](std::string_view request) {
    if (has(request, "EXEC")) {
      sizes.push_back(ChangeBench::count(request, "HSET"));
      if (request.find(contended) != request.npos && sizes.size() < 8) {
        rival("HINCRBY", contended, "n", 100);  // each time but the last
      }
    }
    return Verdict::forward;
  };
  auto crowd = increments(bench, 32);
  assert_true(bench.wait_for(crowd));
  for (std::size_t i = 0; i < crowd.size(); ++i) {
    assert_true(static_cast<bool>(crowd[i]->result()));
    assert_true(i == 13 || crowd[i]->gave(1));
  }
  assert_int_equal(sizes[0], 32);
  assert_in_range(sizes[1], 1, 16);
  assert_in_range(sizes.size(), 3, 40);
  assert_int_equal(bench.monitor.failures(), 0);
}

// A rival on another machine writes the account before each of our attempts. The others hardly notice.
void a_contended_account_does_not_starve_the_others(void**) {
  ChangeBench bench(redis->server(), 2);
  BlockingClient rival(redis->server());
  const std::string contended = counter_key(account_number(0));
  std::size_t in_vain = 0;
  bench.judge = [&](std::string_view request) {
    if (has(request, "EXEC") && request.find(contended) != request.npos) {
      in_vain += ChangeBench::count(request, "HSET") > ChangeBench::count(request, contended) ? 1U : 0U;
      rival("HINCRBY", contended, "n", 100);
    }
    return Verdict::forward;
  };
  Crowd<std::int64_t> contending;
  for (int round = 0; round < 20; ++round) {
    join(contending, increment(bench.queue, account_number(0), std::to_string(round)));
    Crowd<std::int64_t> quiet;
    for (std::size_t i = 1; i <= 20; ++i) {
      join(quiet, increment(bench.queue, account_number(i), std::to_string(round)));
    }
    assert_true(bench.wait_for(quiet));
    for (const auto& change : quiet) {
      assert_true(change->gave(round + 1));
    }
  }
  assert_in_range(in_vain, 1, 8);  // it took others with it only until it was known
  assert_true(bench.wait_for(contending));
  for (const auto& change : contending) {
    assert_true(change->failed_with(StoreError::contended));
  }
}

void dependents_of_an_exec_in_vain_decide_again(void**) {
  ChangeBench bench(redis->server());
  int execs = 0;
  bench.judge = [&](std::string_view request) {
    if (has(request, "EXEC") && ++execs == 1) {
      (*redis)("HSET", counter_key(account_number(0)), "n", 1);  // another machine stores sequence 1
    }
    return Verdict::forward;
  };
  Crowd<bool> crowd;
  for (int sequence : {1, 1, 2, 3, 1}) {
    join(crowd, advance(bench.queue, account_number(0), sequence, std::to_string(crowd.size())));
  }
  assert_true(bench.wait_for(crowd));
  // Of ours none may store 1; 2 and 3 follow upon the other's.
  const std::vector<bool> stored{false, false, true, true, false};
  for (std::size_t i = 0; i < crowd.size(); ++i) {
    assert_true(crowd[i]->gave(stored[i]));
  }
  assert_text(counter(0), "3");
}

void after_a_lost_exec_each_change_reads_back_its_own_mark(void**) {
  for (const Verdict fault : {Verdict::cut_reply, Verdict::cut}) {
    (*redis)("FLUSHALL");
    ChangeBench bench(redis->server());
    int execs = 0;
    bench.judge = [&](std::string_view request) {
      return has(request, "EXEC") && ++execs == 1 ? fault : Verdict::forward;
    };
    Crowd<bool> crowd;
    for (std::size_t i = 0; i < 10; ++i) {
      join(crowd, advance(bench.queue, account_number(i), 1, "mark" + std::to_string(i)));
    }
    Crowd<bool> same;  // of one account, and of those one is stored
    for (int i = 0; i < 3; ++i) {
      join(same, advance(bench.queue, account_number(99), 1, "same" + std::to_string(i)));
    }
    assert_true(bench.wait_for(crowd) && bench.wait_for(same));
    for (std::size_t i = 0; i < crowd.size(); ++i) {
      assert_true(crowd[i]->gave(true));
      assert_text(counter(i), "1");
    }
    assert_int_equal(
        std::count_if(same.begin(), same.end(), [](const auto& change) { return change->gave(true); }), 1);
    assert_text(counter(99), "1");
    assert_int_equal(execs, fault == Verdict::cut ? 2 : 1);
    assert_int_equal(bench.monitor.counted(Counter::outcomes_read_back), 11);
    assert_int_equal(bench.monitor.failures(), 0);
  }
}

void a_member_whose_key_has_another_type_fails_alone(void**) {
  ChangeBench bench(redis->server());
  (*redis)("LPUSH", counter_key(account_number(3)), "a list");
  auto crowd = increments(bench, 8);
  assert_true(bench.wait_for(crowd));
  for (std::size_t i = 0; i < crowd.size(); ++i) {
    assert_true(i == 3 ? crowd[i]->failed_with(StoreError::refused) : crowd[i]->gave(1));
  }
  assert_int_equal(bench.sent("EXEC"), 1);
  assert_int_equal(bench.monitor.counted(Counter::connections_lost), 0);
}

void a_member_whose_write_fails_inside_exec_fails_alone(void**) {
  ChangeBench bench(redis->server());
  (*redis)("LPUSH", "list", "x");
  auto before = increments(bench, 3);
  Crowd<bool> failing;
  join(failing, write(bench.queue, account_number(50), Command("HSET", "list", "f", "v")));
  Crowd<std::int64_t> after;
  join(after, increment(bench.queue, account_number(51)));
  assert_true(bench.wait_for(before) && bench.wait_for(failing) && bench.wait_for(after));
  assert_true(failing[0]->failed_with(StoreError::internal));
  for (const auto& change : before) {
    assert_true(change->gave(1));
  }
  assert_true(after[0]->gave(1));
  assert_int_equal(bench.sent("EXEC"), 1);
}

// Redis refuses it when it is queued, so nothing runs. Each is tried alone, and only one is refused.
void a_member_whose_command_is_refused_is_found_and_refused_alone(void**) {
  ChangeBench bench(redis->server());
  auto crowd = increments(bench, 8);
  Crowd<bool> guilty;
  join(guilty, write(bench.queue, account_number(50), Command("HSET", "k", "no value")));
  assert_true(bench.wait_for(crowd) && bench.wait_for(guilty));
  assert_true(guilty[0]->failed_with(StoreError::refused));
  for (const auto& change : crowd) {
    assert_true(change->gave(1));
  }
  assert_int_equal(bench.monitor.counted(Counter::connections_lost), 0);
}

void when_redis_refuses_all_writes_the_batch_is_not_taken_apart(void**) {
  RedisServer full;
  ChangeBench bench(full.server());
  full("CONFIG", "SET", "maxmemory", 1);
  auto crowd = increments(bench, 20);
  Crowd<bool> reading;
  join(reading, advance(bench.queue, account_number(50), 7));  // it writes nothing
  assert_true(bench.wait_for(crowd) && bench.wait_for(reading));
  for (const auto& change : crowd) {
    assert_true(change->failed_with(StoreError::refused));
  }
  assert_true(reading[0]->gave(false));
  assert_int_equal(bench.sent("EXEC"), 1);
  assert_int_equal(bench.monitor.lines_with("OOM"), 1);
  assert_int_equal(bench.monitor.counted(Counter::connections_lost), 0);
  assert_int_equal(bench.monitor.counted(Counter::store_refused), 20);
}

void nonsense_in_one_account_fails_nobody_else(void**) {
  ChangeBench bench(redis->server());
  auto crowd = increments(bench, 3);
  Decide<bool> decide = [](Seen, bool) -> Result<Decision<bool>> { return StoreError::internal; };
  Crowd<bool> failing;
  join(failing,
       run_change<bool>(bench.queue, account_number(50), look_at_counter(account_number(50)), decide));
  assert_true(bench.wait_for(crowd) && bench.wait_for(failing));
  assert_true(failing[0]->failed_with(StoreError::internal));
  for (const auto& change : crowd) {
    assert_true(change->gave(1));
  }
}

// In each phase: it waits for a lane, for what it looks at, for EXEC.
void a_change_that_goes_away_takes_nobody_with_it(void**) {
  enum class Phase { queued, looking, executing };
  for (const Phase phase : {Phase::queued, Phase::looking, Phase::executing}) {
    (*redis)("FLUSHALL");
    ChangeBench bench(redis->server());
    const std::string_view held = phase == Phase::executing ? "EXEC" : "WATCH";
    bench.judge = [&](std::string_view request) {
      return has(request, held) ? Verdict::hold : Verdict::forward;
    };
    Crowd<std::int64_t> first;
    if (phase == Phase::queued) {
      join(first, increment(bench.queue, account_number(100)));
      assert_true(bench.loop.run_until([&] { return bench.sent(held) == 1; }));
    }
    auto crowd = increments(bench, 5);
    join(crowd, increment(bench.queue, account_number(0), "second of the account"));
    if (phase != Phase::queued) {
      assert_true(bench.loop.run_until([&] { return bench.sent(held) == 1; }));
    }
    crowd[0].reset();
    crowd[3].reset();
    bench.judge = nullptr;
    bench.proxy.release();
    assert_true(bench.wait_for(crowd) && bench.wait_for(first));
    assert_true(crowd[1]->gave(1) && crowd[2]->gave(1) && crowd[4]->gave(1));
    // What had been sent has run; what had not, not.
    const bool ran = phase == Phase::executing;
    assert_true(crowd[5]->gave(ran ? 2 : 1));
    assert_text(counter(3), ran ? "1" : "");
    assert_int_equal(bench.queue.waiting() + bench.queue.in_flight(), 0);
    assert_int_equal(bench.monitor.counted(Counter::connections_lost), 0);
  }
}

void a_batch_that_goes_away_as_a_whole_leaves_a_clean_lane(void**) {
  for (const std::string_view held : {"WATCH", "EXEC"}) {
    (*redis)("FLUSHALL");
    ChangeBench bench(redis->server());
    bench.judge = [&](std::string_view request) {
      return has(request, held) ? Verdict::hold : Verdict::forward;
    };
    auto crowd = increments(bench, 5);
    assert_true(bench.loop.run_until([&] { return bench.sent(held) == 1; }));
    crowd.clear();
    bench.judge = nullptr;
    bench.proxy.release();
    Crowd<std::int64_t> next;
    join(next, increment(bench.queue, account_number(7)));
    assert_true(bench.wait_for(next));
    assert_true(next[0]->gave(1));
    assert_int_equal(bench.monitor.counted(Counter::transaction_retries), 0);
    assert_int_equal(bench.monitor.counted(Counter::connections_lost), 0);
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
      cmocka_unit_test_setup(an_exec_in_vain_is_tried_again_in_smaller_batches_until_who_caused_it_is_alone,
                             flush),
      cmocka_unit_test_setup(a_contended_account_does_not_starve_the_others, flush),
      cmocka_unit_test_setup(dependents_of_an_exec_in_vain_decide_again, flush),
      cmocka_unit_test_setup(after_a_lost_exec_each_change_reads_back_its_own_mark, flush),
      cmocka_unit_test_setup(a_member_whose_key_has_another_type_fails_alone, flush),
      cmocka_unit_test_setup(a_member_whose_write_fails_inside_exec_fails_alone, flush),
      cmocka_unit_test_setup(a_member_whose_command_is_refused_is_found_and_refused_alone, flush),
      cmocka_unit_test_setup(when_redis_refuses_all_writes_the_batch_is_not_taken_apart, flush),
      cmocka_unit_test_setup(nonsense_in_one_account_fails_nobody_else, flush),
      cmocka_unit_test_setup(a_change_that_goes_away_takes_nobody_with_it, flush),
      cmocka_unit_test_setup(a_batch_that_goes_away_as_a_whole_leaves_a_clean_lane, flush),
  };
  return cmocka_run_group_tests_name("redis: faults of a batch", tests, start_redis, stop_redis);
}
