// The connection that all requests share: kept up for ever, and honest about being down.
#include <optional>

#include "link.hpp"
#include "redis_fixture.hpp"
#include "redis_proxy.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;

struct Bench {
  explicit Bench(Server where) : server(std::move(where)), link(loop, server, monitor) {}
  Result<Replies> ask(Command command) { return finish(loop, link.request({std::move(command)})); }
  bool pongs() {
    auto replies = ask(Command("PING"));
    return replies && (*replies)[0].is_status("PONG");
  }
  bool wait_for_connects(int count) {
    return loop.run_until([&] { return monitor.counted(Counter::connects) >= count; });
  }

  LibeventLoop loop;
  TestMonitor monitor;
  Server server;
  Link link;
};

void a_request_made_while_it_connects_waits_for_it(void**) {
  Bench bench(redis->server());
  assert_true(bench.pongs());
  assert_false(bench.link.known_down());
}

void requests_of_one_turn_are_all_answered(void**) {
  Bench bench(redis->server());
  std::vector<Task<Result<Replies>>> tasks;
  for (int i = 0; i < 300; ++i) {
    tasks.push_back(bench.link.request({Command("ECHO", i)}));
  }
  const auto results = finish_all(bench.loop, tasks);
  for (std::size_t i = 0; i < results.size(); ++i) {
    assert_true(static_cast<bool>(results[i]));
    assert_text((*results[i])[0].text, std::to_string(i));
  }
  assert_int_equal(bench.monitor.counted(Counter::connects), 1);
}

void a_killed_connection_is_made_anew_at_once(void**) {
  Bench bench(redis->server());
  assert_true(bench.pongs());
  (*redis)("CLIENT", "KILL", "TYPE", "normal");
  assert_true(bench.wait_for_connects(2));
  assert_true(bench.pongs());
  assert_int_equal(bench.monitor.counted(Counter::connections_lost), 1);
}

void while_it_is_known_down_a_request_fails_at_once(void**) {
  RedisServer mortal;
  Bench bench(mortal.server());
  assert_true(bench.pongs());
  mortal.kill();
  assert_true(bench.loop.run_until([&] { return bench.link.known_down(); }));
  auto task = bench.link.request({Command("PING")});
  task.start();
  assert_true(task.done());
  assert_true(task.take().error() == StoreError::unavailable);
}

void it_comes_back_by_itself_and_says_each_thing_once(void**) {
  RedisServer mortal;
  Bench bench(mortal.server());
  assert_true(bench.pongs());
  mortal.kill();
  // Several attempts, all of which fail for the same reason.
  assert_true(bench.loop.run_until([&] { return bench.monitor.counted(Counter::connections_lost) >= 4; }));
  const std::size_t said = bench.monitor.lines.size();
  assert_in_range(said, 1, 2);  // closed; then refused
  mortal.restart();
  assert_true(bench.loop.run_until([&] { return !bench.link.known_down(); }));
  assert_true(bench.pongs());
  assert_int_equal(bench.monitor.lines_with("answers again"), 1);
  assert_int_equal(bench.monitor.lines.size(), said + 1);
}

void a_server_that_appears_later_is_found(void**) {
  RedisServer late;
  late.stop();
  Bench bench(late.server());
  const auto replies = bench.ask(Command("PING"));
  assert_true(replies.error() == StoreError::unavailable);
  late.restart();
  assert_true(bench.wait_for_connects(1));
  assert_true(bench.pongs());
}

void a_frozen_server_is_known_down_after_one_timeout(void**) {
  RedisServer frozen;
  Server server = frozen.server();
  server.command_timeout_ms = 400;
  server.connect_timeout_ms = 400;
  Bench bench(server);
  assert_true(bench.pongs());
  frozen.freeze();
  const std::int64_t begin = bench.loop.now_ms();
  assert_true(bench.ask(Command("PING")).error() == StoreError::unavailable);
  assert_in_range(bench.loop.now_ms() - begin, 390, 1500);
  assert_true(bench.loop.run_until([&] { return bench.link.known_down(); }, 100));
  const std::int64_t again = bench.loop.now_ms();
  assert_true(bench.ask(Command("PING")).error() == StoreError::unavailable);
  assert_in_range(bench.loop.now_ms() - again, 0, 100);
  frozen.thaw();
  assert_true(bench.wait_for_connects(2));
  assert_true(bench.pongs());
}

void a_request_waits_for_a_connection_no_longer_than_connect_timeout(void**) {
  RedisServer frozen;
  frozen.freeze();
  Server server = frozen.server();
  server.connect_timeout_ms = 300;
  server.command_timeout_ms = 20000;
  Bench bench(server);
  const std::int64_t begin = bench.loop.now_ms();
  assert_true(bench.ask(Command("PING")).error() == StoreError::unavailable);
  assert_in_range(bench.loop.now_ms() - begin, 290, 3000);
}

