// Connections for transactions: who gets one, who waits, and what comes back.
#include <memory>
#include <optional>

#include "pool.hpp"
#include "redis_fixture.hpp"
#include "redis_proxy.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;

struct Bench {
  explicit Bench(Server where)
      : server(std::move(where)), link(loop, server, monitor), pool(loop, server, monitor, link) {
    assert_true(loop.run_until([&] { return monitor.counted(Counter::connects) > 0 || link.known_down(); }));
  }
  LibeventLoop loop;
  TestMonitor monitor;
  Server server;
  Link link;
  Pool pool;
};

Server with_pool(Server server, std::size_t size) {
  server.pool = size;
  return server;
}

Task<Result<Lease>> take(Pool& pool) { co_return co_await pool.lease(); }

// Uses a connection and gives it back clean. 0: no connection; otherwise the server's number for it.
Task<std::int64_t> use(Pool& pool) {
  auto lease = co_await pool.lease();
  if (!lease) {
    co_return 0;
  }
  const Commands commands{Command("CLIENT", "ID")};
  auto replies = co_await lease->connection().send(commands);
  if (!replies) {
    co_return -1;
  }
  lease->release();
  co_return (*replies)[0].integer;
}

// Asks for what never comes, and drops the lease when the connection is lost.
Task<bool> hang(Pool& pool) {
  auto lease = co_await pool.lease();
  if (!lease) {
    co_return false;
  }
  const Commands commands{Command("BLPOP", "nothing", 0)};
  auto replies = co_await lease->connection().send(commands);
  co_return static_cast<bool>(replies);
}

int blocked_clients() {
  const std::string info = (*redis)("INFO", "clients").text;
  return std::atoi(info.c_str() + info.find("blocked_clients:") + 16);
}

void connections_are_opened_as_they_are_needed_and_kept(void**) {
  Bench bench(redis->server());
  assert_int_equal(bench.pool.open(), 0);
  const auto first = finish(bench.loop, use(bench.pool));
  assert_true(first > 0);
  assert_int_equal(bench.pool.open(), 1);
  assert_int_equal(finish(bench.loop, use(bench.pool)), first);
  assert_int_equal(bench.pool.leased(), 0);
}

void no_more_are_opened_than_the_limit(void**) {
  Bench bench(with_pool(redis->server(), 3));
  std::vector<Task<std::int64_t>> tasks;
  for (int i = 0; i < 50; ++i) {
    tasks.push_back(use(bench.pool));
  }
  for (const std::int64_t id : finish_all(bench.loop, tasks)) {
    assert_true(id > 0);
  }
  assert_int_equal(bench.pool.open(), 3);
  assert_int_equal(bench.pool.leased(), 0);
}

void one_connection_serves_all_in_turn(void**) {
  Bench bench(with_pool(redis->server(), 1));
  std::vector<Task<std::int64_t>> tasks;
  for (int i = 0; i < 100; ++i) {
    tasks.push_back(use(bench.pool));
  }
  const auto ids = finish_all(bench.loop, tasks);
  for (const std::int64_t id : ids) {
    assert_true(id > 0 && id == ids[0]);
  }
}

void who_waits_in_vain_is_told_after_command_timeout(void**) {
  Server server = with_pool(redis->server(), 1);
  server.command_timeout_ms = 300;
  Bench bench(server);
  auto held = finish(bench.loop, take(bench.pool));
  assert_true(static_cast<bool>(held));
  const std::int64_t begin = bench.loop.now_ms();
  assert_int_equal(finish(bench.loop, use(bench.pool)), 0);
  assert_in_range(bench.loop.now_ms() - begin, 290, 2000);
  held->release();
  assert_true(finish(bench.loop, use(bench.pool)) > 0);
}

void who_came_first_is_served_first(void**) {
  Bench bench(with_pool(redis->server(), 1));
  auto held = finish(bench.loop, take(bench.pool));
  auto first = use(bench.pool);
  auto second = use(bench.pool);
  first.start();
  second.start();
  held->release();
  assert_true(bench.loop.run_until([&] { return first.done(); }));
  assert_false(second.done());
  assert_true(bench.loop.run_until([&] { return second.done(); }));
}

