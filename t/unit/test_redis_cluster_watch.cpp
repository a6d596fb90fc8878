// Which node's map of the slots counts, and who is asked next. The nodes are played.
#include <string>
#include <vector>

#include "cluster_watch.hpp"
#include "manual_loop.hpp"
#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

void greets(Peer& peer, std::string_view mode = "cluster", std::string_view role = "master") {
  peer.accepts();
  peer.says("*4\r\n" + bulk("version") + bulk("7.0.15") + bulk("mode") + bulk(mode) + "+PONG\r\n*3\r\n" +
            bulk(role) + ":0\r\n*0\r\n");
}

std::string info(int epoch, bool ok = true) {
  return bulk(std::string("cluster_state:") + (ok ? "ok" : "fail") +
              "\r\ncluster_current_epoch:" + std::to_string(epoch) + "\r\n");
}

// All slots are one master's, with a replica.
std::string slots(std::string_view master, std::string_view replica) {
  const auto node = [](std::string_view host) { return "*3\r\n" + bulk(host) + ":7000\r\n" + bulk("id"); };
  return "*1\r\n*4\r\n:0\r\n:16383\r\n" + node(master) + node(replica);
}

struct Told : ClusterWatch::Listener {
  void on_map(const SlotMap& map) override {
    ++maps;
    master = map.nodes[map.ranges.front().master].host;
  }
  void on_no_map() override { ++none; }
  bool misses_a_node() const override { return missing; }
  std::string master;
  int maps = 0;
  int none = 0;
  bool missing = false;
};

Server one_seed() {
  Server server;
  server.cluster.push_back({"10.0.0.1", 7000, {}});
  server.replicas = 1;  // a replica has no WAIT
  return server;
}

struct Watched {
  Peer& last() { return loop.peer(loop.peers() - 1); }
  void answers(Peer& peer, std::string_view master, int epoch, bool ok = true) {
    peer.says(info(epoch, ok) + slots(master, "10.0.0.9"));
  }
  ManualLoop loop;
  TestMonitor monitor;
  Told told;
  ClusterWatch watch{loop, one_seed(), monitor, told};
};

bool is_question(const std::string& heard) {
  return heard.find("INFO") != heard.npos && heard.find("SLOTS") != heard.npos;
}

void the_map_is_asked_for_at_once_and_every_second(void**) {
  Watched watched;
  greets(watched.last());
  assert_true(is_question(watched.last().heard()));
  watched.answers(watched.last(), "10.0.0.1", 1);
  assert_text(watched.told.master, "10.0.0.1");
  watched.loop.pass(900);
  assert_text(watched.last().heard(), "");
  watched.loop.pass(400);
  assert_true(is_question(watched.last().heard()));
}

void while_a_node_is_missed_it_is_asked_for_more_often(void**) {
  Watched watched;
  greets(watched.last());
  watched.last().heard();
  watched.answers(watched.last(), "10.0.0.1", 1);
  watched.told.missing = true;
  for (int i = 0; i < 3; ++i) {
    watched.loop.pass(200);
    assert_true(is_question(watched.last().heard()));
    watched.answers(watched.last(), "10.0.0.1", 1);
  }
}

void a_doubt_during_a_question_leads_to_another_one(void**) {
  Watched watched;
  greets(watched.last());
  watched.last().heard();
  watched.watch.ask();
  watched.loop.pass(0);
  assert_text(watched.last().heard(), "");
  watched.answers(watched.last(), "10.0.0.1", 1);
  assert_true(is_question(watched.last().heard()));
}

void a_replica_can_tell_as_well(void**) {
  Watched watched;
  greets(watched.last(), "cluster", "slave");
  watched.answers(watched.last(), "10.0.0.2", 1);
  assert_text(watched.told.master, "10.0.0.2");
  assert_int_equal(watched.monitor.lines.size(), 0);
}

void a_node_that_is_silent_is_left_for_another_one(void**) {
  Watched watched;
  greets(watched.last());
  watched.answers(watched.last(), "10.0.0.2", 1);
  Peer& silent = watched.last();
  watched.loop.pass(2200);
  assert_true(silent.closed());
  assert_int_equal(watched.loop.peers(), 2);
  greets(watched.last());
  assert_true(is_question(watched.last().heard()));
  assert_int_equal(watched.told.none, 0);
}

void a_map_of_a_lower_epoch_does_not_count_while_anybody_knows_better(void**) {
  Watched watched;
  greets(watched.last());
  watched.answers(watched.last(), "10.0.0.2", 5);
  watched.last().hangs_up();
  for (int i = 0; i < 10; ++i) {
    greets(watched.last());
    if (i % 2 == 0) {  // one who has been away; another one is asked
      watched.answers(watched.last(), "10.0.0.7", 4);
      watched.loop.pass(200);
    } else {
      watched.answers(watched.last(), "10.0.0.2", 5);
      watched.loop.pass(900);
      watched.last().hangs_up();
    }
    assert_text(watched.told.master, "10.0.0.2");
  }
}

void a_cluster_that_was_made_anew_is_believed_after_a_while(void**) {
  Watched watched;
  greets(watched.last());
  watched.answers(watched.last(), "10.0.0.2", 5);
  watched.last().hangs_up();
  for (int i = 0; i < 60 && watched.told.master != "10.0.0.7"; ++i) {
    greets(watched.last());
    watched.answers(watched.last(), "10.0.0.7", 0);
    watched.loop.pass(200);
  }
  assert_text(watched.told.master, "10.0.0.7");
}

void a_node_that_says_the_cluster_is_down_is_left(void**) {
  Watched watched;
  greets(watched.last());
  watched.answers(watched.last(), "10.0.0.2", 1, false);
  assert_text(watched.told.master, "10.0.0.2");
  watched.loop.pass(200);
  assert_int_equal(watched.loop.peers(), 2);
}

void a_redis_that_is_no_cluster_is_named_once(void**) {
  Watched watched;
  for (int i = 0; i < 5; ++i) {
    watched.last().accepts();
    watched.last().says("*4\r\n" + bulk("version") + bulk("7.0.15") + bulk("mode") + bulk("standalone"));
    watched.loop.pass(1000);
  }
  assert_true(watched.told.none > 1);
  assert_int_equal(watched.monitor.lines_with("it is not a node of a Redis Cluster; write"), 1);
}

void nonsense_is_no_map(void**) {
  Watched watched;
  greets(watched.last());
  watched.last().says(info(1) + "+slots?\r\n");
  assert_int_equal(watched.told.maps, 0);
  assert_int_equal(watched.monitor.lines_with("is not understood"), 1);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_map_is_asked_for_at_once_and_every_second),
      cmocka_unit_test(while_a_node_is_missed_it_is_asked_for_more_often),
      cmocka_unit_test(a_doubt_during_a_question_leads_to_another_one),
      cmocka_unit_test(a_replica_can_tell_as_well),
      cmocka_unit_test(a_node_that_is_silent_is_left_for_another_one),
      cmocka_unit_test(a_map_of_a_lower_epoch_does_not_count_while_anybody_knows_better),
      cmocka_unit_test(a_cluster_that_was_made_anew_is_believed_after_a_while),
      cmocka_unit_test(a_node_that_says_the_cluster_is_down_is_left),
      cmocka_unit_test(a_redis_that_is_no_cluster_is_named_once),
      cmocka_unit_test(nonsense_is_no_map),
  };
  return cmocka_run_group_tests_name("redis cluster watch", tests, nullptr, nullptr);
}
