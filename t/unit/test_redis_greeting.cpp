// From connect() to a connection that may be used, or the reason why not: against real servers of all sorts.
#include "redis_line.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;

void it_becomes_ready_over_a_unix_socket(void**) {
  Line line(redis->server());
  assert_false(line.connection->ready());
  assert_true(line.settle());
  assert_true(line.connection->ready());
  assert_int_equal(line.owner.ready, 1);
  assert_int_equal(line.monitor.counted(Counter::connects), 1);
}

void it_becomes_ready_over_tcp(void**) {
  Line line(redis->tcp_server());
  assert_true(line.settle());
  assert_true(line.connection->ready());
}

void it_logs_in_with_user_and_password(void**) {
  (*redis)("ACL", "SETUSER", "alice", "on", ">s3cret word", "~*", "&*", "+@all");
  Server server = redis->server();
  server.user = "alice";
  server.password = "s3cret word";
  Line line(server);
  assert_true(line.settle());
  assert_true(line.connection->ready());
  assert_text(line.reply_to(Command("ACL", "WHOAMI")).text, "alice");
}

void a_user_without_a_password_is_logged_in_too(void**) {
  (*redis)("ACL", "SETUSER", "open", "on", "nopass", "~*", "&*", "+@all");
  Server server = redis->server();
  server.user = "open";
  Line line(server);
  assert_true(line.settle());
  assert_text(line.reply_to(Command("ACL", "WHOAMI")).text, "open");
}

void it_logs_in_with_a_password_alone(void**) {
  RedisServer guarded({"--requirepass", "only the password"});
  Server server = guarded.server();
  server.password = "only the password";
  Line line(server);
  assert_true(line.settle());
  assert_true(line.connection->ready());
}

void a_wrong_password_is_no_connection_and_is_not_told(void**) {
  (*redis)("ACL", "SETUSER", "alice", "on", ">s3cret word", "~*", "&*", "+@all");
  Server server = redis->server();
  server.user = "alice";
  server.password = "guess";
  Line line(server);
  assert_true(line.settle());
  assert_true(line.connection->lost());
  assert_int_equal(line.owner.ready, 0);
  assert_true(line.owner.reason.find("WRONGPASS") != std::string::npos);
  assert_true(line.owner.reason.find("guess") == std::string::npos);
}

void a_missing_password_is_no_connection(void**) {
  RedisServer guarded({"--requirepass", "needed"});
  Line line(guarded.server());
  assert_true(line.settle());
  assert_true(line.connection->lost());
  assert_true(line.owner.reason.find("NOAUTH") != std::string::npos);
}

void a_user_who_may_not_ask_for_the_role_is_served(void**) {
  (*redis)("ACL", "SETUSER", "bob", "on", ">pw", "~*", "&*", "+@all", "-role");
  Server server = redis->server();
  server.user = "bob";
  server.password = "pw";
  Line line(server);
  assert_true(line.settle());
  assert_true(line.connection->ready());
}

void it_works_in_the_selected_database(void**) {
  Server server = redis->server();
  server.database = 3;
  Line line(server);
  assert_true(line.settle());
  assert_true(line.reply_to(Command("SET", "in three", "yes")).is_status("OK"));
  BlockingClient client(redis->server());
  assert_true(client("GET", "in three").is_nil());
  client("SELECT", 3);
  assert_text(client("GET", "in three").text, "yes");
}

void a_database_that_does_not_exist_is_no_connection(void**) {
  Server server = redis->server();
  server.database = 99;
  Line line(server);
  assert_true(line.settle());
  assert_true(line.connection->lost());
}

void a_replica_is_no_connection(void**) {
  RedisServer replica;
  replica("REPLICAOF", "127.0.0.1", redis->tcp_server().port);
  Line line(replica.server());
  assert_true(line.settle());
  assert_true(line.connection->lost());
  assert_text(line.owner.reason, "it is a replica, not a master");
}

