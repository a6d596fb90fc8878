// Which master the sentinels' words lead to, and what is said of servers of the wrong kind.
#include <string>
#include <vector>

#include "manual_loop.hpp"
#include "redis_fixture.hpp"
#include "sentinel_watch.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

std::string hello(std::string_view version, std::string_view mode) {
  return "*4\r\n" + bulk("version") + bulk(version) + bulk("mode") + bulk(mode);
}

std::string confirmed(std::string_view kind) {
  return "*3\r\n" + bulk(kind) + bulk("+promoted-slave") + ":1\r\n*3\r\n" + bulk(kind) +
         bulk("+switch-master") + ":2\r\n";
}

// The answer to the question that a sentinel is asked.
std::string answer(std::string_view host, int port, int epoch) {
  return confirmed("unsubscribe") + "*2\r\n" + bulk(host) + bulk(std::to_string(port)) + "*6\r\n" +
         bulk("name") + bulk("wallets") + bulk("config-epoch") + bulk(std::to_string(epoch)) +
         bulk("quorum") + bulk("2") + confirmed("subscribe");
}
std::string ignorance() {
  return confirmed("unsubscribe") + "*-1\r\n-ERR No such master with that name\r\n" + confirmed("subscribe");
}
std::string event() {
  return "*3\r\n" + bulk("message") + bulk("+switch-master") + bulk("wallets 10.0.0.1 1 10.0.0.2 2");
}

void greets(Peer& peer) {
  peer.accepts();
  peer.says(hello("7.0.15", "sentinel") + "+PONG\r\n*2\r\n" + bulk("sentinel") + "*0\r\n");
}

bool is_question(const std::string& heard) {
  return heard.find("GET-MASTER-ADDR-BY-NAME") != heard.npos && heard.find("wallets") != heard.npos;
}

struct Told : SentinelWatch::Listener {
  void on_master(const std::string& host, int port) override { master = host + ":" + std::to_string(port); }
  void on_no_master() override { ++none; }
  std::string master;
  int none = 0;
};

Server by_sentinels(std::size_t count) {
  Server server;
  server.sentinels.emplace();
  server.sentinels->master = "wallets";
  for (std::size_t i = 0; i < count; ++i) {
    server.sentinels->addresses.push_back({"127.0.0.1", 26379 + static_cast<int>(i), ""});
  }
  return server;
}

// Three sentinels that are played.
struct Three {
  void say(std::size_t peer, std::string_view host, int port, int epoch) {
    loop.peer(peer).says(answer(host, port, epoch));
  }
  void ask_again() {
    loop.pass(1000);
    for (std::size_t i = 0; i < 3; ++i) {
      loop.peer(i).heard();
    }
  }

  ManualLoop loop;
  TestMonitor monitor;
  Told told;
  SentinelWatch watch{loop, by_sentinels(3), monitor, told};
};

void most_of_them_are_heard_before_the_first_decision(void**) {
  Three three;
  greets(three.loop.peer(0));
  assert_true(is_question(three.loop.peer(0).heard()));
  three.say(0, "10.0.0.1", 1, 4);  // it has been away
  assert_string_equal(three.told.master.c_str(), "");
  greets(three.loop.peer(1));
  three.say(1, "10.0.0.2", 2, 5);
  assert_string_equal(three.told.master.c_str(), "10.0.0.2:2");
}

void a_single_answer_is_enough_after_a_moment(void**) {
  Three three;
  greets(three.loop.peer(0));
  three.say(0, "10.0.0.1", 1, 4);
  three.loop.pass(100);
  assert_string_equal(three.told.master.c_str(), "");
  three.loop.pass(200);
  assert_string_equal(three.told.master.c_str(), "10.0.0.1:1");
}

void a_single_answer_is_enough_when_the_others_are_dead(void**) {
  Three three;
  three.loop.peer(1).refuses();
  three.loop.peer(2).refuses();
  greets(three.loop.peer(0));
  three.say(0, "10.0.0.1", 1, 4);
  assert_string_equal(three.told.master.c_str(), "10.0.0.1:1");
}

