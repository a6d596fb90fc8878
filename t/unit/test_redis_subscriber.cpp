// Who wants to hear of an account hears of all that happens to it, or is told that something may have been
// missed.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "manual_loop.hpp"
#include "redis_fixture.hpp"
#include "subscriber.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;
const Keyspace kKeys("wsync");

struct Heard : Subscriber::Listener {
  void on_update(const std::string& account, Sequence sequence) override {
    lines.push_back(account + " " + std::to_string(sequence));
  }
  void on_revoked(const std::string& account, std::string_view why) override {
    lines.push_back(account + " " + std::string(why));
  }
  void on_gap() override { ++gaps; }
  std::vector<std::string> lines;
  int gaps = 0;
};

AccountId account(int number) { return account_id("s" + std::to_string(number) + "@example.com"); }

Task<bool> join(Subscriber& subscriber, AccountId id) { co_return co_await subscriber.join(id); }

struct Bench {
  explicit Bench(Server where) : server(std::move(where)) {}
  bool join_now(int number) { return finish(loop, join(subscriber, account(number))); }
  bool heard(const std::string& line) {
    return loop.run_until([&] { return std::count(heard_lines().begin(), heard_lines().end(), line) > 0; });
  }
  const std::vector<std::string>& heard_lines() const { return listener.lines; }
  // Whatever Redis has sent so far has been read.
  void settle() {
    const AccountId marker = account_id("marker@example.com");
    assert_true(finish(loop, join(subscriber, marker)));
    subscriber.leave(marker);
  }

  LibeventLoop loop;
  TestMonitor monitor;
  Server server;
  Deadlines deadlines{loop};
  Node node{loop, server, monitor};
  Keyspace keys{"wsync"};
  Heard listener;
  Subscriber subscriber{deadlines, node, keys, listener};
};

void publish(RedisServer& server, int number, std::string_view payload) {
  server("PUBLISH", kKeys.events(account(number)), payload);
}

std::int64_t subscribers(RedisServer& server, int number) {
  return server("PUBSUB", "NUMSUB", kKeys.events(account(number))).elements[1].integer;
}

void it_connects_with_the_first_who_wants_to_hear(void**) {
  Bench bench(redis->server());
  bench.loop.turn(20);
  assert_int_equal(bench.loop.sockets(), 0);
  assert_true(bench.join_now(1));
  assert_int_equal(bench.loop.sockets(), 1);
}

void what_is_published_after_the_join_is_heard(void**) {
  Bench bench(redis->server());
  assert_true(bench.join_now(1));
  assert_true(bench.join_now(2));
  publish(*redis, 1, "7");
  publish(*redis, 2, "password-changed");
  assert_true(bench.heard(account(1).hex() + " 7"));
  assert_true(bench.heard(account(2).hex() + " password changed"));
  assert_int_equal(bench.heard_lines().size(), 2);
}

void what_makes_no_sense_is_not_passed_on(void**) {
  Bench bench(redis->server());
  assert_true(bench.join_now(1));
  for (const char* payload : {"", "0", "-1", "x", "1.5"}) {
    publish(*redis, 1, payload);
  }
  bench.settle();
  assert_int_equal(bench.heard_lines().size(), 0);
}

void many_who_join_at_once_are_all_confirmed(void**) {
  Bench bench(redis->server());
  std::vector<Task<bool>> tasks;
  for (int i = 0; i < 1500; ++i) {
    tasks.push_back(join(bench.subscriber, account(i % 1200)));
  }
  for (const bool confirmed : finish_all(bench.loop, tasks)) {
    assert_true(confirmed);
  }
  publish(*redis, 1199, "3");
  assert_true(bench.heard(account(1199).hex() + " 3"));
}

void when_the_last_has_left_redis_is_told(void**) {
  Bench bench(redis->server());
  assert_true(bench.join_now(1));
  assert_true(bench.join_now(1));
  bench.subscriber.leave(account(1));
  bench.settle();
  assert_int_equal(subscribers(*redis, 1), 1);
  bench.subscriber.leave(account(1));
  assert_true(bench.loop.run_until([&] { return subscribers(*redis, 1) == 0; }));
}

void who_comes_back_before_the_confirmation_is_subscribed(void**) {
  Bench bench(redis->server());
  assert_true(bench.join_now(9));
  for (int turns = 0; turns < 6; ++turns) {
    auto first = std::make_optional(join(bench.subscriber, account(1)));
    first->start();
    for (int i = 0; i < turns; ++i) {
      bench.loop.turn(1);
    }
    bench.subscriber.leave(account(1));
    first.reset();
    assert_true(bench.join_now(1));
    publish(*redis, 1, std::to_string(turns + 1));
    assert_true(bench.heard(account(1).hex() + " " + std::to_string(turns + 1)));
    bench.subscriber.leave(account(1));
  }
}

void after_a_loss_all_channels_are_subscribed_again_and_the_gap_is_told(void**) {
  Bench bench(redis->server());
  for (int i = 0; i < 600; ++i) {
    std::vector<Task<bool>> one;
    one.push_back(join(bench.subscriber, account(i)));
    one.back().start();
    assert_true(bench.loop.run_until([&] { return one.back().done(); }));
  }
  (*redis)("CLIENT", "KILL", "TYPE", "pubsub");
  assert_true(bench.loop.run_until([&] { return bench.listener.gaps == 1; }));
  for (const int number : {0, 300, 599}) {
    assert_int_equal(subscribers(*redis, number), 1);
    publish(*redis, number, "5");
    assert_true(bench.heard(account(number).hex() + " 5"));
  }
  assert_int_equal(bench.listener.gaps, 1);
}

