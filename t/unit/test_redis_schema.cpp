// The version of what Redis holds: who finds it, writes it down, and leaves alone what is newer.
#include <functional>
#include <string>

#include "admin_store.hpp"
#include "readiness.hpp"
#include "redis_cluster.hpp"
#include "redis_line.hpp"
#include "schema.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;
RedisCluster* cluster = nullptr;
const Keyspace kKeys("wsync");
const std::string kKey = kKeys.schema();

Server marking(Server server) {
  server.marks_schema = true;
  return server;
}

std::size_t slot_of_schema() { return slot_of(kKey); }

// In the cluster, wherever the key is.
void set_in_cluster(std::string_view version) { cluster->owner_of(slot_of_schema())("SET", kKey, version); }

bool signs_up(Worker& worker, std::string_view address = "satoshi@example.com") {
  Account account = an_account();
  account.email = address;
  const auto made = worker.run(worker.store.create_account(account_id(address), account, std::nullopt, kNow));
  return made && *made;
}

bool is_unavailable(Worker& worker) {
  const auto seen = worker.run(worker.store.read_token(new_token(account_id()), kNow));
  const auto made = worker.run(worker.store.create_account(account_id(), an_account(), std::nullopt, kNow));
  return !seen && seen.error() == StoreError::unavailable && !made && made.error() == StoreError::unavailable;
}

bool until(Worker& worker, const std::function<bool()>& condition) {
  return worker.loop.run_until(condition);
}

// ---- what a reply means

void versions_up_to_ours_are_fine_and_all_else_says_what_to_do(void**) {
  const auto judged = [](Reply::Type type, std::string text) {
    Reply reply;
    reply.type = type;
    reply.text = std::move(text);
    assert_true(tells_schema(reply));
    return wrong_schema(reply, kKey);
  };
  assert_text(judged(Reply::Type::nil, ""), "");
  assert_text(judged(Reply::Type::text, std::to_string(kSchemaVersion)), "");
  assert_text(judged(Reply::Type::text, std::to_string(kSchemaVersion + 1)),
              "its data are of schema version 2, and this build knows version 1; upgrade the wallet-sync "
              "module and its tools here, or restore a backup of before");
  assert_text(judged(Reply::Type::text, "ban\"ana\n"),
              "its key wsync:schema holds \"ban?ana?\" instead of a schema version, and this build knows "
              "version 1; upgrade the wallet-sync module and its tools here, or put the key right");
  for (const char* garbage : {"", "0", "-1", "1.0", "two", "1 ", "99999999999999999999999"}) {
    assert_row(judged(Reply::Type::text, garbage).find("put the key right") != std::string::npos, garbage);
  }
  assert_true(judged(Reply::Type::text, std::string(5000, 'x')).size() < 300);
  assert_true(judged(Reply::Type::error, "WRONGTYPE Operation").find("holds no text") != std::string::npos);
  assert_true(judged(Reply::Type::error, "NOPERM this user").find("allow GET of wsync:schema") !=
              std::string::npos);
}

void errors_about_the_server_tell_nothing_of_the_key(void**) {
  for (const char* text : {"LOADING x", "BUSY x", "MOVED 1 a:1", "MASTERDOWN x"}) {
    Reply reply;
    reply.type = Reply::Type::error;
    reply.text = text;
    assert_row(!tells_schema(reply), text);
  }
}

// ---- one Redis

void where_there_is_none_it_is_written_down(void**) {
  Worker worker(marking(redis->server()));
  assert_true(until(worker, [] { return (*redis)("GET", kKey).text == "1"; }));
  assert_true(signs_up(worker));
  assert_int_equal((*redis)("TTL", kKey).integer, -1);
}

void one_that_vanishes_while_we_serve_is_written_again(void**) {
  Worker worker(marking(redis->server()));
  assert_true(until(worker, [] { return (*redis)("EXISTS", kKey).integer == 1; }));
  (*redis)("FLUSHALL");
  assert_true(until(worker, [] { return (*redis)("GET", kKey).text == "1"; }));
}

void who_only_looks_writes_none(void**) {
  Worker worker(redis->server());
  assert_true(worker.run_until_ready());
  assert_true(signs_up(worker));
  worker.loop.run_until([] { return false; }, 700);  // its check is every half second
  assert_int_equal((*redis)("EXISTS", kKey).integer, 0);
}

void each_prefix_has_a_version_of_its_own(void**) {
  (*redis)("SET", Keyspace("other").schema(), "99");
  Worker worker(redis->server());
  assert_true(signs_up(worker));
}

void a_newer_one_and_nonsense_are_no_connection_and_stay(void**) {
  for (const std::string_view version : {"2", "1000", "two", "0", ""}) {
    (*redis)("SET", kKey, version);
    Line line(marking(redis->server()));
    assert_true(line.settle());
    assert_row(line.connection->lost(), version);
    assert_true(line.connection->cause() == Connection::Cause::schema);
    assert_text((*redis)("GET", kKey).text, version);
  }
  (*redis)("DEL", kKey);
  (*redis)("HSET", kKey, "a", "b");
  Line line(redis->server());
  assert_true(line.settle());
  assert_true(line.connection->cause() == Connection::Cause::schema);
}

