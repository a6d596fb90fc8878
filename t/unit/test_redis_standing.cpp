// The tokens of those who want a websocket, and where their accounts stand.
#include <memory>

#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;
const Keyspace kKeys("wsync");

TokenState state_of(Worker& worker, const Token& token, UnixTime now = kNow) {
  const auto state = worker.run(worker.store.read_token(token, now));
  assert_true(static_cast<bool>(state));
  const auto standing = worker.run(worker.store.read_standing(token, now));
  assert_true(static_cast<bool>(standing));
  assert_true(standing->token == *state);
  return *state;
}

void a_token_is_worth_what_it_is_worth_to_the_wallet(void**) {
  Worker worker(redis->server());
  const Token token = issue_token(*redis, account_id(), "*", kNow + 10);
  assert_true(state_of(worker, token) == TokenState::valid);
  assert_true(state_of(worker, token, kNow + 9) == TokenState::valid);
  assert_true(state_of(worker, token, kNow + 10) == TokenState::unknown);
  assert_true(state_of(worker, new_token(account_id())) == TokenState::unknown);
  assert_true(state_of(worker, new_token(account_id("nobody@example.com"))) == TokenState::unknown);
  assert_true(state_of(worker, issue_token(*redis, account_id(), "read")) == TokenState::wrong_scope);
}

void a_standing_has_the_sequence_and_changes_with_the_password(void**) {
  Worker worker(redis->server());
  const Token token = issue_token(*redis, account_id());
  (*redis)("HSET", kKeys.account(account_id()), "password-salt", "first");
  assert_true(worker.run(worker.store.read_standing(token, kNow))->sequence == 0);
  assert_true(*worker.run(worker.store.put_wallet(token, a_wallet(1), kNow)) == PutOutcome::stored);
  const auto before = worker.run(worker.store.read_standing(token, kNow));
  assert_true(before->sequence == 1);
  (*redis)("HSET", kKeys.account(account_id()), "password-salt", "second");
  const auto after =
      worker.run(worker.store.read_standings({account_id(), account_id("nobody@example.com")}));
  assert_int_equal(after->size(), 2);
  assert_true(after->front().sequence == 1);
  assert_true(after->front().password != before->password);
  assert_true(after->back().password.empty());
}

void tokens_of_another_type_are_refused(void**) {
  Worker worker(redis->server());
  (*redis)("SET", kKeys.tokens(account_id()), "no hash");
  const auto state = worker.run(worker.store.read_token(new_token(account_id()), kNow));
  assert_true(state.error() == StoreError::refused);
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
      cmocka_unit_test_setup(a_token_is_worth_what_it_is_worth_to_the_wallet, flush),
      cmocka_unit_test_setup(a_standing_has_the_sequence_and_changes_with_the_password, flush),
      cmocka_unit_test_setup(tokens_of_another_type_are_refused, flush),
  };
  return cmocka_run_group_tests_name("redis store: standings", tests, start_redis, stop_redis);
}
