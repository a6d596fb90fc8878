// Redis away, late, frozen, loading, slow: what a worker's requests are told, and what its log says.
#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;

Server with_timeouts(Server server, std::int64_t milliseconds) {
  server.connect_timeout_ms = server.command_timeout_ms = milliseconds;
  return server;
}

bool known_down(const RedisStore& store) {
  return store.links().known_down() && store.changes().known_down();
}

// All its connections for requests are there.
bool run_until_whole(Worker& worker) {
  const auto all = static_cast<int>(worker.store.server().links + worker.store.server().lanes);
  return worker.loop.run_until([&] { return worker.monitor.counted(Counter::connects) >= all; });
}

Result<WalletView> get(Worker& worker, const Token& token) {
  return worker.run(worker.store.get_wallet(token, kNow));
}
Result<PutOutcome> put(Worker& worker, const Token& token, Sequence sequence) {
  return worker.run(worker.store.put_wallet(token, a_wallet(sequence), kNow));
}

// Nobody has asked for anything when it comes up, and the first who does is served.
void a_worker_that_starts_before_redis_serves_the_first_request(void**) {
  for (const bool tcp : {false, true}) {
    RedisServer late;
    const Token token = issue_token(late, account_id());
    late.shut_down();
    Worker worker(tcp ? late.tcp_server() : late.server());
    assert_true(worker.loop.run_until([&] { return known_down(worker.store); }));
    late.restart();
    assert_true(run_until_whole(worker));
    assert_true(get(worker, token)->token == TokenState::valid);
    assert_true(*put(worker, token, 1) == PutOutcome::stored);
    assert_int_equal(worker.monitor.failures(), 0);
    assert_int_equal(worker.monitor.lines.size(), 2);  // not available; answers again
  }
}

void connections_that_are_killed_are_made_anew_and_nobody_notices(void**) {
  Worker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  assert_true(run_until_whole(worker));
  (*redis)("CLIENT", "KILL", "TYPE", "normal");
  auto write = worker.store.put_wallet(token, a_wallet(1), kNow);
  auto read = worker.store.get_wallet(token, kNow);
  write.start();
  read.start();
  assert_true(worker.loop.run_until([&] { return write.done() && read.done(); }));
  assert_true(*write.take() == PutOutcome::stored);
  assert_true(bool(read.take()));
  assert_int_equal(worker.monitor.failures(), 0);
}

void while_redis_is_away_requests_fail_at_once_and_the_log_says_it_once(void**) {
  RedisServer mortal;
  Worker worker(mortal.server());
  const Token token = issue_token(mortal, account_id());
  assert_true(run_until_whole(worker));
  mortal.kill();
  assert_true(worker.loop.run_until([&] { return known_down(worker.store); }));
  for (int i = 0; i < 50; ++i) {
    auto read = worker.store.get_wallet(token, kNow);
    auto write = worker.store.put_wallet(token, a_wallet(1), kNow);
    read.start();
    write.start();
    worker.loop.turn(0);
    assert_true(read.done() && write.done());
    assert_true(read.take().error() == StoreError::unavailable);
    assert_true(write.take().error() == StoreError::unavailable);
  }
  assert_true(worker.loop.run_until([&] { return worker.monitor.counted(Counter::connections_lost) >= 10; }));
  const std::size_t said = worker.monitor.lines.size();
  assert_in_range(said, 1, 2);  // closed; then refused
  mortal.restart();
  assert_true(worker.loop.run_until([&] { return !known_down(worker.store); }));
  assert_true(*put(worker, token, 1) == PutOutcome::stored);
  assert_true(bool(get(worker, token)));
  assert_int_equal(worker.monitor.lines_with("answers again"), 1);
  assert_int_equal(worker.monitor.lines.size(), said + 1);
}

void a_frozen_redis_is_found_out_in_time_and_from_then_on_nobody_waits(void**) {
  RedisServer frozen;
  Worker worker(with_timeouts(frozen.server(), 600));
  const Token token = issue_token(frozen, account_id());
  assert_true(run_until_whole(worker));
  frozen.freeze();
  const std::int64_t begin = worker.loop.now_ms();
  assert_true(get(worker, token).error() == StoreError::unavailable);
  assert_true(worker.loop.now_ms() - begin >= 590);
  assert_true(worker.loop.run_until([&] { return known_down(worker.store); }));
  auto read = worker.store.get_wallet(token, kNow);
  read.start();
  worker.loop.turn(0);
  assert_true(read.done());
  frozen.thaw();
  assert_true(worker.loop.run_until([&] { return !known_down(worker.store); }));
  assert_true(*put(worker, token, 1) == PutOutcome::stored);
  assert_int_equal(worker.monitor.counted(Counter::store_unknown), 0);
}

