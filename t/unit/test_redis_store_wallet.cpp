// Wallets in Redis: who may replace one, who wins a race, and what a lost answer means.
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;
using Verdict = RedisProxy::Verdict;
const Keyspace kKeys("wsync");

PutOutcome put(Worker& worker, const Token& token, Wallet wallet) {
  const auto result = worker.run(worker.store.put_wallet(token, std::move(wallet), kNow));
  assert_true(static_cast<bool>(result));
  return *result;
}

WalletView get(Worker& worker, const Token& token, UnixTime now = kNow) {
  const auto result = worker.run(worker.store.get_wallet(token, now));
  assert_true(static_cast<bool>(result));
  return *result;
}

void a_wallet_is_read_back_byte_for_byte(void**) {
  Worker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  std::string sealed(90'000, '\0');
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    sealed[i] = static_cast<char>(i * 31 % 251);
  }
  assert_true(put(worker, token, {1, sealed, std::string("h\r\n\0mac", 7)}) == PutOutcome::stored);
  const WalletView view = get(worker, token);
  assert_true(view.token == TokenState::valid);
  assert_true(view.wallet == Wallet({1, sealed, std::string("h\r\n\0mac", 7)}));
}

void without_a_wallet_there_is_none_to_read(void**) {
  Worker worker(redis->server());
  const WalletView view = get(worker, issue_token(*redis, account_id()));
  assert_true(view.token == TokenState::valid);
  assert_false(view.wallet.has_value());
}

void the_first_wallet_must_have_sequence_one(void**) {
  Worker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  for (const Sequence sequence : {0U, 2U, 4294967295U}) {
    assert_true(put(worker, token, a_wallet(sequence)) == PutOutcome::conflict);
  }
  assert_true((*redis)("EXISTS", kKeys.wallet(account_id())).integer == 0);
  assert_true(put(worker, token, a_wallet(1)) == PutOutcome::stored);
}

void the_next_wallet_must_have_the_next_sequence(void**) {
  Worker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  assert_true(put(worker, token, a_wallet(1)) == PutOutcome::stored);
  const std::string before = redis->snapshot();
  for (const Sequence sequence : {0U, 1U, 3U, 4294967295U}) {
    assert_true(put(worker, token, a_wallet(sequence, "other")) == PutOutcome::conflict);
  }
  assert_text(redis->snapshot(), before);
  assert_true(put(worker, token, a_wallet(2)) == PutOutcome::stored);
  assert_true(get(worker, token).wallet == a_wallet(2));
}

void an_identical_repetition_is_a_conflict(void**) {
  Worker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  assert_true(put(worker, token, a_wallet(1)) == PutOutcome::stored);
  assert_true(put(worker, token, a_wallet(1)) == PutOutcome::conflict);
}

void after_the_greatest_sequence_none_is_accepted(void**) {
  Worker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  (*redis)("HSET", kKeys.wallet(account_id()), "sequence", "4294967294", "hmac", "h", "wallet", "w");
  assert_true(put(worker, token, a_wallet(4294967295)) == PutOutcome::stored);
  for (const Sequence sequence : {0U, 1U, 4294967295U}) {
    assert_true(put(worker, token, a_wallet(sequence)) == PutOutcome::conflict);
  }
  assert_int_equal(get(worker, token).wallet->sequence, 4294967295U);
}

void a_token_that_was_never_issued_changes_nothing(void**) {
  Worker worker(redis->server());
  issue_token(*redis, account_id());
  const std::string before = redis->snapshot();
  const Token stranger = new_token(account_id());
  assert_true(put(worker, stranger, a_wallet(1)) == PutOutcome::unknown_token);
  assert_true(get(worker, stranger).token == TokenState::unknown);
  assert_text(redis->snapshot(), before);
}

void a_token_serves_until_the_second_it_expires(void**) {
  Worker worker(redis->server());
  const Token ending = issue_token(*redis, account_id(), "*", kNow + 1, "a");
  const Token ended = issue_token(*redis, account_id(), "*", kNow, "b");
  assert_true(get(worker, ending).token == TokenState::valid);
  assert_true(get(worker, ended).token == TokenState::unknown);
  assert_true(put(worker, ended, a_wallet(1)) == PutOutcome::unknown_token);
  assert_true(put(worker, ending, a_wallet(1)) == PutOutcome::stored);
  assert_true(get(worker, ending, kNow + 1).token == TokenState::unknown);
}