void nothing_is_done_with_newer_data_and_it_is_said_once(void**) {
  (*redis)("SET", kKey, kSchemaVersion + 1);
  const std::string before = redis->snapshot();
  Worker worker(marking(redis->server()));
  const Readiness readiness(worker.loop, worker.store);
  for (int i = 0; i < 3; ++i) {
    assert_true(is_unavailable(worker));
    worker.loop.run_until([] { return false; }, 100);
  }
  assert_true(readiness.state() == Readiness::State::wrong_schema);
  assert_true(worker.store.known_down());
  assert_int_equal(worker.monitor.lines_with("schema version 2"), 1);
  assert_int_equal(worker.monitor.lines.size(), 1);
  assert_true(redis->snapshot() == before);
}

void it_serves_as_soon_as_the_version_is_right(void**) {
  (*redis)("SET", kKey, kSchemaVersion + 1);
  Worker worker(redis->server());
  assert_true(is_unavailable(worker));
  (*redis)("SET", kKey, kSchemaVersion);
  assert_true(until(worker, [&] { return worker.store.wrong_schema().empty(); }));
  assert_true(signs_up(worker));
  assert_int_equal(worker.monitor.lines_with("answers again"), 1);
}

void a_newer_one_that_comes_while_we_serve_is_noticed(void**) {
  Worker worker(marking(redis->server()));
  assert_true(signs_up(worker));
  (*redis)("SET", kKey, kSchemaVersion + 1);
  const std::int64_t begin = worker.loop.now_ms();
  assert_true(until(worker, [&] { return !worker.store.wrong_schema().empty(); }));
  assert_true(worker.loop.now_ms() - begin < 1500);
  assert_true(is_unavailable(worker));
  assert_int_equal(worker.monitor.lines_with("schema version 2"), 1);
  assert_text((*redis)("GET", kKey).text, "2");
}

// What its EXEC did is not known, and nobody looks.
void a_change_whose_exec_is_on_its_way_then_is_never_acknowledged(void**) {
  Server server = redis->server();
  server.command_timeout_ms = 2000;
  server.lanes = 1;
  ProxiedWorker worker(server);
  worker.at_first_exec([&] {
    (*redis)("SET", kKey, kSchemaVersion + 1);
    return RedisProxy::Verdict::cut_reply;
  });
  const auto made = worker.run(worker.store.create_account(account_id(), an_account(), std::nullopt, kNow));
  assert_true(!made && made.error() == StoreError::unknown);
}

void a_user_who_may_not_write_it_is_served_and_told_once(void**) {
  (*redis)("ACL", "SETUSER", "alice", "on", "nopass", "~*", "&*", "+@all", "-set");
  Server server = marking(redis->server());
  server.user = "alice";
  Worker worker(server);
  assert_true(signs_up(worker));
  worker.loop.run_until([] { return false; }, 1200);
  assert_int_equal(worker.monitor.lines_with("refuses the schema version: NOPERM"), 1);
  assert_int_equal((*redis)("EXISTS", kKey).integer, 0);
}

void a_redis_that_refuses_writes_gets_it_later(void**) {
  (*redis)("CONFIG", "SET", "min-replicas-to-write", "1");
  Worker worker(marking(redis->server()));
  assert_true(until(worker, [&] { return worker.monitor.lines_with("NOREPLICAS") > 0; }));
  (*redis)("CONFIG", "SET", "min-replicas-to-write", "0");
  assert_true(until(worker, [] { return (*redis)("GET", kKey).text == "1"; }));
}

// ---- a cluster

void a_cluster_gets_it_in_the_slot_of_the_key(void**) {
  cluster->owner_of(slot_of_schema())("DEL", kKey);
  Worker worker(marking(cluster->server()));
  assert_true(until(worker, [] { return cluster->owner_of(slot_of_schema())("GET", kKey).text == "1"; }));
  for (int i = 0; i < 6; ++i) {
    assert_true(signs_up(worker, "marked" + std::to_string(i) + "@example.com"));
  }
}

void a_cluster_of_newer_data_is_left_alone_at_every_master(void**) {
  set_in_cluster("2");
  Worker worker(marking(cluster->server()));
  const Readiness readiness(worker.loop, worker.store);
  for (int i = 0; i < 6; ++i) {
    assert_false(signs_up(worker, "newer" + std::to_string(i) + "@example.com"));
  }
  assert_true(readiness.state() == Readiness::State::wrong_schema);
  assert_int_equal(worker.monitor.lines_with("schema version 2"), 1);
  set_in_cluster("1");
  assert_true(until(worker, [&] { return worker.store.wrong_schema().empty(); }));
  for (int i = 0; i < 6; ++i) {
    assert_true(signs_up(worker, "newer" + std::to_string(i) + "@example.com"));
  }
  assert_int_equal(worker.monitor.lines_with("is known again"), 1);
}

