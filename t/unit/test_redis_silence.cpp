// Two clocks: how long somebody wants to wait for a reply is his own affair, how long the peer is silent ends
// the connection. And what else a peer may do that no Redis does on demand. The test plays the peer.
#include <optional>

#include "manual_loop.hpp"
#include "redis_line.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

Server patient() {
  Server server;
  server.host = "192.0.2.1";
  server.connect_timeout_ms = 500;
  server.command_timeout_ms = 2000;
  return server;
}

struct Played : BareLine<ManualLoop> {
  Played() : BareLine(patient()) {}
  Peer& peer() { return loop.peer(0); }
  bool lost() const { return owner.lost > 0; }
};

void a_peer_that_owes_an_answer_may_be_silent_for_command_timeout(void**) {
  Played line;
  line.peer().greets();
  Asked asked;
  line.ask(asked, {Command("PING")});
  line.loop.pass(1999);
  assert_false(line.lost());
  line.loop.pass(1);
  assert_true(line.lost() && asked.lost());
  assert_true(line.connection->was_silent() && line.connection->was_ready());
  assert_text(line.owner.reason, "no answer within timeout");
}

void a_peer_that_owes_nothing_may_be_silent_for_ever(void**) {
  Played line;
  line.peer().greets();
  line.loop.pass(3'600'000);
  Asked asked;
  line.ask(asked, {Command("PING")});
  line.loop.pass(1999);
  assert_false(line.lost());
  line.peer().says("+PONG\r\n");
  assert_true(asked.answered());
  line.loop.pass(3'600'000);
  assert_false(line.lost());
}

// As over a slow network: each answer is late, but something comes all the time.
void a_peer_that_says_anything_at_all_is_not_silent(void**) {
  Played line;
  line.peer().greets();
  Asked asked;
  line.ask(asked, {Command("GET", "k")});
  line.loop.pass(0);
  line.peer().says("$8\r\n");
  for (int i = 0; i < 8; ++i) {
    line.loop.pass(1500);
    assert_false(asked.over());
    line.peer().says("x");
  }
  line.peer().says("\r\n");
  assert_text(asked.reply().text, "xxxxxxxx");
  assert_false(line.lost());
}

void the_silence_is_measured_from_the_last_word_not_from_the_question(void**) {
  Played line;
  line.peer().greets();
  Asked first;
  line.ask(first, {Command("PING")});
  line.loop.pass(1500);
  Asked second;
  line.ask(second, {Command("PING")});
  line.peer().says("+PONG\r\n");
  assert_true(first.answered());
  line.loop.pass(1999);
  assert_false(line.lost());
  line.loop.pass(1);
  assert_true(line.lost() && second.lost());
}

// He was refused, or his client went away: the connection is as good as before.
void who_gives_up_takes_nothing_with_him(void**) {
  Played line;
  line.peer().greets();
  std::optional<Asked> impatient(std::in_place);
  Asked patient;
  line.ask(*impatient, {Command("GET", "a"), Command("GET", "b")});
  line.ask(patient, {Command("GET", "c")});
  line.loop.pass(1000);
  line.peer().says("$1\r\na\r\n");
  impatient.reset();
  line.loop.pass(1000);
  line.peer().says("$1\r\nb\r\n");
  line.loop.pass(1000);
  line.peer().says("$1\r\nc\r\n");
  assert_text(patient.reply().text, "c");
  assert_false(line.lost());
  assert_int_equal(line.monitor.counted(Counter::connections_lost), 0);
}