void who_joins_while_the_connection_is_replaced_is_confirmed(void**) {
  Bench bench(redis->server());
  assert_true(bench.join_now(1));
  (*redis)("CLIENT", "KILL", "TYPE", "pubsub");
  assert_true(bench.join_now(2));
  publish(*redis, 2, "4");
  assert_true(bench.heard(account(2).hex() + " 4"));
}

void while_redis_is_away_a_join_is_refused_in_its_turn_and_works_again_afterwards(void**) {
  RedisServer mortal;
  Bench bench(mortal.server());
  assert_true(bench.join_now(1));
  mortal.kill();
  assert_true(bench.loop.run_until([&] { return !bench.join_now(2) || !bench.join_now(2); }));
  mortal.restart();
  assert_true(bench.loop.run_until([&] { return bench.listener.gaps == 1; }));
  assert_true(bench.join_now(3));
  publish(mortal, 1, "6");
  assert_true(bench.heard(account(1).hex() + " 6"));
}

void a_user_who_may_not_subscribe_is_refused_and_it_is_said(void**) {
  (*redis)("ACL", "SETUSER", "deaf", "on", ">pw", "~*", "resetchannels", "+@all");
  Server server = redis->server();
  server.user = "deaf";
  server.password = "pw";
  Bench bench(server);
  assert_false(bench.join_now(1));
  assert_false(bench.join_now(2));
  assert_int_equal(bench.monitor.lines_with("NOPERM"), 1);
}

void a_join_that_is_not_confirmed_is_given_up(void**) {
  RedisServer frozen;
  frozen.freeze();
  Server server = frozen.server();
  server.connect_timeout_ms = 300;
  server.command_timeout_ms = 300;
  Bench bench(server);
  const std::int64_t begin = bench.loop.now_ms();
  assert_false(bench.join_now(1));
  assert_true(bench.loop.now_ms() - begin >= 290);
}

void who_goes_away_while_joining_is_forgotten(void**) {
  for (int turns = 0; turns < 6; ++turns) {
    Bench bench(redis->server());
    auto gone = std::make_optional(join(bench.subscriber, account(1)));
    auto stays = join(bench.subscriber, account(1));
    gone->start();
    stays.start();
    for (int i = 0; i < turns; ++i) {
      bench.loop.turn(5);
    }
    gone.reset();
    bench.subscriber.leave(account(1));
    assert_true(bench.loop.run_until([&] { return stays.done(); }));
    assert_true(stays.take());
  }
}

// Nothing is published for hours, and nobody would notice that the peer is gone. The test plays it.
void a_peer_that_does_not_answer_the_heartbeat_is_left(void**) {
  ManualLoop loop;
  TestMonitor monitor;
  Server server;
  server.host = "192.0.2.1";
  Deadlines deadlines(loop);
  Node node(loop, server, monitor);
  const Keyspace keys("wsync");
  Heard listener;
  Subscriber subscriber(deadlines, node, keys, listener);
  auto joining = join(subscriber, account(1));
  joining.start();
  loop.peer(0).greets();
  const auto confirmation = [](const std::string& channel) {
    return "*3\r\n$9\r\nsubscribe\r\n$" + std::to_string(channel.size()) + "\r\n" + channel + "\r\n:1\r\n";
  };
  loop.peer(0).says(confirmation(keys.heartbeat()) + confirmation(keys.events(account(1)).text()));
  assert_true(joining.done() && joining.take());
  loop.peer(0).heard();
  for (int i = 0; i < 3; ++i) {
    loop.pass(10'000);
    assert_text(loop.peer(0).heard(), Command("SUBSCRIBE", keys.heartbeat()).wire());
    loop.peer(0).says(confirmation(keys.heartbeat()));
  }
  loop.pass(10'000);
  assert_false(loop.peer(0).closed());
  loop.pass(10'000);
  assert_true(loop.peer(0).closed());
  assert_int_equal(loop.peers(), 2);
  loop.peer(1).greets();
  assert_int_equal(listener.gaps, 0);  // not before all is subscribed again
  loop.peer(1).says(confirmation(keys.heartbeat()) + confirmation(keys.events(account(1)).text()));
  assert_int_equal(listener.gaps, 1);
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
      cmocka_unit_test(it_connects_with_the_first_who_wants_to_hear),
      cmocka_unit_test(what_is_published_after_the_join_is_heard),
      cmocka_unit_test(what_makes_no_sense_is_not_passed_on),
      cmocka_unit_test(many_who_join_at_once_are_all_confirmed),
      cmocka_unit_test(when_the_last_has_left_redis_is_told),
      cmocka_unit_test(who_comes_back_before_the_confirmation_is_subscribed),
      cmocka_unit_test(after_a_loss_all_channels_are_subscribed_again_and_the_gap_is_told),
      cmocka_unit_test(who_joins_while_the_connection_is_replaced_is_confirmed),
      cmocka_unit_test(while_redis_is_away_a_join_is_refused_in_its_turn_and_works_again_afterwards),
      cmocka_unit_test(a_user_who_may_not_subscribe_is_refused_and_it_is_said),
      cmocka_unit_test(a_join_that_is_not_confirmed_is_given_up),
      cmocka_unit_test(who_goes_away_while_joining_is_forgotten),
      cmocka_unit_test(a_peer_that_does_not_answer_the_heartbeat_is_left),
  };
  return cmocka_run_group_tests_name("redis subscriber", tests, start_redis, stop_redis);
}
