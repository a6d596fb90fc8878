// WATCH, look, decide, MULTI … EXEC: what each answer of Redis, or none, makes of a transaction. What happens
// between two steps is forced by `decide`, which runs between them, or by a proxy.
#include <functional>
#include <optional>

#include "redis_fixture.hpp"
#include "redis_proxy.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;
using Verdict = RedisProxy::Verdict;

bool has(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// Increments the number at "n" and nothing else; the outcome is what it wrote.
struct Bench {
  explicit Bench(Server where)
      : server(std::move(where)),
        link(loop, server, monitor),
        pool(loop, server, monitor, link),
        transactions(pool, link, monitor) {
    assert_true(loop.run_until([&] { return monitor.counted(Counter::connects) > 0 || link.known_down(); }));
  }

  Task<Result<std::int64_t>> increment() {
    Commands look;
    look.emplace_back("WATCH", "n");
    look.emplace_back("GET", "n");
    auto decide = [this](const Replies& seen, bool maybe_written) -> Result<Decision<std::int64_t>> {
      ++decisions;
      told_maybe_written = maybe_written;
      if (meanwhile) {
        meanwhile();
      }
      const std::int64_t next = to_integer(seen[0].text).value_or(0) + 1;
      return Decision<std::int64_t>{next, {Command("SET", "n", next)}};
    };
    co_return co_await transactions.run<std::int64_t>(std::move(look), decide);
  }
  Result<std::int64_t> run() { return finish(loop, increment()); }

  LibeventLoop loop;
  TestMonitor monitor;
  Server server;
  Link link;
  Pool pool;
  Transactions transactions;
  std::function<void()> meanwhile;
  int decisions = 0;
  bool told_maybe_written = false;
};

void a_transaction_commits_and_gives_its_connection_back(void**) {
  Bench bench(redis->server());
  assert_int_equal(*bench.run(), 1);
  assert_int_equal(*bench.run(), 2);
  assert_text((*redis)("GET", "n").text, "2");
  assert_int_equal(bench.pool.open(), 1);
  assert_int_equal(bench.pool.leased(), 0);
  assert_int_equal(bench.monitor.counted(Counter::transactions), 2);
  assert_int_equal(bench.monitor.failures(), 0);
}

void a_watched_key_that_changes_makes_it_decide_again(void**) {
  Bench bench(redis->server());
  bench.meanwhile = [&] {
    if (bench.decisions == 1) (*redis)("SET", "n", 41);
  };
  assert_int_equal(*bench.run(), 42);
  assert_int_equal(bench.decisions, 2);
  assert_false(bench.told_maybe_written);
  assert_int_equal(bench.monitor.counted(Counter::transaction_retries), 1);
  assert_text((*redis)("GET", "n").text, "42");
}

void when_each_attempt_is_overtaken_it_ends_as_contended(void**) {
  Bench bench(redis->server());
  BlockingClient rival(redis->server());
  bench.meanwhile = [&] { rival("INCRBY", "n", 100); };
  const auto result = bench.run();
  assert_true(result.error() == StoreError::contended);
  assert_in_range(bench.decisions, 16, 1000);
  assert_text((*redis)("GET", "n").text, std::to_string(100 * bench.decisions));
  assert_int_equal(bench.monitor.counted(Counter::store_contended), 1);
  assert_int_equal(bench.pool.leased(), 0);
}

void side_by_side_transactions_lose_no_update(void**) {
  Server server = redis->server();
  server.pool = 8;
  Bench bench(server);
  std::vector<Task<Result<std::int64_t>>> tasks;
  for (int i = 0; i < 60; ++i) {
    tasks.push_back(bench.increment());
  }
  for (const auto& result : finish_all(bench.loop, tasks)) {
    assert_true(static_cast<bool>(result));
  }
  assert_text((*redis)("GET", "n").text, "60");
}

void nothing_to_write_ends_it_without_exec_and_leaves_no_watch_behind(void**) {
  Bench bench(redis->server());
  const auto only_look = [&]() -> Task<Result<int>> {
    Commands look{Command("WATCH", "n"), Command("GET", "n")};
    auto decide = [](const Replies&, bool) -> Result<Decision<int>> { return Decision<int>{7, {}}; };
    co_return co_await bench.transactions.run<int>(std::move(look), decide);
  };
  assert_int_equal(*finish(bench.loop, only_look()), 7);
  (*redis)("SET", "n", 5);  // would fail the next EXEC on this connection
  assert_int_equal(*bench.run(), 6);
  assert_int_equal(bench.decisions, 1);
  assert_int_equal(bench.pool.open(), 1);
}

void data_that_make_no_sense_are_an_internal_error(void**) {
  Bench bench(redis->server());
  const auto refuse = [&]() -> Task<Result<int>> {
    Commands look{Command("WATCH", "n"), Command("GET", "n")};
    auto decide = [](const Replies&, bool) -> Result<Decision<int>> { return StoreError::internal; };
    co_return co_await bench.transactions.run<int>(std::move(look), decide);
  };
  assert_true(finish(bench.loop, refuse()).error() == StoreError::internal);
  assert_int_equal(bench.monitor.counted(Counter::store_internal), 1);
  assert_int_equal(*bench.run(), 1);
}

void a_look_that_redis_refuses_closes_the_connection(void**) {
  Bench bench(redis->server());
  (*redis)("LPUSH", "n", "a list");
  assert_true(bench.run().error() == StoreError::refused);
  assert_int_equal(bench.decisions, 0);
  assert_int_equal(bench.pool.open(), 0);
  assert_int_equal(bench.monitor.counted(Counter::store_refused), 1);
  assert_int_equal(bench.monitor.lines_with("WRONGTYPE"), 1);
}

void a_write_that_fails_inside_exec_is_an_internal_error(void**) {
  Bench bench(redis->server());
  (*redis)("LPUSH", "list", "x");
  const auto clash = [&]() -> Task<Result<int>> {
    Commands look{Command("WATCH", "n"), Command("GET", "n")};
    auto decide = [](const Replies&, bool) -> Result<Decision<int>> {
      return Decision<int>{7, {Command("HSET", "list", "f", "v")}};
    };
    co_return co_await bench.transactions.run<int>(std::move(look), decide);
  };
  assert_true(finish(bench.loop, clash()).error() == StoreError::internal);
  assert_int_equal(bench.monitor.counted(Counter::store_internal), 1);
  assert_int_equal(bench.monitor.lines_with("in part"), 1);
}

void out_of_memory_is_refused_and_over_when_there_is_memory_again(void**) {
  RedisServer full;
  Bench bench(full.server());
  assert_int_equal(*bench.run(), 1);
  full("CONFIG", "SET", "maxmemory", 1);
  assert_true(bench.run().error() == StoreError::refused);
  assert_text(full("GET", "n").text, "1");
  assert_int_equal(bench.monitor.counted(Counter::store_refused), 1);
  assert_int_equal(bench.monitor.lines_with("OOM"), 1);
  full("CONFIG", "SET", "maxmemory", 0);
  assert_int_equal(*bench.run(), 2);
}

void a_demoted_master_is_refused_then_unavailable_then_used_again(void**) {
  RedisServer demoted;
  Bench bench(demoted.server());
  assert_int_equal(*bench.run(), 1);
  demoted("REPLICAOF", "127.0.0.1", redis->tcp_server().port);
  assert_true(bench.run().error() == StoreError::refused);
  assert_int_equal(bench.monitor.lines_with("READONLY"), 2);  // the transaction's line, and the link's
  assert_true(bench.loop.run_until([&] { return bench.link.known_down(); }));
  assert_true(bench.run().error() == StoreError::unavailable);
  demoted("REPLICAOF", "NO", "ONE");
  assert_true(bench.loop.run_until([&] { return !bench.link.known_down(); }));
  const auto again = bench.run();
  assert_true(static_cast<bool>(again));
}

void stale_connections_are_replaced_without_the_caller_noticing(void**) {
  Server server = redis->server();
  server.pool = 8;
  Bench bench(server);
  std::vector<Task<Result<std::int64_t>>> tasks;
  for (int i = 0; i < 8; ++i) {
    tasks.push_back(bench.increment());
  }
  finish_all(bench.loop, tasks);
  assert_true(bench.pool.open() > 1);
  (*redis)("CLIENT", "KILL", "TYPE", "normal");
  assert_int_equal(*bench.run(), 9);
  assert_int_equal(bench.monitor.failures(), 0);
}

// The proxy's bench: the store's loop has to be the proxy's.
struct Proxied {
  explicit Proxied(Server where = redis->server()) : proxy(loop, std::move(where)), server(proxy.server()) {}
  void open() {
    link.emplace(loop, server, monitor);
    pool.emplace(loop, server, monitor, *link);
    transactions.emplace(*pool, *link, monitor);
    assert_true(loop.run_until([&] { return monitor.counted(Counter::connects) > 0; }));
  }
  // Appends `word` to the list of words at "n" unless it is there already.
  Task<Result<std::string>> append(std::string word) {
    Commands look{Command("WATCH", "n"), Command("GET", "n")};
    auto decide = [&](const Replies& seen, bool maybe_written) -> Result<Decision<std::string>> {
      told.push_back(maybe_written);
      if (maybe_written && has(seen[0].text, word)) {
        return Decision<std::string>{seen[0].text, {}};
      }
      const std::string next = seen[0].text + word;
      return Decision<std::string>{next, {Command("SET", "n", next)}};
    };
    co_return co_await transactions->run<std::string>(std::move(look), decide);
  }
  Result<std::string> run(std::string word) { return finish(loop, append(std::move(word))); }

  LibeventLoop loop;
  TestMonitor monitor;
  RedisProxy proxy;
  Server server;
  std::optional<Link> link;
  std::optional<Pool> pool;
  std::optional<Transactions> transactions;
  std::vector<bool> told;
};

void an_exec_whose_answer_is_lost_is_read_back_and_not_repeated(void**) {
  Proxied bench;
  bench.open();
  int cuts = 0;
  bench.proxy.judge = [&](std::string_view request) {
    return has(request, "EXEC") && ++cuts == 1 ? Verdict::cut_reply : Verdict::forward;
  };
  assert_text(*bench.run("one "), "one ");
  assert_text((*redis)("GET", "n").text, "one ");
  assert_int_equal(cuts, 1);
  assert_true(bench.told == std::vector<bool>({false, true}));
  assert_int_equal(bench.monitor.counted(Counter::outcomes_read_back), 1);
  assert_int_equal(bench.monitor.failures(), 0);
}

void an_exec_that_never_arrived_is_written_after_reading_back(void**) {
  Proxied bench;
  bench.open();
  int cuts = 0;
  bench.proxy.judge = [&](std::string_view request) {
    return has(request, "EXEC") && ++cuts == 1 ? Verdict::cut : Verdict::forward;
  };
  assert_text(*bench.run("one "), "one ");
  assert_text((*redis)("GET", "n").text, "one ");
  assert_int_equal(cuts, 2);
  assert_int_equal(bench.monitor.failures(), 0);
}

void an_exec_whose_answer_is_lost_is_unknown_when_reading_back_fails_too(void**) {
  Proxied bench;
  bench.open();
  bool lost = false;
  bench.proxy.judge = [&](std::string_view request) {
    if (has(request, "EXEC")) {
      lost = true;
      return Verdict::cut_reply;
    }
    return lost ? Verdict::cut : Verdict::forward;
  };
  assert_true(bench.run("one ").error() == StoreError::unknown);
  assert_text((*redis)("GET", "n").text, "one ");
  assert_int_equal(bench.monitor.counted(Counter::store_unknown), 1);
  assert_int_equal(bench.monitor.failures(), 1);
}

void a_look_that_is_cut_is_repeated_but_not_for_ever(void**) {
  Proxied bench;
  bench.open();
  int looks = 0;
  int cuts = 2;
  bench.proxy.judge = [&](std::string_view request) {
    return has(request, "WATCH") && ++looks <= cuts ? Verdict::cut : Verdict::forward;
  };
  assert_text(*bench.run("one "), "one ");
  looks = 0;
  cuts = 1000;
  assert_true(bench.run("two ").error() == StoreError::unavailable);
  assert_in_range(looks, 2, 10);
  assert_text((*redis)("GET", "n").text, "one ");
}

void a_look_without_an_answer_is_unavailable_after_one_timeout(void**) {
  Server server = redis->server();
  server.command_timeout_ms = 400;
  Proxied bench(server);
  bench.open();
  bench.proxy.judge = [&](std::string_view request) {
    return has(request, "WATCH") ? Verdict::hold : Verdict::forward;
  };
  const std::int64_t begin = bench.loop.now_ms();
  assert_true(bench.run("one ").error() == StoreError::unavailable);
  assert_in_range(bench.loop.now_ms() - begin, 390, 1500);
  assert_int_equal(bench.monitor.counted(Counter::store_unavailable), 1);
}

void who_waits_behind_a_hanging_connection_is_answered_in_time(void**) {
  Server server = redis->server();
  server.command_timeout_ms = 400;
  server.pool = 1;
  Proxied bench(server);
  bench.open();
  bench.proxy.judge = [&](std::string_view request) {
    return has(request, "WATCH") ? Verdict::hold : Verdict::forward;
  };
  std::vector<Task<Result<std::string>>> tasks;
  for (int i = 0; i < 10; ++i) {
    tasks.push_back(bench.append("x"));
  }
  const std::int64_t begin = bench.loop.now_ms();
  for (const auto& result : finish_all(bench.loop, tasks)) {
    assert_true(result.error() == StoreError::unavailable);
  }
  assert_in_range(bench.loop.now_ms() - begin, 390, 2500);
  assert_int_equal(bench.monitor.counted(Counter::store_unavailable), 10);
}

void many_transactions_share_one_connection(void**) {
  Server server = redis->server();
  server.pool = 1;
  Bench bench(server);
  std::vector<Task<Result<std::int64_t>>> tasks;
  for (int i = 0; i < 100; ++i) {
    tasks.push_back(bench.increment());
  }
  for (const auto& result : finish_all(bench.loop, tasks)) {
    assert_true(static_cast<bool>(result));
  }
  assert_text((*redis)("GET", "n").text, "100");
  assert_int_equal(bench.pool.open(), 1);
}

void a_server_that_dies_and_comes_back_is_unavailable_in_between_only(void**) {
  RedisServer mortal;
  Bench bench(mortal.server());
  assert_int_equal(*bench.run(), 1);
  mortal.kill();
  const std::int64_t begin = bench.loop.now_ms();
  for (int i = 0; i < 20; ++i) {
    assert_true(bench.run().error() == StoreError::unavailable);
  }
  assert_in_range(bench.loop.now_ms() - begin, 0, 1000);
  assert_int_equal(bench.monitor.counted(Counter::store_unavailable), 20);
  mortal.restart();
  assert_true(bench.loop.run_until([&] { return !bench.link.known_down(); }));
  assert_int_equal(*bench.run(), 2);
}

void a_frozen_server_is_unavailable_in_time_and_at_once_when_known(void**) {
  RedisServer frozen;
  Server server = frozen.server();
  server.connect_timeout_ms = 300;
  server.command_timeout_ms = 400;
  Bench bench(server);
  assert_int_equal(*bench.run(), 1);
  frozen.freeze();
  const std::int64_t begin = bench.loop.now_ms();
  assert_true(bench.run().error() == StoreError::unavailable);
  assert_in_range(bench.loop.now_ms() - begin, 390, 1500);
  frozen.thaw();
  const auto result = bench.run();
  assert_true(static_cast<bool>(result));
  assert_text(frozen("GET", "n").text, "2");
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
      cmocka_unit_test_setup(a_transaction_commits_and_gives_its_connection_back, flush),
      cmocka_unit_test_setup(a_watched_key_that_changes_makes_it_decide_again, flush),
      cmocka_unit_test_setup(when_each_attempt_is_overtaken_it_ends_as_contended, flush),
      cmocka_unit_test_setup(side_by_side_transactions_lose_no_update, flush),
      cmocka_unit_test_setup(nothing_to_write_ends_it_without_exec_and_leaves_no_watch_behind, flush),
      cmocka_unit_test_setup(data_that_make_no_sense_are_an_internal_error, flush),
      cmocka_unit_test_setup(a_look_that_redis_refuses_closes_the_connection, flush),
      cmocka_unit_test_setup(a_write_that_fails_inside_exec_is_an_internal_error, flush),
      cmocka_unit_test_setup(out_of_memory_is_refused_and_over_when_there_is_memory_again, flush),
      cmocka_unit_test_setup(a_demoted_master_is_refused_then_unavailable_then_used_again, flush),
      cmocka_unit_test_setup(stale_connections_are_replaced_without_the_caller_noticing, flush),
      cmocka_unit_test_setup(an_exec_whose_answer_is_lost_is_read_back_and_not_repeated, flush),
      cmocka_unit_test_setup(an_exec_that_never_arrived_is_written_after_reading_back, flush),
      cmocka_unit_test_setup(an_exec_whose_answer_is_lost_is_unknown_when_reading_back_fails_too, flush),
      cmocka_unit_test_setup(a_look_that_is_cut_is_repeated_but_not_for_ever, flush),
      cmocka_unit_test_setup(a_look_without_an_answer_is_unavailable_after_one_timeout, flush),
      cmocka_unit_test_setup(who_waits_behind_a_hanging_connection_is_answered_in_time, flush),
      cmocka_unit_test_setup(many_transactions_share_one_connection, flush),
      cmocka_unit_test_setup(a_server_that_dies_and_comes_back_is_unavailable_in_between_only, flush),
      cmocka_unit_test_setup(a_frozen_server_is_unavailable_in_time_and_at_once_when_known, flush),
  };
  return cmocka_run_group_tests_name("redis transaction", tests, start_redis, stop_redis);
}