// The clock has jumped over the timeout; the answer is there, only nobody has looked yet.
void the_socket_is_read_before_the_peer_is_called_silent(void**) {
  Played line;
  line.peer().greets();
  Asked asked;
  line.ask(asked, {Command("PING")});
  line.loop.pass(100);
  line.peer().has_said("+PONG\r\n");
  line.loop.stand_still(10'000);
  line.loop.pass(0);
  assert_true(asked.answered());
  assert_false(line.lost());
}

void the_socket_is_read_before_a_greeting_is_called_late(void**) {
  Played line;
  line.peer().accepts();
  line.peer().has_said("*0\r\n+PONG\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n$-1\r\n");
  line.loop.stand_still(10'000);
  line.loop.pass(0);
  assert_int_equal(line.owner.ready, 1);
  assert_false(line.lost());
}

// Nothing comes back while a large batch is still on its way there.
void a_peer_that_takes_what_it_is_sent_is_not_silent(void**) {
  Played line;
  line.peer().greets();
  line.peer().allows(1000);
  Asked asked;
  line.ask(asked, {Command("ECHO", std::string(10'000, 'x'))});
  for (int i = 0; i < 8; ++i) {
    line.loop.pass(1500);
    assert_false(line.lost());
    line.peer().allows(1000);
  }
  line.loop.pass(1500);
  line.peer().allows(SIZE_MAX);
  assert_false(line.lost());
  line.loop.pass(1999);
  assert_false(line.lost());
  line.loop.pass(1);
  assert_true(line.lost());
}

void what_the_stream_does_not_take_at_once_follows_in_order(void**) {
  Played line;
  line.peer().greets();
  line.peer().allows(3);
  Asked first;
  Asked second;
  line.ask(first, {Command("ECHO", "one")});
  line.loop.pass(0);
  line.ask(second, {Command("ECHO", "two")});
  line.loop.pass(0);
  std::string heard = line.peer().heard();
  assert_int_equal(heard.size(), 3);
  while (heard.size() < 40) {
    line.peer().allows(5);
    heard += line.peer().heard();
  }
  line.peer().allows(1000);
  heard += line.peer().heard();
  assert_text(heard, std::string(Command("ECHO", "one").wire()) + std::string(Command("ECHO", "two").wire()));
}

void a_connect_without_an_answer_is_given_up_after_connect_timeout(void**) {
  Played line;
  line.loop.pass(499);
  assert_false(line.lost());
  line.loop.pass(1);
  assert_true(line.lost());
  assert_true(line.connection->was_silent() && !line.connection->was_ready());
}

// connect_timeout is for connecting and greeting together.
void a_greeting_without_an_answer_is_given_up_after_connect_timeout(void**) {
  Played line;
  line.loop.pass(300);
  line.peer().accepts();
  line.loop.pass(199);
  line.peer().says("+PONG\r\n");
  assert_false(line.lost());
  line.loop.pass(1);
  assert_true(line.lost());
}

void an_error_that_nobody_asked_for_is_the_reason_for_the_loss(void**) {
  for (const bool greeted : {false, true}) {
    Played line;
    greeted ? line.peer().greets() : line.peer().accepts();
    line.peer().says("-ERR max number of clients reached\r\n");
    line.peer().hangs_up();
    assert_true(line.lost());
    assert_text(line.owner.reason, "ERR max number of clients reached");
  }
}

void an_answer_that_nobody_asked_for_ends_the_connection(void**) {
  Played line;
  line.peer().greets();
  line.peer().says("+OK\r\n");
  assert_true(line.lost());
  assert_text(line.owner.reason, "it answers what was not asked");
}

void a_peer_that_does_not_speak_resp_is_left(void**) {
  Played line;
  line.peer().accepts();
  line.peer().says("HTTP/1.1 400 Bad Request\r\n\r\n");
  assert_true(line.lost());
  assert_int_equal(line.owner.reason.find("it does not speak Redis' protocol"), 0);
}

void replies_that_came_before_the_end_count(void**) {
  Played line;
  line.peer().greets();
  Asked first;
  Asked second;
  line.ask(first, {Command("PING")});
  line.ask(second, {Command("PING")});
  line.peer().has_said("+PONG\r\n");
  line.peer().hangs_up();
  assert_true(first.answered());
  assert_true(second.lost());
  assert_text(line.owner.reason, "the server closed the connection");
}

void nothing_is_read_from_a_connection_that_was_given_up(void**) {
  Played line;
  line.peer().greets();
  Asked asked;
  line.ask(asked, {Command("PING")});
  line.connection->lose("because");
  line.peer().says("+PONG\r\n");
  assert_true(asked.lost());
  assert_text(line.owner.reason, "because");
}

// Others are to get their turn: 256 KiB an event.
void more_than_a_turns_worth_is_read_in_several_turns(void**) {
  Played line;
  line.peer().greets();
  Asked asked;
  line.ask(asked, {Command("GET", "k")});
  line.loop.pass(0);
  line.peer().has_said("$900000\r\n" + std::string(900'000, 'x') + "\r\n");
  int turns = 1;
  while (line.peer().next_turn()) {
    ++turns;
  }
  assert_int_equal(turns, 4);
  assert_int_equal(asked.reply().text.size(), 900'000);
}

// A worker that quits waits for these, and nobody waits here.
void its_own_clocks_keep_no_worker_alive(void**) {
  Played line;
  line.peer().greets();
  Asked asked;
  line.ask(asked, {Command("PING")});
  assert_int_equal(line.loop.armed(TimerKind::deadline), 0);
  assert_int_equal(line.loop.armed(TimerKind::background), 1);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_peer_that_owes_an_answer_may_be_silent_for_command_timeout),
      cmocka_unit_test(a_peer_that_owes_nothing_may_be_silent_for_ever),
      cmocka_unit_test(a_peer_that_says_anything_at_all_is_not_silent),
      cmocka_unit_test(the_silence_is_measured_from_the_last_word_not_from_the_question),
      cmocka_unit_test(who_gives_up_takes_nothing_with_him),
      cmocka_unit_test(the_socket_is_read_before_the_peer_is_called_silent),
      cmocka_unit_test(the_socket_is_read_before_a_greeting_is_called_late),
      cmocka_unit_test(a_peer_that_takes_what_it_is_sent_is_not_silent),
      cmocka_unit_test(what_the_stream_does_not_take_at_once_follows_in_order),
      cmocka_unit_test(a_connect_without_an_answer_is_given_up_after_connect_timeout),
      cmocka_unit_test(a_greeting_without_an_answer_is_given_up_after_connect_timeout),
      cmocka_unit_test(an_error_that_nobody_asked_for_is_the_reason_for_the_loss),
      cmocka_unit_test(an_answer_that_nobody_asked_for_ends_the_connection),
      cmocka_unit_test(a_peer_that_does_not_speak_resp_is_left),
      cmocka_unit_test(replies_that_came_before_the_end_count),
      cmocka_unit_test(nothing_is_read_from_a_connection_that_was_given_up),
      cmocka_unit_test(more_than_a_turns_worth_is_read_in_several_turns),
      cmocka_unit_test(its_own_clocks_keep_no_worker_alive),
  };
  return cmocka_run_group_tests_name("redis: silence and patience", tests, nullptr, nullptr);
}
