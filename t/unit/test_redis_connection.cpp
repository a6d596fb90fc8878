// One connection, from connect to loss, against a real server.
#include <memory>
#include <optional>

#include "connection.hpp"
#include "redis_fixture.hpp"
#include "redis_proxy.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;

struct Owner : Connection::Owner {
  void on_ready(Connection&) override { ++ready; }
  void on_lost(Connection& connection) override {
    ++lost;
    reason = connection.reason();
  }
  int ready = 0;
  int lost = 0;
  std::string reason;
};

// A connection and all it needs.
struct Line {
  explicit Line(Server where) : server(std::move(where)) {
    connection = std::make_unique<Connection>(loop, server, monitor, owner);
  }
  bool settle() {
    return loop.run_until([&] { return owner.ready + owner.lost > 0; });
  }
  bool wait_for_loss() {
    return loop.run_until([&] { return owner.lost > 0; });
  }
  Result<Replies> send(Commands commands) { return finish(loop, exchange(*connection, std::move(commands))); }
  static Task<Result<Replies>> exchange(Connection& connection, Commands commands) {
    co_return co_await connection.send(commands);
  }

  LibeventLoop loop;
  TestMonitor monitor;
  Owner owner;
  Server server;
  std::unique_ptr<Connection> connection;
};

Commands commands(std::initializer_list<Command> list) { return Commands(list); }

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