void a_server_that_loads_its_data_is_no_connection_yet(void**) {
  RedisServer loading(
      {"--appendonly", "no", "--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024"});
  loading("DEBUG", "POPULATE", 200, "key", 512);
  loading("SAVE");
  loading.kill();
  loading.restart_without_waiting();
  Line line(loading.server());
  assert_true(line.settle());
  assert_true(line.connection->lost());
  assert_true(line.owner.reason.find("LOADING") != std::string::npos);
}

void nobody_listening_is_told_after_the_constructor(void**) {
  for (const bool tcp : {false, true}) {
    RedisServer gone;
    const Server server = tcp ? gone.tcp_server() : gone.server();
    gone.kill();
    Line line(server);
    assert_int_equal(line.owner.lost, 0);
    assert_true(line.settle());
    assert_int_equal(line.owner.lost, 1);
    assert_false(line.connection->was_ready());
    assert_false(line.connection->was_silent());
    assert_false(line.owner.reason.empty());
  }
}

void a_server_that_does_not_greet_is_given_up_after_connect_timeout(void**) {
  RedisServer frozen;
  frozen.freeze();
  Server server = frozen.tcp_server();
  server.connect_timeout_ms = 300;
  server.command_timeout_ms = 20000;
  Line line(server);
  const std::int64_t begin = line.loop.now_ms();
  assert_true(line.settle());
  assert_true(line.loop.now_ms() - begin >= 290);
  assert_int_equal(line.owner.lost, 1);
  assert_true(line.connection->was_silent());
  assert_false(line.connection->was_ready());
}

void a_full_server_is_no_connection(void**) {
  RedisServer full({"--maxclients", "1"});
  BlockingClient occupant(full.server());
  occupant("PING");
  Line line(full.server());
  assert_true(line.settle());
  assert_true(line.connection->lost());
  assert_int_equal(line.owner.ready, 0);
  assert_false(line.owner.reason.empty());  // what it said, or that it hung up
}

void it_may_be_destroyed_while_it_connects_and_greets(void**) {
  for (int turns = 0; turns < 6; ++turns) {
    Line line(redis->server());
    for (int i = 0; i < turns; ++i) {
      line.loop.turn(20);
    }
    line.connection.reset();
    line.loop.turn(0);
    assert_int_equal(line.loop.sockets(), 0);
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
      cmocka_unit_test_setup(it_becomes_ready_over_a_unix_socket, flush),
      cmocka_unit_test_setup(it_becomes_ready_over_tcp, flush),
      cmocka_unit_test_setup(it_logs_in_with_user_and_password, flush),
      cmocka_unit_test_setup(a_user_without_a_password_is_logged_in_too, flush),
      cmocka_unit_test_setup(it_logs_in_with_a_password_alone, flush),
      cmocka_unit_test_setup(a_wrong_password_is_no_connection_and_is_not_told, flush),
      cmocka_unit_test_setup(a_missing_password_is_no_connection, flush),
      cmocka_unit_test_setup(a_user_who_may_not_ask_for_the_role_is_served, flush),
      cmocka_unit_test_setup(it_works_in_the_selected_database, flush),
      cmocka_unit_test_setup(a_database_that_does_not_exist_is_no_connection, flush),
      cmocka_unit_test_setup(a_replica_is_no_connection, flush),
      cmocka_unit_test_setup(a_server_that_loads_its_data_is_no_connection_yet, flush),
      cmocka_unit_test_setup(nobody_listening_is_told_after_the_constructor, flush),
      cmocka_unit_test_setup(a_server_that_does_not_greet_is_given_up_after_connect_timeout, flush),
      cmocka_unit_test_setup(a_full_server_is_no_connection, flush),
      cmocka_unit_test_setup(it_may_be_destroyed_while_it_connects_and_greets, flush),
  };
  return cmocka_run_group_tests_name("redis greeting", tests, start_redis, stop_redis);
}
