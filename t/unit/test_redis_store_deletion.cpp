// The end of an account: all of it, or nothing, whatever else happens to it.
#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;
using Verdict = RedisProxy::Verdict;
const Keyspace kKeys("wsync");
constexpr LoginLimit kLimit{3, 900};

// An account with a wallet, a token and a failed login. Returns the token.
Token furnish(Worker& worker, bool verified = true) {
  const std::optional<Verification> pending =
      verified ? std::nullopt : std::make_optional(Verification{std::string(64, 'f'), kNow + kDay, 0});
  assert_true(
      *worker.run(worker.store.create_account(account_id(), an_account('a', verified), pending, kNow)));
  const Token token = issue_token(*redis, account_id());
  assert_true(*worker.run(worker.store.put_wallet(token, a_wallet(1), kNow)) == PutOutcome::stored);
  assert_true(static_cast<bool>(worker.run(worker.store.count_failed_login(account_id(), 900))));
  return token;
}

template <typename AnyWorker>
Result<DeletionResult> remove(AnyWorker& worker, char password = 'a') {
  return worker.run(worker.store.delete_account(account_id(), password_hash(password), kLimit));
}

template <typename AnyWorker>
void must_remove(AnyWorker& worker) {
  const auto result = remove(worker);
  assert_true(result && result->outcome == DeletionOutcome::deleted);
}

std::int64_t keys_left() {
  return static_cast<std::int64_t>(
      (*redis)("KEYS", kKeys.account(account_id()).text() + "*").elements.size());
}

void nothing_is_left_of_it(void**) {
  Worker worker(redis->server());
  const Token token = furnish(worker);
  assert_int_equal(keys_left(), 4);
  const auto result = remove(worker);
  assert_true(result && result->outcome == DeletionOutcome::deleted);
  assert_int_equal(keys_left(), 0);
  assert_true(worker.run(worker.store.get_wallet(token, kNow))->token == TokenState::unknown);
  assert_false(worker.run(worker.store.read_login(an_email()))->account.has_value());
}

void its_address_is_free_and_its_user_id_is_not_given_again(void**) {
  Worker worker(redis->server());
  furnish(worker);
  const UserId former = worker.run(worker.store.read_login(an_email()))->account->id;
  must_remove(worker);
  assert_true(*worker.run(worker.store.create_account(account_id(), an_account('b'), std::nullopt, kNow)));
  assert_true(worker.run(worker.store.read_login(an_email()))->account->id > former);
  assert_false(worker.run(worker.store.get_wallet(new_token(account_id()), kNow))->wallet.has_value());
}

void only_the_right_password_ends_it(void**) {
  Worker worker(redis->server());
  furnish(worker);
  const std::string before = redis->snapshot();
  const auto result = remove(worker, 'b');
  assert_true(result && result->outcome == DeletionOutcome::credentials_changed);
  assert_true(redis->snapshot() == before);
}

void at_the_limit_of_failures_the_right_password_does_not_end_it(void**) {
  Worker worker(redis->server());
  furnish(worker);
  (*redis)("SET", kKeys.failures(account_id()), kLimit.attempts, "EX", 100);
  const auto result = remove(worker);
  assert_true(result && result->outcome == DeletionOutcome::too_many_failures);
  assert_in_range(result->seconds_left, 90, 100);
  assert_int_equal(keys_left(), 4);
}

void one_that_is_not_there_is_not_deleted(void**) {
  Worker worker(redis->server());
  const auto result = remove(worker);
  assert_true(result && result->outcome == DeletionOutcome::credentials_changed);
}

void other_accounts_stay(void**) {
  Worker worker(redis->server());
  const AccountId other = account_id("other@example.com");
  Account account = an_account();
  account.email = "other@example.com";
  assert_true(*worker.run(worker.store.create_account(other, account, std::nullopt, kNow)));
  const std::string before = redis->snapshot();
  furnish(worker);
  must_remove(worker);
  (*redis)("SET", kKeys.next_user_id(), 1);
  assert_true(redis->snapshot() == before);
}

void a_wallet_written_before_exec_does_not_survive(void**) {
  Worker rival(redis->server());
  const Token token = furnish(rival);
  ProxiedWorker worker(redis->server());
  bool stored = false;
  worker.just_before_exec(
      [&] { stored = *rival.run(rival.store.put_wallet(token, a_wallet(2), kNow)) == PutOutcome::stored; });
  const auto result = remove(worker);
  assert_true(stored);
  assert_true(result && result->outcome == DeletionOutcome::deleted);
  assert_int_equal(worker.monitor.counted(Counter::transaction_retries), 1);
  assert_int_equal(keys_left(), 0);
}

void a_wallet_does_not_come_after_its_account(void**) {
  Worker rival(redis->server());
  const Token token = furnish(rival);
  ProxiedWorker worker(redis->server());
  worker.just_before_exec([&] { must_remove(rival); });
  const auto outcome = worker.run(worker.store.put_wallet(token, a_wallet(2), kNow));
  assert_true(outcome && *outcome == PutOutcome::unknown_token);
  assert_int_equal(keys_left(), 0);
}