void an_event_is_a_reason_to_ask_and_the_higher_epoch_counts(void**) {
  Three three;
  for (std::size_t i = 0; i < 3; ++i) {
    greets(three.loop.peer(i));
    three.say(i, "10.0.0.1", 1, 4);
    three.loop.peer(i).heard();
  }
  three.loop.peer(2).says(event());
  assert_true(is_question(three.loop.peer(2).heard()));
  three.say(2, "10.0.0.2", 2, 5);
  assert_string_equal(three.told.master.c_str(), "10.0.0.2:2");  // though the two others still say otherwise
}

void an_event_during_a_question_leads_to_another_one(void**) {
  Three three;
  greets(three.loop.peer(0));
  three.loop.peer(0).heard();
  three.loop.peer(0).says(event());
  assert_string_equal(three.loop.peer(0).heard().c_str(), "");
  three.say(0, "10.0.0.1", 1, 4);
  assert_true(is_question(three.loop.peer(0).heard()));
}

void a_lower_epoch_leads_nobody_back(void**) {
  Three three;
  for (std::size_t i = 0; i < 3; ++i) {
    greets(three.loop.peer(i));
    three.say(i, "10.0.0.2", 2, 5);
  }
  three.loop.peer(1).hangs_up();
  three.loop.peer(2).hangs_up();
  three.watch.ask();
  three.say(0, "10.0.0.1", 1, 4);
  assert_string_equal(three.told.master.c_str(), "10.0.0.2:2");
}

void a_master_that_most_monitor_anew_is_followed(void**) {
  Three three;
  for (std::size_t i = 0; i < 3; ++i) {
    greets(three.loop.peer(i));
    three.say(i, "10.0.0.2", 2, 5);
  }
  three.ask_again();
  three.say(0, "10.0.0.3", 3, 0);
  three.say(1, "10.0.0.3", 3, 0);
  assert_string_equal(three.told.master.c_str(), "10.0.0.2:2");
  three.say(2, "10.0.0.3", 3, 0);
  assert_string_equal(three.told.master.c_str(), "10.0.0.3:3");
}

void nobody_knows_the_master(void**) {
  Three three;
  three.loop.peer(0).refuses();
  greets(three.loop.peer(1));
  three.loop.peer(1).says(ignorance());
  assert_int_equal(three.told.none, 0);
  greets(three.loop.peer(2));
  three.loop.peer(2).says(ignorance());
  assert_int_equal(three.told.none, 1);
  assert_int_equal(three.monitor.lines_with("knows no master \"wallets\"; write sentinel://NAME@"), 2);
  three.ask_again();
  three.loop.peer(1).says(ignorance());
  assert_int_equal(three.monitor.lines_with("knows no master"), 2);
  three.say(2, "10.0.0.1", 1, 0);
  assert_string_equal(three.told.master.c_str(), "10.0.0.1:1");
}

void a_host_name_is_no_address(void**) {
  Three three;
  greets(three.loop.peer(0));
  three.say(0, "redis.example.com", 6379, 1);
  three.loop.pass(500);
  assert_string_equal(three.told.master.c_str(), "");
  assert_int_equal(three.monitor.lines_with("which is no IP address"), 1);
}

void a_silent_sentinel_is_given_up_and_tried_again(void**) {
  Three three;
  greets(three.loop.peer(0));
  three.loop.pass(4000);
  assert_true(three.loop.peer(0).closed());
  assert_int_equal(three.monitor.lines_with("no answer within timeout"), 1);
  assert_true(three.loop.peers() > 3);
}

void a_redis_is_no_sentinel(void**) {
  Three three;
  three.loop.peer(0).accepts();
  three.loop.peer(0).says(hello("7.0.15", "standalone"));
  assert_int_equal(three.monitor.lines_with("it is a Redis, not a sentinel; write"), 1);
}

// What a store says of a server that answers HELLO so.
int complaints(std::string_view reply, std::string_view expected) {
  ManualLoop loop;
  TestMonitor monitor;
  Server server;
  server.host = "127.0.0.1";
  server.database = 3;  // neither a sentinel nor a cluster has it
  const RedisStore store(loop, server, monitor);
  for (std::size_t i = 0; i < loop.peers(); ++i) {
    loop.peer(i).accepts();
    loop.peer(i).says(reply);
  }
  return monitor.lines_with(expected);
}