void a_token_of_another_scope_may_not_write(void**) {
  Worker worker(redis->server());
  const Token token = issue_token(*redis, account_id(), "read");
  assert_true(put(worker, token, a_wallet(1)) == PutOutcome::wrong_scope);
  assert_true(get(worker, token).token == TokenState::wrong_scope);
}

void a_token_opens_its_own_account_only(void**) {
  Worker worker(redis->server());
  const Token alice = issue_token(*redis, account_id("alice@example.com"));
  const Token bob = issue_token(*redis, account_id("bob@example.com"));
  assert_true(put(worker, alice, a_wallet(1, "alice's")) == PutOutcome::stored);
  assert_false(get(worker, bob).wallet.has_value());
  assert_text(get(worker, alice).wallet->encrypted, "alice's");
}

void no_token_is_stored_in_clear(void**) {
  const Token token = issue_token(*redis, account_id());
  Worker worker(redis->server());
  assert_true(put(worker, token, a_wallet(1)) == PutOutcome::stored);
  const Reply tokens = (*redis)("HGETALL", kKeys.tokens(account_id()));
  for (const Reply& element : tokens.elements) {
    assert_true(element.text.find(token.text()) == std::string::npos);
  }
}

void keys_carry_the_configured_prefix_and_lie_in_the_selected_database(void**) {
  Server server = redis->server();
  server.key_prefix = "elsewhere";
  server.database = 2;
  Worker worker(server);
  assert_true(*worker.run(worker.store.create_account(account_id(), an_account(), std::nullopt, kNow)));
  BlockingClient client(redis->server());
  assert_int_equal(client("DBSIZE").integer, 0);
  client("SELECT", 2);
  assert_int_equal(
      client("EXISTS", "elsewhere:{" + account_id().hex() + "}", "elsewhere:next-user-id").integer, 2);
  assert_int_equal(client("DBSIZE").integer, 2);
}

void a_stored_wallet_is_announced_with_its_sequence(void**) {
  Worker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  BlockingClient listener(redis->server());
  listener("SUBSCRIBE", kKeys.events(account_id()));
  assert_true(put(worker, token, a_wallet(2)) == PutOutcome::conflict);
  assert_true(put(worker, token, a_wallet(1)) == PutOutcome::stored);
  const Reply message = listener("PING");  // what came first is the message
  assert_true(message.is_array(3));
  assert_text(message.elements[0].text, "message");
  assert_text(message.elements[2].text, "1");
}

// Each of the workers tries to write each of the sequences; all on one loop, each with connections of its
// own.
void of_several_writers_exactly_one_wins_each_sequence(void**) {
  constexpr std::size_t kWorkers = 5;
  constexpr Sequence kRounds = 12;
  LibeventLoop loop;
  TestMonitor monitor;
  std::vector<std::unique_ptr<RedisStore>> stores;
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    Server server = redis->server();
    server.lanes = 3;
    stores.push_back(std::make_unique<RedisStore>(loop, server, monitor));
    tokens.push_back(issue_token(*redis, account_id(), "*", kNow + kDay, std::to_string(i)));
  }
  for (Sequence sequence = 1; sequence <= kRounds; ++sequence) {
    std::vector<Task<Result<PutOutcome>>> tasks;
    for (std::size_t i = 0; i < 3 * kWorkers; ++i) {
      tasks.push_back(stores[i % kWorkers]->put_wallet(tokens[i % kWorkers],
                                                       a_wallet(sequence, std::to_string(i)), kNow));
    }
    const auto results = finish_all(loop, tasks);
    std::size_t winner = results.size();
    for (std::size_t i = 0; i < results.size(); ++i) {
      assert_true(static_cast<bool>(results[i]));
      if (*results[i] == PutOutcome::stored) {
        assert_int_equal(winner, results.size());
        winner = i;
      } else {
        assert_true(*results[i] == PutOutcome::conflict);
      }
    }
    assert_in_range(winner, 0, results.size() - 1);
    const Reply stored = (*redis)("HMGET", kKeys.wallet(account_id()), "sequence", "wallet");
    assert_text(stored.elements[0].text, std::to_string(sequence));
    assert_text(stored.elements[1].text, std::to_string(winner));
  }
  assert_true(monitor.counted(Counter::transaction_retries) > 0);
}