void replies_come_in_order_and_byte_for_byte(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  std::string bytes(300'000, 'x');
  for (std::size_t i = 0; i < bytes.size(); i += 7) {
    bytes[i] = static_cast<char>(i % 256);
  }
  const auto replies =
      line.send(commands({Command("SET", "k", bytes), Command("GET", "k"), Command("GET", "none"),
                          Command("INCR", "n"), Command("HMGET", "h", "a", "b")}));
  assert_true(static_cast<bool>(replies));
  assert_int_equal(replies->size(), 5);
  assert_true((*replies)[0].is_status("OK"));
  assert_true((*replies)[1].type == Reply::Type::text && (*replies)[1].text == bytes);
  assert_true((*replies)[2].is_nil());
  assert_true((*replies)[3].type == Reply::Type::integer && (*replies)[3].integer == 1);
  assert_true((*replies)[4].is_array(2) && (*replies)[4].elements[1].is_nil());
}

void an_error_reply_is_a_reply(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  const auto replies = line.send(commands({Command("NONSENSE"), Command("PING")}));
  assert_true(static_cast<bool>(replies));
  assert_true((*replies)[0].is_error());
  assert_true((*replies)[1].is_status("PONG"));
  assert_true(line.connection->ready());
}

void many_round_trips_side_by_side_each_get_their_own_replies(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  std::vector<Task<Result<Replies>>> tasks;
  for (int i = 0; i < 500; ++i) {
    tasks.push_back(Line::exchange(*line.connection, commands({Command("ECHO", i), Command("ECHO", -i)})));
  }
  const auto results = finish_all(line.loop, tasks);
  for (std::size_t i = 0; i < results.size(); ++i) {
    assert_true(static_cast<bool>(results[i]));
    assert_text((*results[i])[0].text, std::to_string(i));
  }
}

void before_it_is_ready_nothing_can_be_sent(void**) {
  Line line(redis->server());
  const auto replies = line.send(commands({Command("PING")}));
  assert_false(static_cast<bool>(replies));
  assert_true(replies.error() == StoreError::unavailable);
}

void it_logs_in_with_user_and_password(void**) {
  (*redis)("ACL", "SETUSER", "alice", "on", ">s3cret word", "~*", "&*", "+@all");
  Server server = redis->server();
  server.user = "alice";
  server.password = "s3cret word";
  Line line(server);
  assert_true(line.settle());
  assert_true(line.connection->ready());
  assert_text((*line.send(commands({Command("ACL", "WHOAMI")})))[0].text, "alice");
}

void a_user_without_a_password_is_logged_in_too(void**) {
  (*redis)("ACL", "SETUSER", "open", "on", "nopass", "~*", "&*", "+@all");
  Server server = redis->server();
  server.user = "open";
  Line line(server);
  assert_true(line.settle());
  assert_text((*line.send(commands({Command("ACL", "WHOAMI")})))[0].text, "open");
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
  assert_true(static_cast<bool>(line.send(commands({Command("SET", "in three", "yes")}))));
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
    assert_false(line.connection->timed_out());
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
  const std::int64_t took = line.loop.now_ms() - begin;
  assert_int_equal(line.owner.lost, 1);
  assert_true(line.connection->timed_out());
  assert_in_range(took, 290, 3000);
}

void a_command_without_answer_ends_the_connection_after_command_timeout(void**) {
  RedisServer frozen;
  Server server = frozen.server();
  server.command_timeout_ms = 300;
  Line line(server);
  assert_true(line.settle());
  frozen.freeze();
  const std::int64_t begin = line.loop.now_ms();
  const auto replies = line.send(commands({Command("PING")}));
  const std::int64_t took = line.loop.now_ms() - begin;
  assert_true(replies.error() == StoreError::unavailable);
  assert_in_range(took, 290, 3000);
  assert_true(line.connection->timed_out() && line.connection->was_ready());
  assert_true(line.wait_for_loss());
}

// The first command is answered only just in time; the second, sent later, still has its own deadline.
void each_command_has_its_own_deadline(void**) {
  Server server = redis->server();
  server.command_timeout_ms = 1000;
  Line line(server);
  assert_true(line.settle());
  BlockingClient(redis->server())("CLIENT", "PAUSE", 700, "ALL");
  auto first = Line::exchange(*line.connection, commands({Command("PING")}));
  first.start();
  const std::int64_t begin = line.loop.now_ms();
  line.loop.run_until([&] { return line.loop.now_ms() - begin >= 500; }, 500);
  auto second = Line::exchange(*line.connection, commands({Command("PING")}));
  second.start();
  assert_true(line.loop.run_until([&] { return first.done() && second.done(); }));
  assert_true(static_cast<bool>(first.take()));
  assert_true(static_cast<bool>(second.take()));
  assert_true(line.connection->ready());
}

void the_servers_death_answers_all_who_wait(void**) {
  RedisServer mortal;
  Line line(mortal.server());
  assert_true(line.settle());
  mortal.freeze();
  std::vector<Task<Result<Replies>>> tasks;
  for (int i = 0; i < 20; ++i) {
    tasks.push_back(Line::exchange(*line.connection, commands({Command("PING"), Command("PING")})));
    tasks.back().start();
  }
  line.loop.turn(50);
  mortal.kill();
  for (auto& task : tasks) {
    assert_true(line.loop.run_until([&] { return task.done(); }));
    assert_true(task.take().error() == StoreError::unavailable);
  }
  assert_true(line.wait_for_loss());
  assert_int_equal(line.owner.lost, 1);
  assert_false(line.connection->timed_out());
  assert_int_equal(line.monitor.counted(Counter::connections_lost), 1);
  assert_int_equal(line.loop.sockets(), 0);
}

void a_waiter_that_is_gone_does_not_disturb_the_others(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  std::optional<Task<Result<Replies>>> gone =
      Line::exchange(*line.connection, commands({Command("ECHO", "gone")}));
  auto stays = Line::exchange(*line.connection, commands({Command("ECHO", "stays")}));
  gone->start();
  stays.start();
  gone.reset();
  assert_true(line.loop.run_until([&] { return stays.done(); }));
  assert_text((*stays.take())[0].text, "stays");
}

void a_waiter_may_go_between_the_reply_and_its_turn(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  std::optional<Task<Result<Replies>>> gone =
      Line::exchange(*line.connection, commands({Command("ECHO", "gone")}));
  gone->start();
  bool answered = false;
  line.loop.before_posted = [&] {
    // The reply is posted by the turn that handles it: dropping the waiter there is the tightest moment.
    answered = true;
    gone.reset();
  };
  assert_true(line.loop.run_until([&] { return answered; }));
  line.loop.before_posted = nullptr;
  assert_text((*line.send(commands({Command("ECHO", "next")})))[0].text, "next");
}

void destroying_the_connection_answers_all_who_wait(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  auto task = Line::exchange(*line.connection, commands({Command("ECHO", "x"), Command("ECHO", "y")}));
  task.start();
  line.connection.reset();
  assert_true(line.loop.run_until([&] { return task.done(); }));
  assert_true(task.take().error() == StoreError::unavailable);
  assert_int_equal(line.owner.lost, 0);
  assert_int_equal(line.loop.sockets(), 0);
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

void an_error_reply_to_something_told_ends_the_connection(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  line.connection->tell(Command("UNWATCH"));
  assert_true(static_cast<bool>(line.send(commands({Command("PING")}))));
  assert_int_equal(line.owner.lost, 0);
  line.connection->tell(Command("UNWATCH", "too", "many"));
  assert_true(line.wait_for_loss());
  assert_true(line.owner.reason.find("wrong number of arguments") != std::string::npos);
}

void it_is_lost_when_its_owner_says_so(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  line.connection->lose("because");
  line.connection->lose("again");
  assert_true(line.connection->lost());
  assert_int_equal(line.owner.lost, 0);
  assert_true(line.wait_for_loss());
  assert_text(line.owner.reason, "because");
  assert_false(static_cast<bool>(line.send(commands({Command("PING")}))));
}

void a_full_server_is_no_connection(void**) {
  RedisServer full({"--maxclients", "1"});
  BlockingClient occupant(full.server());
  occupant("PING");
  Line line(full.server());
  assert_true(line.settle());
  assert_true(line.connection->lost());
  assert_int_equal(line.owner.ready, 0);
  assert_false(
      line.owner.reason.empty());  // what it said, or a broken pipe if the greeting came after it hung up
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
      cmocka_unit_test_setup(replies_come_in_order_and_byte_for_byte, flush),
      cmocka_unit_test_setup(an_error_reply_is_a_reply, flush),
      cmocka_unit_test_setup(many_round_trips_side_by_side_each_get_their_own_replies, flush),
      cmocka_unit_test_setup(before_it_is_ready_nothing_can_be_sent, flush),
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
      cmocka_unit_test_setup(a_command_without_answer_ends_the_connection_after_command_timeout, flush),
      cmocka_unit_test_setup(each_command_has_its_own_deadline, flush),
      cmocka_unit_test_setup(the_servers_death_answers_all_who_wait, flush),
      cmocka_unit_test_setup(a_waiter_that_is_gone_does_not_disturb_the_others, flush),
      cmocka_unit_test_setup(a_waiter_may_go_between_the_reply_and_its_turn, flush),
      cmocka_unit_test_setup(destroying_the_connection_answers_all_who_wait, flush),
      cmocka_unit_test_setup(it_may_be_destroyed_while_it_connects_and_greets, flush),
      cmocka_unit_test_setup(an_error_reply_to_something_told_ends_the_connection, flush),
      cmocka_unit_test_setup(it_is_lost_when_its_owner_says_so, flush),
      cmocka_unit_test_setup(a_full_server_is_no_connection, flush),
  };
  return cmocka_run_group_tests_name("redis connection", tests, start_redis, stop_redis);
}