void a_login_does_not_come_after_its_account(void**) {
  Worker rival(redis->server());
  furnish(rival);
  ProxiedWorker worker(redis->server());
  worker.just_before_exec([&] { must_remove(rival); });
  const NewToken token{new_token(account_id()).digest().text(), "phone", kNow + kDay};
  const auto result =
      worker.run(worker.store.save_token(account_id(), {password_hash('a'), ""}, token, kLimit, kNow));
  assert_true(result && result->outcome == LoginOutcome::credentials_changed);
  assert_int_equal(keys_left(), 0);
}

void a_password_change_before_exec_keeps_the_account(void**) {
  Worker rival(redis->server());
  furnish(rival);
  ProxiedWorker worker(redis->server());
  worker.just_before_exec([&] {
    const PasswordChange change{password_hash('a'), password_hash('b'), std::string(64, '6'), a_wallet(2)};
    assert_true(rival.run(rival.store.change_password(account_id(), change, kLimit, kNow))->outcome ==
                ChangeOutcome::changed);
  });
  const auto result = remove(worker);
  assert_true(result && result->outcome == DeletionOutcome::credentials_changed);
  assert_true(worker.run(worker.store.read_login(an_email()))->account.has_value());
}

void one_whose_answer_got_lost_has_happened(void**) {
  Worker rival(redis->server());
  furnish(rival);
  ProxiedWorker worker(redis->server());
  worker.at_first_exec([] { return Verdict::cut_reply; });
  const auto result = remove(worker);
  assert_true(result && result->outcome == DeletionOutcome::deleted);
  assert_int_equal(keys_left(), 0);
}

void one_that_never_arrived_is_repeated(void**) {
  Worker rival(redis->server());
  furnish(rival);
  ProxiedWorker worker(redis->server());
  worker.at_first_exec([] { return Verdict::cut; });
  const auto result = remove(worker);
  assert_true(result && result->outcome == DeletionOutcome::deleted);
  assert_int_equal(keys_left(), 0);
}

void of_several_side_by_side_one_is_told_so(void**) {
  Worker worker(redis->server());
  furnish(worker);
  std::vector<Task<Result<DeletionResult>>> tasks;
  for (int i = 0; i < 5; ++i) {
    tasks.push_back(worker.store.delete_account(account_id(), password_hash('a'), kLimit));
  }
  int deleted = 0;
  for (const auto& result : finish_all(worker.loop, tasks)) {
    deleted += result && result->outcome == DeletionOutcome::deleted ? 1 : 0;
  }
  assert_int_equal(deleted, 1);
  assert_int_equal(keys_left(), 0);
}

void an_unverified_account_cannot_delete_itself(void**) {
  Worker worker(redis->server());
  const Verification pending{std::string(64, 'f'), kNow + kDay, 0};
  assert_true(*worker.run(worker.store.create_account(account_id(), an_account('a', false), pending, kNow)));
  const auto result = remove(worker);
  assert_true(result && result->outcome == DeletionOutcome::credentials_changed);
  assert_int_equal(keys_left(), 1);
}

void the_list_of_those_who_may_sign_up_is_read_by_the_normalized_address(void**) {
  Worker worker(redis->server());
  assert_false(*worker.run(worker.store.is_whitelisted(an_email("Ann@Example.com"))));
  (*redis)("HSET", kKeys.whitelist(), "ann@example.com", kNow);
  assert_true(*worker.run(worker.store.is_whitelisted(an_email("Ann@Example.com"))));
  assert_false(*worker.run(worker.store.is_whitelisted(an_email("bob@example.com"))));
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
      cmocka_unit_test_setup(nothing_is_left_of_it, flush),
      cmocka_unit_test_setup(its_address_is_free_and_its_user_id_is_not_given_again, flush),
      cmocka_unit_test_setup(only_the_right_password_ends_it, flush),
      cmocka_unit_test_setup(at_the_limit_of_failures_the_right_password_does_not_end_it, flush),
      cmocka_unit_test_setup(one_that_is_not_there_is_not_deleted, flush),
      cmocka_unit_test_setup(other_accounts_stay, flush),
      cmocka_unit_test_setup(a_wallet_written_before_exec_does_not_survive, flush),
      cmocka_unit_test_setup(a_wallet_does_not_come_after_its_account, flush),
      cmocka_unit_test_setup(a_login_does_not_come_after_its_account, flush),
      cmocka_unit_test_setup(a_password_change_before_exec_keeps_the_account, flush),
      cmocka_unit_test_setup(one_whose_answer_got_lost_has_happened, flush),
      cmocka_unit_test_setup(one_that_never_arrived_is_repeated, flush),
      cmocka_unit_test_setup(of_several_side_by_side_one_is_told_so, flush),
      cmocka_unit_test_setup(an_unverified_account_cannot_delete_itself, flush),
      cmocka_unit_test_setup(the_list_of_those_who_may_sign_up_is_read_by_the_normalized_address, flush),
  };
  return cmocka_run_group_tests_name("redis store: deletion", tests, start_redis, stop_redis);
}
