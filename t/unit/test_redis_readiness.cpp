// What is known of a Redis without asking: that it is there, that it takes writes.
#include <string>

#include "readiness.hpp"
#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

using State = Readiness::State;

RedisServer* redis = nullptr;

bool comes_to(Worker& worker, const Readiness& readiness, State state) {
  return worker.loop.run_until([&] { return readiness.state() == state; });
}

void it_is_connecting_at_first_and_then_ready(void**) {
  Worker worker(redis->server());
  const Readiness readiness(worker.loop, worker.store);
  assert_true(readiness.state() == State::connecting);
  assert_true(comes_to(worker, readiness, State::ready));
  assert_int_equal(worker.monitor.failures(), 0);
  assert_int_equal((*redis)("DBSIZE").integer, 0);
}

void nothing_is_written_while_it_asks(void**) {
  Worker worker(redis->server());
  const Readiness readiness(worker.loop, worker.store);
  assert_true(comes_to(worker, readiness, State::ready));
  assert_int_equal(worker.monitor.counted(Counter::transactions), 0);
  assert_true((*redis)("INFO", "persistence").text.find("rdb_changes_since_last_save:0\r") !=
              std::string::npos);
}

void a_redis_without_memory_refuses_writes_until_it_has_some(void**) {
  Worker worker(redis->server());
  const Readiness readiness(worker.loop, worker.store);
  assert_true(comes_to(worker, readiness, State::ready));
  (*redis)("CONFIG", "SET", "maxmemory", "1");
  assert_true(comes_to(worker, readiness, State::refuses_writes));
  assert_int_equal(worker.monitor.failures(), 0);
  (*redis)("CONFIG", "SET", "maxmemory", "0");
  assert_true(comes_to(worker, readiness, State::ready));
}

void a_redis_without_replicas_that_wants_some_refuses_writes(void**) {
  Worker worker(redis->server());
  const Readiness readiness(worker.loop, worker.store);
  (*redis)("CONFIG", "SET", "min-replicas-to-write", "1");
  assert_true(comes_to(worker, readiness, State::refuses_writes));
  (*redis)("CONFIG", "SET", "min-replicas-to-write", "0");
  assert_true(comes_to(worker, readiness, State::ready));
}

void a_redis_that_is_gone_is_unreachable_at_once_and_ready_when_it_is_back(void**) {
  Worker worker(redis->server());
  const Readiness readiness(worker.loop, worker.store);
  assert_true(comes_to(worker, readiness, State::ready));
  redis->kill();
  assert_true(comes_to(worker, readiness, State::unreachable));
  redis->restart();
  assert_true(comes_to(worker, readiness, State::ready));
}

void a_frozen_redis_is_unreachable_after_the_timeout(void**) {
  Server server = redis->server();
  server.command_timeout_ms = 200;
  Worker worker(server);
  const Readiness readiness(worker.loop, worker.store);
  assert_true(comes_to(worker, readiness, State::ready));
  redis->freeze();
  assert_true(comes_to(worker, readiness, State::unreachable));
  redis->thaw();
  assert_true(comes_to(worker, readiness, State::ready));
}

void it_may_go_while_its_question_is_on_the_way(void**) {
  Worker worker(redis->server());
  { const Readiness readiness(worker.loop, worker.store); }
  assert_true(worker.run_until_ready());
}

int start_redis(void**) {
  redis = new RedisServer;
  return 0;
}

int stop_redis(void**) {
  delete redis;
  return 0;
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(it_is_connecting_at_first_and_then_ready),
      cmocka_unit_test(nothing_is_written_while_it_asks),
      cmocka_unit_test(a_redis_without_memory_refuses_writes_until_it_has_some),
      cmocka_unit_test(a_redis_without_replicas_that_wants_some_refuses_writes),
      cmocka_unit_test(a_redis_that_is_gone_is_unreachable_at_once_and_ready_when_it_is_back),
      cmocka_unit_test(a_frozen_redis_is_unreachable_after_the_timeout),
      cmocka_unit_test(it_may_go_while_its_question_is_on_the_way),
  };
  return cmocka_run_group_tests_name("redis readiness", tests, start_redis, stop_redis);
}
