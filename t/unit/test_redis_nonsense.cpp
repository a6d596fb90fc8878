// A Redis that answers what Redis does not answer: broken, of another version, or not Redis. Nothing falls
// over, and nothing is acknowledged that it did not say it has written.
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "manual_loop.hpp"
#include "redis_store.hpp"
#include "subscriber.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

constexpr UnixTime kNow = 1'700'000'000;

struct Silent : Monitor {
  void warn(std::string_view) override {}
  void notice(std::string_view) override {}
  void count(Counter) override {}
};

Server one_link_one_lane() {
  Server server;
  server.host = "192.0.2.1";
  server.links = 1;
  server.lanes = 1;
  return server;
}

// A store with a link and a lane, whose peers the test plays.
struct Worker {
  Worker() : store(loop, one_link_one_lane(), monitor) {
    for (std::size_t i = 0; i < loop.peers(); ++i) {
      loop.peer(i).greets();
    }
  }
  // Whoever has been asked answers.
  void answer(std::string_view bytes) {
    loop.run_posted();
    for (std::size_t i = 0; i < loop.peers(); ++i) {
      if (!loop.peer(i).heard().empty()) {
        loop.peer(i).says(bytes);
        return;
      }
    }
  }
  template <typename T>
  Result<T> run(Task<Result<T>> task, std::initializer_list<std::string_view> answers) {
    task.start();
    for (const std::string_view bytes : answers) {
      answer(bytes);
    }
    loop.pass(3000);  // who waits gives up
    assert_true(task.done());
    return task.take();
  }

  Silent monitor;
  ManualLoop loop;
  RedisStore store;
};

Token a_token() { return *Token::parse(std::string(64, 'a')); }
Email an_email() { return *Email::parse("x@example.com"); }
AccountId an_id() { return a_token().account(); }
std::string valid_token() { return "$14\r\n1900000000 * x\r\n"; }
std::string no_wallet_yet() { return "*2\r\n$-1\r\n$-1\r\n"; }

// What put_wallet makes of an answer to MULTI, HSET, PUBLISH, EXEC.
bool is_stored(std::string_view transaction) {
  Worker worker;
  const auto outcome = worker.run(worker.store.put_wallet(a_token(), Wallet{1, "sealed", "mac"}, kNow),
                                  {"+OK\r\n" + valid_token() + no_wallet_yet(), transaction});
  return outcome && *outcome == PutOutcome::stored;
}

void a_write_is_stored_if_each_of_its_commands_ran(void**) {
  assert_true(is_stored("+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:5\r\n:0\r\n"));
}

void an_exec_that_ran_other_commands_than_ours_stored_nothing(void**) {
  for (const std::string_view result : {"*0\r\n", "*1\r\n:5\r\n", "*3\r\n:5\r\n:0\r\n:0\r\n"}) {
    assert_row(!is_stored("+OK\r\n+QUEUED\r\n+QUEUED\r\n" + std::string(result)), result);
  }
}

void commands_that_were_not_queued_stored_nothing(void**) {
  for (const std::string_view before :
       {"$2\r\nOK\r\n+QUEUED\r\n+QUEUED\r\n", ":1\r\n+QUEUED\r\n+QUEUED\r\n", "+OK\r\n:5\r\n+QUEUED\r\n",
        "+OK\r\n+QUEUED\r\n$-1\r\n", "+OK\r\n-ERR unknown command\r\n+QUEUED\r\n"}) {
    assert_row(!is_stored(std::string(before) + "*2\r\n:5\r\n:0\r\n"), before);
  }
}

void an_exec_that_answers_no_array_stored_nothing(void**) {
  for (const std::string_view result : {":1\r\n", "+OK\r\n", "$2\r\nOK\r\n", "+QUEUED\r\n"}) {
    assert_row(!is_stored("+OK\r\n+QUEUED\r\n+QUEUED\r\n" + std::string(result)), result);
  }
}

void keys_that_were_not_watched_are_not_written(void**) {
  for (const std::string_view watched : {":1\r\n", "$-1\r\n", "*0\r\n", "+QUEUED\r\n"}) {
    Worker worker;
    const auto outcome = worker.run(worker.store.put_wallet(a_token(), Wallet{1, "sealed", "mac"}, kNow),
                                    {std::string(watched) + valid_token() + no_wallet_yet(),
                                     "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n:5\r\n:0\r\n"});
    assert_row(!outcome, watched);
  }
}