void a_lease_that_is_not_released_closes_its_connection(void**) {
  Bench bench(with_pool(redis->server(), 1));
  const auto before = finish(bench.loop, use(bench.pool));
  { auto lease = finish(bench.loop, take(bench.pool)); }
  assert_int_equal(bench.pool.open(), 0);
  assert_int_equal(bench.pool.leased(), 0);
  const auto after = finish(bench.loop, use(bench.pool));
  assert_true(after > 0 && after != before);
}

void a_closed_lease_makes_room_for_who_waits(void**) {
  Bench bench(with_pool(redis->server(), 1));
  std::optional<Result<Lease>> held = finish(bench.loop, take(bench.pool));
  auto waiting = use(bench.pool);
  waiting.start();
  held.reset();
  assert_true(bench.loop.run_until([&] { return waiting.done(); }));
  assert_true(waiting.take() > 0);
}

void who_goes_away_while_waiting_is_forgotten(void**) {
  Bench bench(with_pool(redis->server(), 1));
  auto held = finish(bench.loop, take(bench.pool));
  {
    auto gone = use(bench.pool);
    gone.start();
  }
  auto stays = use(bench.pool);
  stays.start();
  held->release();
  assert_true(bench.loop.run_until([&] { return stays.done(); }));
  assert_true(stays.take() > 0);
}

void who_goes_away_just_when_it_is_served_passes_the_connection_on(void**) {
  Bench bench(with_pool(redis->server(), 1));
  auto held = finish(bench.loop, take(bench.pool));
  std::optional<Task<std::int64_t>> gone = use(bench.pool);
  auto stays = use(bench.pool);
  gone->start();
  stays.start();
  held->release();  // decided for the first, whose turn has not come yet
  gone.reset();
  assert_true(bench.loop.run_until([&] { return stays.done(); }));
  assert_true(stays.take() > 0);
  assert_int_equal(bench.pool.leased(), 0);
  assert_int_equal(bench.pool.open(), 1);
}

void an_idle_connection_that_dies_is_dropped(void**) {
  Bench bench(redis->server());
  assert_true(finish(bench.loop, use(bench.pool)) > 0);
  (*redis)("CLIENT", "KILL", "TYPE", "normal");
  assert_true(bench.loop.run_until([&] { return bench.pool.open() == 0; }));
  assert_int_equal(bench.monitor.counted(Counter::connections_lost), 2);
}

void a_leased_connection_that_dies_is_counted_as_lost(void**) {
  Bench bench(redis->server());
  auto task = hang(bench.pool);
  task.start();
  assert_true(bench.loop.run_until([] { return blocked_clients() == 1; }));
  (*redis)("CLIENT", "KILL", "TYPE", "normal");
  assert_true(bench.loop.run_until([&] { return task.done(); }));
  assert_false(task.take());
  assert_true(bench.loop.run_until([&] { return bench.monitor.counted(Counter::connects) >= 3; }));
  assert_int_equal(bench.monitor.counted(Counter::connections_lost), 2);
}

// All that lie idle die at the same moment, and a request comes in the same turn.
void dead_idle_connections_are_not_handed_out(void**) {
  Bench bench(with_pool(redis->server(), 8));
  std::vector<Task<std::int64_t>> tasks;
  for (int i = 0; i < 8; ++i) {
    tasks.push_back(use(bench.pool));
  }
  finish_all(bench.loop, tasks);
  assert_int_equal(bench.pool.open(), 8);
  (*redis)("CLIENT", "KILL", "TYPE", "normal");
  auto late = use(bench.pool);
  bool started = false;
  bench.loop.before_posted = [&] {
    if (!started) {
      started = true;
      late.start();
    }
  };
  assert_true(bench.loop.run_until([&] { return late.done(); }));
  assert_true(late.take() > 0);
}

