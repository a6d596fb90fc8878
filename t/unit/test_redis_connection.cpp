// A connection that is ready, until it is lost, against a real server. What depends on exact moments is in
// test_redis_silence.
#include <unistd.h>

#include <memory>
#include <optional>

#include "redis_line.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;

std::string odd_bytes(std::size_t size) {
  std::string bytes(size, 'x');
  for (std::size_t i = 0; i < size; i += 7) {
    bytes[i] = static_cast<char>(i % 256);
  }
  return bytes;
}

void replies_come_in_order_and_byte_for_byte(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  const std::string bytes = odd_bytes(300'000);
  Asked asked;
  line.ask(asked, {Command("SET", "k", bytes), Command("GET", "k"), Command("GET", "none"),
                   Command("INCR", "n"), Command("HMGET", "h", "a", "b")});
  assert_true(asked.receiving());
  assert_true(line.wait_for(asked));
  assert_false(asked.receiving());
  assert_int_equal(asked.replies().size(), 5);
  assert_true(asked.reply(0).is_status("OK"));
  assert_true(asked.reply(1).type == Reply::Type::text && asked.reply(1).text == bytes);
  assert_true(asked.reply(2).is_nil());
  assert_true(asked.reply(3).type == Reply::Type::integer && asked.reply(3).integer == 1);
  assert_true(asked.reply(4).is_array(2) && asked.reply(4).elements[1].is_nil());
}

void an_error_reply_is_a_reply(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  Asked asked;
  line.ask(asked, {Command("NONSENSE"), Command("PING")});
  assert_true(line.wait_for(asked));
  assert_true(asked.reply(0).is_error());
  assert_true(asked.reply(1).is_status("PONG"));
  assert_true(line.connection->ready());
}

void many_round_trips_side_by_side_each_get_their_own_replies(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  std::vector<std::unique_ptr<Asked>> all;
  for (int i = 0; i < 500; ++i) {
    all.push_back(std::make_unique<Asked>());
    line.ask(*all.back(), {Command("ECHO", i), Command("ECHO", -i)});
  }
  assert_int_equal(line.connection->flights(), 500);
  for (std::size_t i = 0; i < all.size(); ++i) {
    assert_true(line.wait_for(*all[i]));
    assert_text(all[i]->reply(0).text, std::to_string(i));
    assert_int_equal(all[i]->replies().size(), 2);
  }
  assert_int_equal(line.connection->flights(), 0);
}

void what_is_asked_in_one_turn_goes_out_in_one_write(void**) {
  LibeventLoop loop;
  RedisProxy proxy(loop, redis->server());
  TestMonitor monitor;
  LineOwner owner;
  Connection connection(loop, proxy.server(), monitor, owner, 0);
  assert_true(loop.run_until([&] { return owner.ready > 0; }));
  int writes = 0;
  proxy.judge = [&](std::string_view) {
    ++writes;
    return RedisProxy::Verdict::forward;
  };
  std::vector<std::unique_ptr<Asked>> all;
  for (int i = 0; i < 50; ++i) {
    all.push_back(std::make_unique<Asked>());
    connection.ask({Command("PING")}, *all.back());
  }
  assert_true(loop.run_until([&] { return all.back()->over(); }));
  assert_int_equal(writes, 1);
}

void commands_may_be_sent_in_parts(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  Asked asked;
  line.connection->append(Command("MULTI"));
  line.connection->append(Command("SET", "k", "v"));
  line.connection->append(Command("EXEC"));
  line.connection->expect(3, asked);
  assert_true(line.wait_for(asked));
  assert_true(asked.reply(2).is_array(1));
}

void the_servers_death_tells_all_who_wait(void**) {
  RedisServer mortal;
  Line line(mortal.server());
  assert_true(line.settle());
  mortal.freeze();
  std::vector<std::unique_ptr<Asked>> all;
  for (int i = 0; i < 20; ++i) {
    all.push_back(std::make_unique<Asked>());
    line.ask(*all.back(), {Command("PING"), Command("PING")});
  }
  line.loop.turn(50);
  mortal.kill();
  for (const auto& asked : all) {
    assert_true(line.wait_for(*asked));
    assert_true(asked->lost());
    assert_false(asked->receiving());
  }
  assert_true(line.wait_for_loss());
  assert_int_equal(line.owner.lost, 1);
  assert_true(line.connection->was_ready());
  assert_false(line.connection->was_silent());
  assert_int_equal(line.monitor.counted(Counter::connections_lost), 1);
  assert_int_equal(line.loop.sockets(), 0);
}

void who_goes_away_does_not_disturb_the_others(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  std::optional<Asked> gone(std::in_place);
  Asked stays;
  line.ask(*gone, {Command("ECHO", "gone")});
  line.ask(stays, {Command("ECHO", "stays")});
  gone.reset();
  assert_true(line.wait_for(stays));
  assert_text(stays.reply().text, "stays");
  assert_text(line.reply_to(Command("ECHO", "next")).text, "next");
}

void destroying_the_connection_forgets_who_waits(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  Asked asked;
  line.ask(asked, {Command("ECHO", "x"), Command("ECHO", "y")});
  line.connection.reset();
  assert_false(asked.receiving());
  line.loop.turn(0);
  assert_false(asked.over());
  assert_int_equal(line.owner.lost, 0);
  assert_int_equal(line.loop.sockets(), 0);
}

void an_error_reply_to_something_told_ends_the_connection(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  line.connection->tell(Command("UNWATCH"));
  assert_true(line.reply_to(Command("PING")).is_status("PONG"));
  assert_int_equal(line.owner.lost, 0);
  line.connection->tell(Command("UNWATCH", "too", "many"));
  assert_true(line.wait_for_loss());
  assert_true(line.owner.reason.find("wrong number of arguments") != std::string::npos);
}

void it_is_lost_when_somebody_says_so(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  Asked asked;
  line.ask(asked, {Command("PING")});
  line.connection->lose("because");
  line.connection->lose("again");
  assert_true(line.connection->lost());
  assert_int_equal(line.owner.lost, 0);  // not from within the call
  assert_true(line.wait_for_loss());
  assert_text(line.owner.reason, "because");
  assert_true(asked.lost());
}

// Its send buffer holds a fraction of what is sent, and the far end reads slowly.
void large_payloads_go_over_a_slow_network_in_parts(void**) {
  LibeventLoop loop;
  RedisProxy proxy(loop, redis->server());
  proxy.throttle(20 << 20, 20 << 20);
  TestMonitor monitor;
  LineOwner owner;
  Connection connection(loop, proxy.server(), monitor, owner, 0);
  assert_true(loop.run_until([&] { return owner.ready > 0; }));
  std::vector<std::unique_ptr<Asked>> all;
  for (std::size_t i = 0; i < 12; ++i) {
    all.push_back(std::make_unique<Asked>());
    connection.ask({Command("ECHO", odd_bytes(500'000 + i)), Command("ECHO", i)}, *all.back());
    loop.turn(0);  // some of it is added while the stream takes no more
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    assert_true(loop.run_until([&] { return all[i]->over(); }));
    assert_true(all[i]->answered());
    assert_true(all[i]->reply(0).text == odd_bytes(500'000 + i));
    assert_text(all[i]->reply(1).text, std::to_string(i));
  }
  assert_int_equal(owner.lost, 0);
}

// The reply lies in the socket when the process that was stopped goes on.
void a_reply_that_has_arrived_while_the_process_stood_still_is_read_before_judging(void**) {
  Server server = redis->server();
  server.command_timeout_ms = 200;
  Line line(server);
  assert_true(line.settle());
  for (int i = 0; i < 3; ++i) {
    Asked asked;
    line.ask(asked, {Command("ECHO", i)});
    line.loop.turn(0);
    usleep(400'000);  // as if stopped
    assert_true(line.wait_for(asked));
    assert_true(asked.answered());
  }
  assert_int_equal(line.owner.lost, 0);
}

void a_subscribed_connection_passes_on_what_is_pushed(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  line.connection->push_command(Command("SUBSCRIBE", "c"));
  assert_true(line.loop.run_until([&] { return line.owner.pushes.size() == 1; }));
  assert_text(line.owner.pushes[0].elements[0].text, "subscribe");
  const std::string message = odd_bytes(100'000);
  (*redis)("PUBLISH", "c", message);
  (*redis)("PUBLISH", "d", "not ours");
  (*redis)("PUBLISH", "c", "last");
  assert_true(line.loop.run_until([&] { return line.owner.pushes.size() == 3; }));
  assert_true(line.owner.pushes[1].elements[2].text == message);
  assert_text(line.owner.pushes[2].elements[2].text, "last");
  line.connection->push_command(Command("UNSUBSCRIBE", "c"));
  assert_true(line.loop.run_until([&] { return line.owner.pushes.size() == 4; }));
  assert_text(line.owner.pushes[3].elements[0].text, "unsubscribe");
  assert_int_equal(line.owner.lost, 0);
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
      cmocka_unit_test_setup(replies_come_in_order_and_byte_for_byte, flush),
      cmocka_unit_test_setup(an_error_reply_is_a_reply, flush),
      cmocka_unit_test_setup(many_round_trips_side_by_side_each_get_their_own_replies, flush),
      cmocka_unit_test_setup(what_is_asked_in_one_turn_goes_out_in_one_write, flush),
      cmocka_unit_test_setup(commands_may_be_sent_in_parts, flush),
      cmocka_unit_test_setup(the_servers_death_tells_all_who_wait, flush),
      cmocka_unit_test_setup(who_goes_away_does_not_disturb_the_others, flush),
      cmocka_unit_test_setup(destroying_the_connection_forgets_who_waits, flush),
      cmocka_unit_test_setup(an_error_reply_to_something_told_ends_the_connection, flush),
      cmocka_unit_test_setup(it_is_lost_when_somebody_says_so, flush),
      cmocka_unit_test_setup(large_payloads_go_over_a_slow_network_in_parts, flush),
      cmocka_unit_test_setup(a_reply_that_has_arrived_while_the_process_stood_still_is_read_before_judging,
                             flush),
      cmocka_unit_test_setup(a_subscribed_connection_passes_on_what_is_pushed, flush),
  };
  return cmocka_run_group_tests_name("redis connection", tests, start_redis, stop_redis);
}