void a_write_that_slips_in_before_exec_makes_it_a_conflict(void**) {
  ProxiedWorker worker(redis->server());
  Worker rival(redis->server());
  const Token token = issue_token(*redis, account_id());
  worker.just_before_exec(
      [&] { assert_true(put(rival, token, a_wallet(1, "rival's")) == PutOutcome::stored); });
  assert_true(*worker.run(worker.store.put_wallet(token, a_wallet(1, "ours"), kNow)) == PutOutcome::conflict);
  assert_int_equal(worker.monitor.counted(Counter::transaction_retries), 1);
  assert_text(get(rival, token).wallet->encrypted, "rival's");
}

void a_token_revoked_before_exec_writes_nothing(void**) {
  ProxiedWorker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  worker.just_before_exec([&] { (*redis)("DEL", kKeys.tokens(account_id())); });
  assert_true(*worker.run(worker.store.put_wallet(token, a_wallet(1), kNow)) == PutOutcome::unknown_token);
  assert_int_equal((*redis)("EXISTS", kKeys.wallet(account_id())).integer, 0);
}

void another_login_before_exec_does_not_stop_the_write(void**) {
  ProxiedWorker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  worker.just_before_exec([&] { issue_token(*redis, account_id(), "*", kNow + kDay, "tablet"); });
  assert_true(*worker.run(worker.store.put_wallet(token, a_wallet(1), kNow)) == PutOutcome::stored);
  assert_int_equal(worker.monitor.counted(Counter::transaction_retries), 1);
}

void a_stored_wallet_whose_answer_got_lost_is_stored_exactly_once(void**) {
  ProxiedWorker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  BlockingClient listener(redis->server());
  listener("SUBSCRIBE", kKeys.events(account_id()));
  worker.at_first_exec([] { return Verdict::cut_reply; });
  assert_true(*worker.run(worker.store.put_wallet(token, a_wallet(1), kNow)) == PutOutcome::stored);
  assert_int_equal(worker.monitor.counted(Counter::outcomes_read_back), 1);
  assert_int_equal(worker.monitor.failures(), 0);
  assert_text(listener("PING").elements[0].text, "message");
  assert_text(listener("PING").elements[0].text, "pong");  // announced once
}

void a_wallet_whose_exec_never_arrived_is_stored_exactly_once(void**) {
  ProxiedWorker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  worker.at_first_exec([] { return Verdict::cut; });
  assert_true(*worker.run(worker.store.put_wallet(token, a_wallet(1), kNow)) == PutOutcome::stored);
  assert_text((*redis)("HGET", kKeys.wallet(account_id()), "sequence").text, "1");
  assert_int_equal(worker.monitor.failures(), 0);
}

// Lets the first EXEC run, loses its reply, and has `rival` write before it is read back.
void lose_the_first_reply_and_then(ProxiedWorker& worker, std::function<void()> rival) {
  worker.proxy.judge = [rival = std::move(rival), execs = 0, lost = false](std::string_view request) mutable {
    if (request.find("\r\nEXEC\r\n") != request.npos && ++execs == 1) {
      lost = true;
      return Verdict::cut_reply;
    }
    if (request.find("\r\nWATCH\r\n") != request.npos && std::exchange(lost, false)) {
      rival();
    }
    return Verdict::forward;
  };
}

// Otherwise the device would be told 409 for what all others have been told of.
void a_stored_wallet_whose_answer_got_lost_is_stored_although_another_device_wrote_after_it(void**) {
  ProxiedWorker worker(redis->server());
  Worker rival(redis->server());
  const Token token = issue_token(*redis, account_id());
  lose_the_first_reply_and_then(worker, [&] {
    for (const Sequence sequence : {2U, 3U, 4U, 5U}) {
      assert_true(put(rival, token, a_wallet(sequence, "rival's")) == PutOutcome::stored);
    }
  });
  assert_true(*worker.run(worker.store.put_wallet(token, a_wallet(1), kNow)) == PutOutcome::stored);
  assert_int_equal(worker.monitor.counted(Counter::outcomes_read_back), 1);
  assert_int_equal(get(rival, token).wallet->sequence, 5);
}