void a_server_of_the_wrong_kind_is_told_of_in_one_line(void**) {
  assert_int_equal(
      complaints(hello("6.2.7", "standalone"), "it is Redis 6.2.7; write the address of one from 7.0 on"), 1);
  assert_int_equal(complaints("-ERR unknown command `HELLO`\r\n", "it is Redis before 6.0; write"), 1);
  assert_int_equal(
      complaints(hello("7.0.15", "sentinel"), "it is a sentinel; write sentinel://NAME@host:port"), 1);
  assert_int_equal(complaints(hello("7.0.15", "cluster"), "it is a node of a Redis Cluster; write"), 1);
  assert_int_equal(complaints("-ERR max number of clients reached\r\n", "max number of clients reached"), 1);
  assert_int_equal(complaints(hello("8.0.1", "standalone"), "; write"), 0);
  assert_int_equal(
      complaints("-NOPERM this user has no permissions to run the 'hello' command\r\n", "NOPERM"), 0);
}

// A change of address: what was asked goes on at the new one.
void requests_move_with_the_master(void**) {
  ManualLoop loop;
  TestMonitor monitor;
  Server server = by_sentinels(1);
  server.links = server.lanes = 1;
  RedisStore store(loop, server, monitor);
  assert_int_equal(loop.peers(), 1);
  auto read = store.read_login(an_email());
  read.start();
  assert_false(read.done());  // nobody has said yet that there is no master
  greets(loop.peer(0));
  loop.peer(0).says(answer("10.0.0.1", 1, 1));
  assert_int_equal(loop.peers(), 3);
  loop.peer(1).greets();
  loop.peer(2).greets();
  assert_int_equal(loop.open(), 3);
  loop.peer(0).says(event());
  loop.peer(0).says(answer("10.0.0.2", 2, 2));
  assert_true(loop.peer(1).closed() && loop.peer(2).closed());
  assert_int_equal(loop.peers(), 5);
  assert_false(read.done());
  loop.peer(3).greets();
  loop.peer(4).greets();
  loop.peer(3).says("*6\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n:-2\r\n");
  assert_true(read.done());
  assert_true(bool(read.take()));
  assert_int_equal(monitor.failures(), 0);
}

void without_a_master_requests_fail_at_once(void**) {
  ManualLoop loop;
  TestMonitor monitor;
  RedisStore store(loop, by_sentinels(1), monitor);
  auto waiting = store.read_login(an_email());
  waiting.start();
  loop.peer(0).refuses();
  assert_true(waiting.done());
  assert_true(waiting.take().error() == StoreError::unavailable);
  auto later = store.read_login(an_email());
  later.start();
  loop.pass(0);
  assert_true(later.done());
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(most_of_them_are_heard_before_the_first_decision),
      cmocka_unit_test(a_single_answer_is_enough_after_a_moment),
      cmocka_unit_test(a_single_answer_is_enough_when_the_others_are_dead),
      cmocka_unit_test(an_event_is_a_reason_to_ask_and_the_higher_epoch_counts),
      cmocka_unit_test(an_event_during_a_question_leads_to_another_one),
      cmocka_unit_test(a_lower_epoch_leads_nobody_back),
      cmocka_unit_test(a_master_that_most_monitor_anew_is_followed),
      cmocka_unit_test(nobody_knows_the_master),
      cmocka_unit_test(a_host_name_is_no_address),
      cmocka_unit_test(a_silent_sentinel_is_given_up_and_tried_again),
      cmocka_unit_test(a_redis_is_no_sentinel),
      cmocka_unit_test(a_server_of_the_wrong_kind_is_told_of_in_one_line),
      cmocka_unit_test(requests_move_with_the_master),
      cmocka_unit_test(without_a_master_requests_fail_at_once),
  };
  return cmocka_run_group_tests_name("redis sentinel watch", tests, nullptr, nullptr);
}