void while_redis_is_known_down_nobody_waits(void**) {
  RedisServer mortal;
  Bench bench(mortal.server());
  mortal.kill();
  assert_true(bench.loop.run_until([&] { return bench.link.known_down(); }));
  auto task = use(bench.pool);
  task.start();
  assert_true(task.done());
  assert_int_equal(task.take(), 0);
}

void all_who_wait_for_a_connection_that_cannot_be_made_are_told_at_once(void**) {
  RedisServer mortal;
  Bench bench(mortal.server());
  mortal.kill();
  std::vector<Task<std::int64_t>> tasks;  // before the link knows
  for (int i = 0; i < 40; ++i) {
    tasks.push_back(use(bench.pool));
  }
  const std::int64_t begin = bench.loop.now_ms();
  for (const std::int64_t id : finish_all(bench.loop, tasks)) {
    assert_int_equal(id, 0);
  }
  assert_in_range(bench.loop.now_ms() - begin, 0, 1000);
  assert_int_equal(bench.pool.open(), 0);
}

// A server with room for three: the link and two of the pool's four.
void a_connection_that_is_refused_does_not_fail_who_can_wait_for_another(void**) {
  RedisServer small({"--maxclients", "3"});
  Bench bench(with_pool(small.server(), 4));
  std::vector<Task<std::int64_t>> tasks;
  for (int i = 0; i < 2; ++i) {
    tasks.push_back(use(bench.pool));
  }
  finish_all(bench.loop, tasks);
  assert_int_equal(bench.pool.open(), 2);
  auto one = finish(bench.loop, take(bench.pool));
  auto two = finish(bench.loop, take(bench.pool));
  auto waiting = use(bench.pool);
  waiting.start();
  assert_true(bench.loop.run_until([&] { return bench.monitor.lines_with("no connection to Redis") > 0; }));
  one->release();
  two->release();
  assert_true(bench.loop.run_until([&] { return waiting.done(); }));
  assert_true(waiting.take() > 0);
}

void a_pool_destroyed_while_it_connects_leaves_no_socket(void**) {
  for (int turns = 0; turns < 6; ++turns) {
    LibeventLoop loop;
    TestMonitor monitor;
    const Server server = redis->server();
    {
      Link link(loop, server, monitor);
      Pool pool(loop, server, monitor, link);
      auto task = use(pool);
      task.start();
      for (int i = 0; i < turns; ++i) {
        loop.turn(20);
      }
    }
    loop.turn(0);
    assert_int_equal(loop.sockets(), 0);
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
      cmocka_unit_test_setup(connections_are_opened_as_they_are_needed_and_kept, flush),
      cmocka_unit_test_setup(no_more_are_opened_than_the_limit, flush),
      cmocka_unit_test_setup(one_connection_serves_all_in_turn, flush),
      cmocka_unit_test_setup(who_waits_in_vain_is_told_after_command_timeout, flush),
      cmocka_unit_test_setup(who_came_first_is_served_first, flush),
      cmocka_unit_test_setup(a_lease_that_is_not_released_closes_its_connection, flush),
      cmocka_unit_test_setup(a_closed_lease_makes_room_for_who_waits, flush),
      cmocka_unit_test_setup(who_goes_away_while_waiting_is_forgotten, flush),
      cmocka_unit_test_setup(who_goes_away_just_when_it_is_served_passes_the_connection_on, flush),
      cmocka_unit_test_setup(an_idle_connection_that_dies_is_dropped, flush),
      cmocka_unit_test_setup(a_leased_connection_that_dies_is_counted_as_lost, flush),
      cmocka_unit_test_setup(dead_idle_connections_are_not_handed_out, flush),
      cmocka_unit_test_setup(while_redis_is_known_down_nobody_waits, flush),
      cmocka_unit_test_setup(all_who_wait_for_a_connection_that_cannot_be_made_are_told_at_once, flush),
      cmocka_unit_test_setup(a_connection_that_is_refused_does_not_fail_who_can_wait_for_another, flush),
      cmocka_unit_test_setup(a_pool_destroyed_while_it_connects_leaves_no_socket, flush),
  };
  return cmocka_run_group_tests_name("redis pool", tests, start_redis, stop_redis);
}