void a_wallet_that_was_stored_before_the_token_was_revoked_is_stored(void**) {
  ProxiedWorker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  lose_the_first_reply_and_then(worker, [&] { (*redis)("DEL", kKeys.tokens(account_id())); });
  assert_true(*worker.run(worker.store.put_wallet(token, a_wallet(1), kNow)) == PutOutcome::stored);
}

// The marks are of the last few writes, so that a wallet does not grow with its history.
void marks_do_not_pile_up(void**) {
  Worker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  std::size_t size = 0;
  for (Sequence sequence = 1; sequence <= 20; ++sequence) {
    assert_true(put(worker, token, a_wallet(sequence)) == PutOutcome::stored);
    if (sequence == 9) {
      size = (*redis)("HGET", kKeys.wallet(account_id()), "write").text.size();
    }
  }
  assert_in_range((*redis)("HGET", kKeys.wallet(account_id()), "write").text.size(), size, size + 10);
}

void another_writers_identical_wallet_is_not_taken_for_ours(void**) {
  ProxiedWorker worker(redis->server());
  Worker rival(redis->server());
  const Token token = issue_token(*redis, account_id());
  worker.at_first_exec([&] {
    assert_true(put(rival, token, a_wallet(1)) == PutOutcome::stored);
    return Verdict::cut;
  });
  assert_true(*worker.run(worker.store.put_wallet(token, a_wallet(1), kNow)) == PutOutcome::conflict);
}

void two_writes_of_one_worker_are_told_apart_too(void**) {
  ProxiedWorker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  worker.at_first_exec([] { return Verdict::cut; });
  std::vector<Task<Result<PutOutcome>>> tasks;
  tasks.push_back(worker.store.put_wallet(token, a_wallet(1), kNow));
  tasks.push_back(worker.store.put_wallet(token, a_wallet(1), kNow));
  const auto results = finish_all(worker.loop, tasks);
  assert_int_equal(std::count_if(results.begin(), results.end(),
                                 [](const auto& result) { return result && *result == PutOutcome::stored; }),
                   1);
}

void a_lost_answer_is_unknown_while_redis_stays_away(void**) {
  RedisServer mortal;
  Server server = mortal.server();
  server.command_timeout_ms = 1000;
  ProxiedWorker worker(server);
  const Token token = issue_token(mortal, account_id());
  worker.at_first_exec([&] {
    mortal.kill();
    return Verdict::forward;
  });
  const auto result = worker.run(worker.store.put_wallet(token, a_wallet(1), kNow));
  assert_true(result.error() == StoreError::unknown);
  assert_int_equal(worker.monitor.counted(Counter::store_unknown), 1);
}

void a_wallet_of_nonsense_is_an_internal_error(void**) {
  Worker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  (*redis)("HSET", kKeys.wallet(account_id()), "sequence", "many");
  assert_true(worker.run(worker.store.get_wallet(token, kNow)).error() == StoreError::internal);
  assert_true(worker.run(worker.store.put_wallet(token, a_wallet(1), kNow)).error() == StoreError::internal);
  assert_int_equal(worker.monitor.counted(Counter::store_internal), 2);
}

void a_key_of_another_type_is_refused(void**) {
  Worker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  (*redis)("SET", kKeys.wallet(account_id()), "text");
  assert_true(worker.run(worker.store.get_wallet(token, kNow)).error() == StoreError::refused);
  assert_true(worker.run(worker.store.put_wallet(token, a_wallet(1), kNow)).error() == StoreError::refused);
  assert_int_equal(worker.monitor.counted(Counter::store_refused), 2);
  (*redis)("DEL", kKeys.wallet(account_id()));
  assert_true(put(worker, token, a_wallet(1)) == PutOutcome::stored);
}