void a_loading_server_is_down_until_it_has_loaded(void**) {
  RedisServer loading({"--appendonly", "no", "--key-load-delay", "5000",
                       "--loading-process-events-interval-bytes", "1024"});
  loading("DEBUG", "POPULATE", 200, "key", 512);
  loading("SAVE");
  loading.kill();
  loading.restart_without_waiting();
  Bench bench(loading.server());
  assert_true(bench.ask(Command("DBSIZE")).error() == StoreError::unavailable);
  assert_int_equal(bench.monitor.lines_with("LOADING"), 1);
  assert_true(bench.wait_for_connects(1));
  const auto size = bench.ask(Command("DBSIZE"));
  assert_int_equal((*size)[0].integer, 200);
}

void a_wrong_password_never_gets_into_the_log(void**) {
  (*redis)("ACL", "SETUSER", "alice", "on", ">right", "~*", "&*", "+@all");
  Server server = redis->server();
  server.user = "alice";
  server.password = "hunter2";
  Bench bench(server);
  assert_true(bench.ask(Command("PING")).error() == StoreError::unavailable);
  assert_true(bench.link.known_down());
  assert_int_equal(bench.monitor.lines_with("WRONGPASS"), 1);
  assert_int_equal(bench.monitor.lines_with("hunter2"), 0);
}

void a_master_that_became_a_replica_is_left_once_it_refuses_a_write(void**) {
  RedisServer demoted;
  Bench bench(demoted.server());
  assert_true(bench.pongs());
  demoted("REPLICAOF", "127.0.0.1", redis->tcp_server().port);
  const auto refused = bench.ask(Command("SET", "k", "v"));
  assert_true(static_cast<bool>(refused));
  assert_true((*refused)[0].is_error());
  assert_true(bench.loop.run_until([&] { return bench.link.known_down(); }));
  demoted("REPLICAOF", "NO", "ONE");
  assert_true(bench.wait_for_connects(2));
  assert_true(bench.pongs());
}

void a_request_dropped_while_it_waits_for_the_connection_is_forgotten(void**) {
  Bench bench(redis->server());
  {
    auto dropped = bench.link.request({Command("PING")});
    dropped.start();
    assert_false(dropped.done());
  }
  assert_true(bench.pongs());
}

void a_request_dropped_once_the_connection_is_there_is_forgotten(void**) {
  Bench bench(redis->server());
  std::optional<Task<Result<Replies>>> dropped = bench.link.request({Command("PING")});
  dropped->start();
  int turns = 0;
  bench.loop.before_posted = [&] {
    if (bench.monitor.counted(Counter::connects) > 0 || ++turns > 3) {
      dropped.reset();
    }
  };
  assert_true(bench.wait_for_connects(1));
  assert_true(bench.pongs());
}

void a_link_destroyed_at_any_moment_leaves_no_socket(void**) {
  for (int turns = 0; turns < 8; ++turns) {
    LibeventLoop loop;
    TestMonitor monitor;
    const Server server = redis->server();
    {
      Link link(loop, server, monitor);
      auto task = link.request({Command("PING")});
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
      cmocka_unit_test_setup(a_request_made_while_it_connects_waits_for_it, flush),
      cmocka_unit_test_setup(requests_of_one_turn_are_all_answered, flush),
      cmocka_unit_test_setup(a_killed_connection_is_made_anew_at_once, flush),
      cmocka_unit_test_setup(while_it_is_known_down_a_request_fails_at_once, flush),
      cmocka_unit_test_setup(it_comes_back_by_itself_and_says_each_thing_once, flush),
      cmocka_unit_test_setup(a_server_that_appears_later_is_found, flush),
      cmocka_unit_test_setup(a_frozen_server_is_known_down_after_one_timeout, flush),
      cmocka_unit_test_setup(a_request_waits_for_a_connection_no_longer_than_connect_timeout, flush),
      cmocka_unit_test_setup(a_loading_server_is_down_until_it_has_loaded, flush),
      cmocka_unit_test_setup(a_wrong_password_never_gets_into_the_log, flush),
      cmocka_unit_test_setup(a_master_that_became_a_replica_is_left_once_it_refuses_a_write, flush),
      cmocka_unit_test_setup(a_request_dropped_while_it_waits_for_the_connection_is_forgotten, flush),
      cmocka_unit_test_setup(a_request_dropped_once_the_connection_is_there_is_forgotten, flush),
      cmocka_unit_test_setup(a_link_destroyed_at_any_moment_leaves_no_socket, flush),
  };
  return cmocka_run_group_tests_name("redis link", tests, start_redis, stop_redis);
}