void a_redis_that_loads_its_data_is_away_until_it_has_loaded_them(void**) {
  RedisServer loading(
      {"--appendonly", "no", "--key-load-delay", "5000", "--loading-process-events-interval-bytes", "1024"});
  const Token token = issue_token(loading, account_id());
  loading("DEBUG", "POPULATE", 200, "key", 512);
  loading("SAVE");
  loading.kill();
  loading.restart_without_waiting();
  Worker worker(loading.server());
  assert_true(get(worker, token).error() == StoreError::unavailable);
  assert_true(put(worker, token, 1).error() == StoreError::unavailable);
  assert_int_equal(worker.monitor.lines_with("LOADING"), 1);
  assert_true(run_until_whole(worker));
  assert_true(get(worker, token)->token == TokenState::valid);
  assert_true(*put(worker, token, 1) == PutOutcome::stored);
}

void a_wrong_password_never_gets_into_the_log(void**) {
  (*redis)("ACL", "SETUSER", "alice", "on", ">right", "~*", "&*", "+@all");
  Server server = redis->server();
  server.user = "alice";
  server.password = "hunter2";
  Worker worker(server);
  assert_true(get(worker, new_token(account_id())).error() == StoreError::unavailable);
  assert_true(worker.loop.run_until([&] { return worker.monitor.counted(Counter::connections_lost) >= 10; }));
  assert_int_equal(worker.monitor.lines_with("WRONGPASS"), 1);
  assert_int_equal(worker.monitor.lines_with("hunter2"), 0);
}

// A worker that was stopped (a debugger, a suspended machine) for longer than its timeouts: the answers lie
// in its sockets.
void a_worker_that_was_stopped_finds_the_answers_that_came_meanwhile(void**) {
  Worker worker(with_timeouts(redis->server(), 300));
  const Token token = issue_token(*redis, account_id());
  assert_true(run_until_whole(worker));
  auto read = worker.store.get_wallet(token, kNow);
  read.start();
  worker.loop.turn(0);
  const std::int64_t until = worker.loop.now_ms() + 700;
  while (worker.loop.now_ms() < until) {
    (*redis)("PING");  // no turn of our loop
  }
  assert_true(worker.loop.run_until([&] { return read.done(); }));
  assert_true(read.take()->token == TokenState::valid);
  assert_int_equal(worker.monitor.counted(Counter::connections_lost), 0);
  assert_int_equal(worker.monitor.failures(), 0);
}

// More is read than the network carries: late reads are late by themselves. Writes go on, no connection is
// closed.
void over_a_slow_network_large_reads_fail_neither_each_other_nor_writes(void**) {
  constexpr std::size_t kClients = 100;
  constexpr std::int64_t kForMs = 3000;
  ProxiedWorker worker(with_timeouts(redis->server(), 4000));
  const Token token = issue_token(*redis, account_id());
  const Token writer = issue_token(*redis, account_id("writer@example.com"));
  (*redis)("HSET", Keyspace("wsync").wallet(account_id()), "sequence", 1, "hmac", "h", "wallet",
           std::string(90'000, 'x'));
  worker.proxy.throttle(2 << 20, 2 << 20);
  std::vector<std::optional<Task<Result<WalletView>>>> reads(kClients);
  std::size_t served = 0;
  Sequence written = 0;
  std::optional<Task<Result<PutOutcome>>> write;
  const std::int64_t until = worker.loop.now_ms() + kForMs;
  assert_false(worker.loop.run_until(
      [&] {
        for (auto& read : reads) {
          if (read && read->done()) {
            served += read->take() ? 1U : 0U;
            read.reset();
          }
          if (!read && worker.loop.now_ms() < until) {
            read.emplace(worker.store.get_wallet(token, kNow));
            read->start();
          }
        }
        if (write && write->done()) {
          const auto outcome = write->take();
          assert_true(outcome && *outcome == PutOutcome::stored);
          write.reset();
        }
        if (!write) {
          write.emplace(worker.store.put_wallet(writer, a_wallet(++written), kNow));
          write->start();
        }
        return false;
      },
      kForMs));
  assert_true(served > 10);
  assert_true(written > 10);
  assert_int_equal(worker.monitor.counted(Counter::connections_lost), 0);
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
      cmocka_unit_test_setup(a_worker_that_starts_before_redis_serves_the_first_request, flush),
      cmocka_unit_test_setup(connections_that_are_killed_are_made_anew_and_nobody_notices, flush),
      cmocka_unit_test_setup(while_redis_is_away_requests_fail_at_once_and_the_log_says_it_once, flush),
      cmocka_unit_test_setup(a_frozen_redis_is_found_out_in_time_and_from_then_on_nobody_waits, flush),
      cmocka_unit_test_setup(a_redis_that_loads_its_data_is_away_until_it_has_loaded_them, flush),
      cmocka_unit_test_setup(a_wrong_password_never_gets_into_the_log, flush),
      cmocka_unit_test_setup(a_worker_that_was_stopped_finds_the_answers_that_came_meanwhile, flush),
      cmocka_unit_test_setup(over_a_slow_network_large_reads_fail_neither_each_other_nor_writes, flush),
  };
  return cmocka_run_group_tests_name("redis: outages", tests, start_redis, stop_redis);
}