void an_acknowledged_wallet_survives_a_crash(void**) {
  RedisServer mortal;
  Worker worker(mortal.server());
  const Token token = issue_token(mortal, account_id());
  assert_true(put(worker, token, a_wallet(1)) == PutOutcome::stored);
  mortal.kill();
  assert_true(worker.loop.run_until([&] { return worker.store.links().known_down(); }));
  assert_true(worker.run(worker.store.get_wallet(token, kNow)).error() == StoreError::unavailable);
  mortal.restart();
  assert_true(worker.loop.run_until([&] { return !worker.store.links().known_down(); }));
  assert_true(get(worker, token).wallet == a_wallet(1));
  assert_true(put(worker, token, a_wallet(2)) == PutOutcome::stored);
}

void reads_go_on_while_writes_are_refused_for_want_of_memory(void**) {
  RedisServer full;
  Worker worker(full.server());
  const Token token = issue_token(full, account_id());
  assert_true(put(worker, token, a_wallet(1)) == PutOutcome::stored);
  full("CONFIG", "SET", "maxmemory", 1);
  assert_true(worker.run(worker.store.put_wallet(token, a_wallet(2), kNow)).error() == StoreError::refused);
  assert_true(get(worker, token).wallet == a_wallet(1));
  assert_true(worker.monitor.counted(Counter::store_refused) == 1 && worker.monitor.failures() == 1);
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
      cmocka_unit_test_setup(a_wallet_is_read_back_byte_for_byte, flush),
      cmocka_unit_test_setup(without_a_wallet_there_is_none_to_read, flush),
      cmocka_unit_test_setup(the_first_wallet_must_have_sequence_one, flush),
      cmocka_unit_test_setup(the_next_wallet_must_have_the_next_sequence, flush),
      cmocka_unit_test_setup(an_identical_repetition_is_a_conflict, flush),
      cmocka_unit_test_setup(after_the_greatest_sequence_none_is_accepted, flush),
      cmocka_unit_test_setup(a_token_that_was_never_issued_changes_nothing, flush),
      cmocka_unit_test_setup(a_token_serves_until_the_second_it_expires, flush),
      cmocka_unit_test_setup(a_token_of_another_scope_may_not_write, flush),
      cmocka_unit_test_setup(a_token_opens_its_own_account_only, flush),
      cmocka_unit_test_setup(no_token_is_stored_in_clear, flush),
      cmocka_unit_test_setup(keys_carry_the_configured_prefix_and_lie_in_the_selected_database, flush),
      cmocka_unit_test_setup(a_stored_wallet_is_announced_with_its_sequence, flush),
      cmocka_unit_test_setup(of_several_writers_exactly_one_wins_each_sequence, flush),
      cmocka_unit_test_setup(a_write_that_slips_in_before_exec_makes_it_a_conflict, flush),
      cmocka_unit_test_setup(a_token_revoked_before_exec_writes_nothing, flush),
      cmocka_unit_test_setup(another_login_before_exec_does_not_stop_the_write, flush),
      cmocka_unit_test_setup(a_stored_wallet_whose_answer_got_lost_is_stored_exactly_once, flush),
      cmocka_unit_test_setup(a_wallet_whose_exec_never_arrived_is_stored_exactly_once, flush),
      cmocka_unit_test_setup(
          a_stored_wallet_whose_answer_got_lost_is_stored_although_another_device_wrote_after_it, flush),
      cmocka_unit_test_setup(a_wallet_that_was_stored_before_the_token_was_revoked_is_stored, flush),
      cmocka_unit_test_setup(marks_do_not_pile_up, flush),
      cmocka_unit_test_setup(another_writers_identical_wallet_is_not_taken_for_ours, flush),
      cmocka_unit_test_setup(two_writes_of_one_worker_are_told_apart_too, flush),
      cmocka_unit_test_setup(a_lost_answer_is_unknown_while_redis_stays_away, flush),
      cmocka_unit_test_setup(a_wallet_of_nonsense_is_an_internal_error, flush),
      cmocka_unit_test_setup(a_key_of_another_type_is_refused, flush),
      cmocka_unit_test_setup(an_acknowledged_wallet_survives_a_crash, flush),
      cmocka_unit_test_setup(reads_go_on_while_writes_are_refused_for_want_of_memory, flush),
  };
  return cmocka_run_group_tests_name("redis store: wallets", tests, start_redis, stop_redis);
}