void a_wallet_without_a_text_or_an_hmac_is_not_shown(void**) {
  for (const std::string_view wallet :
       {"*3\r\n$1\r\n7\r\n$-1\r\n$6\r\nsealed\r\n", "*3\r\n$1\r\n7\r\n$3\r\nmac\r\n$-1\r\n",
        "*3\r\n$1\r\n7\r\n:5\r\n$6\r\nsealed\r\n"}) {
    Worker worker;
    const auto view =
        worker.run(worker.store.get_wallet(a_token(), kNow), {std::string(wallet) + valid_token()});
    assert_row(!view && view.error() == StoreError::internal, wallet);
  }
}

void an_account_without_a_password_is_none_that_we_wrote(void**) {
  Worker worker;
  const auto state =
      worker.run(worker.store.read_login(an_email()),
                 {"*6\r\n$1\r\nx\r\n$1\r\n1\r\n$-1\r\n$-1\r\n$-1\r\n$1\r\n1\r\n$-1\r\n:-2\r\n"});
  assert_true(!state && state.error() == StoreError::internal);
}

void a_window_is_never_longer_than_it_can_be_told(void**) {
  Worker worker;
  const auto state =
      worker.run(worker.store.read_login(an_email()),
                 {"*6\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n$1\r\n3\r\n:4294967297\r\n"});
  assert_true(state && state->failed.seconds_left == 4294967295U);
}

void a_user_id_that_is_no_number_makes_no_account(void**) {
  Worker worker;
  const auto created =
      worker.run(worker.store.create_account(an_id(), Account{"x@example.com", 0, {"k", "s"}, "", true},
                                             std::nullopt, kNow),
                 {"$1\r\n5\r\n", "+OK\r\n*2\r\n$-1\r\n$-1\r\n", "+OK\r\n+QUEUED\r\n*1\r\n:9\r\n"});
  assert_true(!created && created.error() == StoreError::internal);
}

void a_mail_that_was_sent_at_the_end_of_time_is_too_soon(void**) {
  Worker worker;
  const auto renewal = worker.run(
      worker.store.renew_verification(an_email(), Verification{std::string(64, 'd'), kNow + 100}, 60, kNow),
      {"+OK\r\n*6\r\n$1\r\n0\r\n$-1\r\n$-1\r\n$-1\r\n$19\r\n9223372036854775807\r\n$13\r\nx@example."
       "com\r\n"});
  assert_true(renewal && renewal->outcome == ResendOutcome::too_soon);
}

struct Listener : Subscriber::Listener {
  void on_update(const std::string&, Sequence sequence) override { updates.push_back(sequence); }
  void on_revoked(const std::string&, std::string_view) override {}
  void on_gap() override {}
  std::vector<Sequence> updates;
};

void an_update_to_a_sequence_that_no_wallet_has_is_not_told(void**) {
  Worker worker;
  Listener listener;
  Subscriber subscriber(worker.store.deadlines(), worker.store.node(), worker.store.keys(), listener);
  {
    auto join = subscriber.join(an_id());
    Peer& peer = worker.loop.peer(worker.loop.peers() - 1);
    peer.greets();
    const std::string channel = worker.store.keys().events(an_id()).text();
    const auto message = [&](const std::string& payload) {
      peer.says("*3\r\n$7\r\nmessage\r\n$" + std::to_string(channel.size()) + "\r\n" + channel + "\r\n$" +
                std::to_string(payload.size()) + "\r\n" + payload + "\r\n");
    };
    message("4294967301");
    message("-1");
    message("x");
    message("4294967295");
  }
  assert_int_equal(listener.updates.size(), 1);
  assert_true(listener.updates.front() == 4294967295U);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_write_is_stored_if_each_of_its_commands_ran),
      cmocka_unit_test(an_exec_that_ran_other_commands_than_ours_stored_nothing),
      cmocka_unit_test(commands_that_were_not_queued_stored_nothing),
      cmocka_unit_test(an_exec_that_answers_no_array_stored_nothing),
      cmocka_unit_test(keys_that_were_not_watched_are_not_written),
      cmocka_unit_test(a_wallet_without_a_text_or_an_hmac_is_not_shown),
      cmocka_unit_test(an_account_without_a_password_is_none_that_we_wrote),
      cmocka_unit_test(a_window_is_never_longer_than_it_can_be_told),
      cmocka_unit_test(a_user_id_that_is_no_number_makes_no_account),
      cmocka_unit_test(a_mail_that_was_sent_at_the_end_of_time_is_too_soon),
      cmocka_unit_test(an_update_to_a_sequence_that_no_wallet_has_is_not_told),
  };
  return cmocka_run_group_tests_name("redis nonsense", tests, nullptr, nullptr);
}