void a_cluster_whose_version_rises_is_noticed_wherever_the_slot_goes(void**) {
  set_in_cluster("1");
  Worker worker(cluster->server());
  assert_true(signs_up(worker, "rises@example.com"));
  const std::size_t slot = slot_of_schema();
  const std::size_t to = (cluster->owner(slot) + 1) % cluster->size();
  cluster->begin_move(slot, to);
  cluster->move_key(kKey, slot, to);  // only ASK leads to it now
  {
    Worker late(cluster->server());
    assert_true(signs_up(late, "while-it-moves@example.com"));
  }
  cluster->finish_move(slot, to);
  cluster->owner_of(slot)("SET", kKey, "garbage");
  assert_true(until(worker, [&] { return !worker.store.wrong_schema().empty(); }));
  assert_false(signs_up(worker, "too-late@example.com"));
  set_in_cluster("1");
  assert_true(until(worker, [&] { return worker.store.wrong_schema().empty(); }));
}

void while_the_keys_master_is_away_others_go_on_and_newcomers_wait(void**) {
  set_in_cluster("1");
  Worker worker(cluster->server());
  const std::size_t owner = cluster->owner(slot_of_schema());
  std::string elsewhere;
  for (int i = 0; elsewhere.empty(); ++i) {
    const std::string address = "elsewhere" + std::to_string(i) + "@example.com";
    if (cluster->owner(slot_of_tag(account_id(address).view())) != owner) {
      elsewhere = address;
    }
  }
  assert_true(signs_up(worker, elsewhere));
  cluster->node(owner).kill();
  assert_true(until(worker, [&] { return worker.store.known_down(); }));
  const auto state = worker.run(worker.store.read_login(an_email(elsewhere)));
  assert_true(state && state->account);
  Worker newcomer(cluster->server());
  const auto unknown = newcomer.run(newcomer.store.read_login(an_email(elsewhere)));
  assert_true(!unknown && unknown.error() == StoreError::unavailable);
  cluster->node(owner).restart();
  assert_true(newcomer.loop.run_until([&] {
    const auto known = newcomer.run(newcomer.store.read_login(an_email(elsewhere)));
    return known && known->account;
  }));
}

// As after a restore of all of it.
void a_cluster_that_was_away_as_a_whole_is_asked_anew(void**) {
  set_in_cluster("1");
  Worker worker(cluster->server());
  assert_true(signs_up(worker, "before@example.com"));
  set_in_cluster("2");
  for (std::size_t i = 0; i < cluster->size(); ++i) {
    cluster->node(i).kill();
  }
  assert_true(until(worker, [&] { return worker.store.known_down(); }));
  for (std::size_t i = 0; i < cluster->size(); ++i) {
    cluster->node(i).restart();
  }
  bool any = false;
  assert_true(until(worker, [&] {
    any = any || signs_up(worker, "after@example.com");
    return !worker.store.wrong_schema().empty();
  }));
  assert_false(any);
  set_in_cluster("1");
}

int start_redis(void**) {
  redis = new RedisServer;
  cluster = new RedisCluster;
  return 0;
}
int stop_redis(void**) {
  delete cluster;
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
      cmocka_unit_test(versions_up_to_ours_are_fine_and_all_else_says_what_to_do),
      cmocka_unit_test(errors_about_the_server_tell_nothing_of_the_key),
      cmocka_unit_test_setup(where_there_is_none_it_is_written_down, flush),
      cmocka_unit_test_setup(one_that_vanishes_while_we_serve_is_written_again, flush),
      cmocka_unit_test_setup(who_only_looks_writes_none, flush),
      cmocka_unit_test_setup(each_prefix_has_a_version_of_its_own, flush),
      cmocka_unit_test_setup(a_newer_one_and_nonsense_are_no_connection_and_stay, flush),
      cmocka_unit_test_setup(nothing_is_done_with_newer_data_and_it_is_said_once, flush),
      cmocka_unit_test_setup(it_serves_as_soon_as_the_version_is_right, flush),
      cmocka_unit_test_setup(a_newer_one_that_comes_while_we_serve_is_noticed, flush),
      cmocka_unit_test_setup(a_change_whose_exec_is_on_its_way_then_is_never_acknowledged, flush),
      cmocka_unit_test_setup(a_user_who_may_not_write_it_is_served_and_told_once, flush),
      cmocka_unit_test_setup(a_redis_that_refuses_writes_gets_it_later, flush),
      cmocka_unit_test(a_cluster_gets_it_in_the_slot_of_the_key),
      cmocka_unit_test(a_cluster_of_newer_data_is_left_alone_at_every_master),
      cmocka_unit_test(a_cluster_whose_version_rises_is_noticed_wherever_the_slot_goes),
      cmocka_unit_test(while_the_keys_master_is_away_others_go_on_and_newcomers_wait),
      cmocka_unit_test(a_cluster_that_was_away_as_a_whole_is_asked_anew),
  };
  return cmocka_run_group_tests_name("redis schema", tests, start_redis, stop_redis);
}
