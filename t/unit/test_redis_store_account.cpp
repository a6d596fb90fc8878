// Accounts in Redis: signing up, verifying the address, counting failed logins.
#include <algorithm>
#include <memory>
#include <optional>

#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;
using Verdict = RedisProxy::Verdict;
const Keyspace kKeys("wsync");

Verification a_verification(const Token& token, UnixTime expires = kNow + 2 * kDay) {
  return {token.digest().text(), expires, 0};
}

// An account whose address is not verified yet, and the token that verifies it.
Token sign_up(Worker& worker, UnixTime expires = kNow + 2 * kDay) {
  const Token token = new_token(account_id());
  assert_true(*worker.run(worker.store.create_account(account_id(), an_account('a', false),
                                                      a_verification(token, expires), kNow)));
  return token;
}

template <typename AnyWorker>
ResendOutcome renew(AnyWorker& worker, Verification pending, std::uint32_t interval, UnixTime now) {
  const auto renewal =
      worker.run(worker.store.renew_verification(an_email(), std::move(pending), interval, now));
  assert_true(static_cast<bool>(renewal));
  assert_text(renewal->address, renewal->outcome == ResendOutcome::renewed ? "Satoshi@example.com" : "");
  return renewal->outcome;
}

LoginState login_state(Worker& worker) {
  const auto state = worker.run(worker.store.read_login(an_email()));
  assert_true(static_cast<bool>(state));
  return *state;
}

void an_account_is_read_back_as_it_was_made(void**) {
  Worker worker(redis->server());
  assert_true(*worker.run(worker.store.create_account(account_id(), an_account(), std::nullopt, kNow)));
  const LoginState state = login_state(worker);
  assert_true(state.account.has_value());
  assert_text(state.account->email, "Satoshi@example.com");
  assert_text(state.account->password.key, password_hash('a').key);
  assert_text(state.account->password.salt, password_hash('a').salt);
  assert_text(state.account->client_salt_seed, std::string(64, '5'));
  assert_true(state.account->verified);
  assert_int_equal(state.account->id, 1);
  assert_int_equal(state.failed.count, 0);
}

void without_an_account_there_is_none_to_read(void**) {
  Worker worker(redis->server());
  assert_false(login_state(worker).account.has_value());
}

// Its id is a part of a hash, so another address may have the same.
void an_account_of_another_address_is_none(void**) {
  Worker worker(redis->server());
  Account other = an_account('a', false);
  other.email = "nakamoto@example.com";
  const Token token = new_token(account_id());
  assert_true(*worker.run(worker.store.create_account(account_id(), other, a_verification(token), kNow)));
  const std::string before = (*redis)("DUMP", kKeys.account(account_id())).text;
  assert_false(login_state(worker).account.has_value());
  assert_true(renew(worker, a_verification(new_token(account_id())), 60, kNow) ==
              ResendOutcome::unknown_account);
  assert_false(*worker.run(worker.store.create_account(account_id(), an_account(), std::nullopt, kNow)));
  assert_text((*redis)("DUMP", kKeys.account(account_id())).text, before);
}

void an_account_is_found_in_any_spelling_of_its_address(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  for (const std::string_view spelling :
       {"satoshi@example.com", "Satoshi@Example.com", "SATOSHI@EXAMPLE.COM"}) {
    const auto state = worker.run(worker.store.read_login(an_email(spelling)));
    assert_row(state && state->account && state->account->email == "Satoshi@example.com", spelling);
  }
}

void an_account_without_a_salt_seed_has_none_when_read(void**) {
  Worker worker(redis->server());
  Account account = an_account();
  account.client_salt_seed.clear();
  assert_true(*worker.run(worker.store.create_account(account_id(), account, std::nullopt, kNow)));
  assert_text(login_state(worker).account->client_salt_seed, "");
}

void each_account_has_a_number_of_its_own(void**) {
  Worker worker(redis->server());
  std::vector<std::int64_t> ids;
  for (const std::string_view address : {"a@example.com", "b@example.com", "c@example.com"}) {
    Account account = an_account();
    account.email = address;
    assert_true(*worker.run(
        worker.store.create_account(account_id(address), std::move(account), std::nullopt, kNow)));
    ids.push_back((*worker.run(worker.store.read_login(an_email(address)))).account->id);
  }
  assert_true(ids[0] < ids[1] && ids[1] < ids[2]);
}

void a_taken_address_stays_as_it_is(void**) {
  Worker worker(redis->server());
  assert_true(*worker.run(worker.store.create_account(account_id(), an_account('a'), std::nullopt, kNow)));
  const std::string before = (*redis)("DUMP", kKeys.account(account_id())).text;
  assert_false(
      *worker.run(worker.store.create_account(account_id(), an_account('b'), std::nullopt, kNow + 1)));
  assert_text((*redis)("DUMP", kKeys.account(account_id())).text, before);
}

void of_several_who_sign_up_with_one_address_one_gets_it(void**) {
  LibeventLoop loop;
  TestMonitor monitor;
  std::vector<std::unique_ptr<RedisStore>> stores;
  std::vector<Task<Result<bool>>> tasks;
  for (int i = 0; i < 4; ++i) {
    stores.push_back(std::make_unique<RedisStore>(loop, redis->server(), monitor));
  }
  for (int i = 0; i < 12; ++i) {
    tasks.push_back(stores[static_cast<std::size_t>(i) % 4]->create_account(
        account_id(), an_account(static_cast<char>('a' + i % 6)), std::nullopt, kNow));
  }
  const auto results = finish_all(loop, tasks);
  assert_int_equal(
      std::count_if(results.begin(), results.end(), [](const auto& made) { return made && *made; }), 1);
}

void an_account_whose_answer_got_lost_is_ours(void**) {
  for (const Verdict verdict : {Verdict::cut_reply, Verdict::cut}) {
    (*redis)("FLUSHALL");
    ProxiedWorker worker(redis->server());
    worker.at_first_exec([&] { return verdict; });
    assert_true(*worker.run(worker.store.create_account(account_id(), an_account(), std::nullopt, kNow)));
    assert_text((*redis)("HGET", kKeys.account(account_id()), "email").text, "Satoshi@example.com");
  }
}

void an_address_somebody_else_took_meanwhile_is_taken(void**) {
  ProxiedWorker worker(redis->server());
  Worker rival(redis->server());
  worker.at_first_exec([&] {
    assert_true(*rival.run(rival.store.create_account(account_id(), an_account('b'), std::nullopt, kNow)));
    return Verdict::cut;
  });
  assert_false(*worker.run(worker.store.create_account(account_id(), an_account('a'), std::nullopt, kNow)));
  assert_text((*redis)("HGET", kKeys.account(account_id()), "password-salt").text, password_hash('b').salt);
}

void an_unverified_account_can_be_taken_back(void**) {
  Worker worker(redis->server());
  const Token token = sign_up(worker);
  assert_false(
      *worker.run(worker.store.remove_unverified(account_id(), a_verification(new_token(account_id())))));
  assert_true(*worker.run(worker.store.remove_unverified(account_id(), a_verification(token))));
  assert_false(login_state(worker).account.has_value());
  assert_false(*worker.run(worker.store.remove_unverified(account_id(), a_verification(token))));
}

void a_verified_account_cannot_be_taken_back(void**) {
  Worker worker(redis->server());
  const Token token = sign_up(worker);
  assert_true(*worker.run(worker.store.verify(token, kNow)));
  assert_false(*worker.run(worker.store.remove_unverified(account_id(), a_verification(token))));
  assert_true(login_state(worker).account->verified);
}

void an_account_verified_just_before_it_is_taken_back_stays(void**) {
  ProxiedWorker worker(redis->server());
  Worker other(redis->server());
  const Token token = sign_up(other);
  worker.just_before_exec([&] { assert_true(*other.run(other.store.verify(token, kNow))); });
  assert_false(*worker.run(worker.store.remove_unverified(account_id(), a_verification(token))));
  assert_true(login_state(other).account->verified);
}

void a_verification_token_works_once(void**) {
  Worker worker(redis->server());
  const Token token = sign_up(worker);
  assert_false(login_state(worker).account->verified);
  assert_true(*worker.run(worker.store.verify(token, kNow)));
  assert_true(login_state(worker).account->verified);
  assert_false(*worker.run(worker.store.verify(token, kNow)));
}

void a_verification_token_works_until_the_second_it_expires(void**) {
  Worker worker(redis->server());
  const Token token = sign_up(worker, kNow + 10);
  assert_false(*worker.run(worker.store.verify(token, kNow + 10)));
  assert_false(login_state(worker).account->verified);
  assert_true(*worker.run(worker.store.verify(token, kNow + 9)));
}

void a_verification_token_that_was_never_mailed_verifies_nothing(void**) {
  Worker worker(redis->server());
  assert_false(*worker.run(worker.store.verify(new_token(account_id()), kNow)));
  sign_up(worker);
  assert_false(*worker.run(worker.store.verify(new_token(account_id()), kNow)));
  assert_false(login_state(worker).account->verified);
}

void a_verification_whose_answer_got_lost_has_happened(void**) {
  for (const Verdict verdict : {Verdict::cut_reply, Verdict::cut}) {
    (*redis)("FLUSHALL");
    ProxiedWorker worker(redis->server());
    Worker other(redis->server());
    const Token token = sign_up(other);
    worker.at_first_exec([&] { return verdict; });
    assert_true(*worker.run(worker.store.verify(token, kNow)));
    assert_true(login_state(other).account->verified);
  }
}

void of_two_who_follow_the_link_at_once_one_verifies(void**) {
  Worker worker(redis->server());
  const Token token = sign_up(worker);
  std::vector<Task<Result<bool>>> tasks;
  for (int i = 0; i < 6; ++i) {
    tasks.push_back(worker.store.verify(token, kNow));
  }
  const auto results = finish_all(worker.loop, tasks);
  assert_int_equal(
      std::count_if(results.begin(), results.end(), [](const auto& done) { return done && *done; }), 1);
}

void a_renewed_verification_replaces_the_old_one(void**) {
  Worker worker(redis->server());
  const Token old = sign_up(worker);
  const Token fresh = new_token(account_id());
  assert_true(renew(worker, a_verification(fresh), 60, kNow) == ResendOutcome::renewed);
  assert_false(*worker.run(worker.store.verify(old, kNow)));
  assert_true(*worker.run(worker.store.verify(fresh, kNow)));
}

void a_verification_is_renewed_at_most_once_per_interval(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  const Token first = new_token(account_id());
  const auto renew_at = [&](const Token& token, UnixTime now) {
    return renew(worker, a_verification(token, now + kDay), 60, now);
  };
  assert_true(renew_at(first, kNow) == ResendOutcome::renewed);
  assert_true(renew_at(new_token(account_id()), kNow) == ResendOutcome::too_soon);
  assert_true(renew_at(new_token(account_id()), kNow + 59) == ResendOutcome::too_soon);
  const Token second = new_token(account_id());
  assert_true(renew_at(second, kNow + 60) == ResendOutcome::renewed);
  assert_true(*worker.run(worker.store.verify(second, kNow + 61)));
}

void nothing_is_renewed_for_unknown_and_for_verified_accounts(void**) {
  Worker worker(redis->server());
  const Verification fresh = a_verification(new_token(account_id()));
  assert_true(renew(worker, fresh, 60, kNow) == ResendOutcome::unknown_account);
  assert_int_equal((*redis)("DBSIZE").integer, 0);
  const Token token = sign_up(worker);
  assert_true(*worker.run(worker.store.verify(token, kNow)));
  assert_true(renew(worker, fresh, 60, kNow) == ResendOutcome::already_verified);
}

void a_renewal_whose_answer_got_lost_is_not_too_soon(void**) {
  for (const Verdict verdict : {Verdict::cut_reply, Verdict::cut}) {
    (*redis)("FLUSHALL");
    ProxiedWorker worker(redis->server());
    Worker other(redis->server());
    sign_up(other);
    const Token fresh = new_token(account_id());
    worker.at_first_exec([&] { return verdict; });
    assert_true(renew(worker, a_verification(fresh), 60, kNow) == ResendOutcome::renewed);
    assert_true(*other.run(other.store.verify(fresh, kNow)));
  }
}

void a_forgotten_renewal_lets_the_next_one_through(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  const Verification first = a_verification(new_token(account_id()));
  const Verification second = a_verification(new_token(account_id()));
  assert_true(renew(worker, first, 60, kNow) == ResendOutcome::renewed);
  assert_false(*worker.run(worker.store.forget_renewal(account_id(), second)));
  assert_true(renew(worker, second, 60, kNow) == ResendOutcome::too_soon);
  assert_true(*worker.run(worker.store.forget_renewal(account_id(), first)));
  assert_true(renew(worker, second, 60, kNow) == ResendOutcome::renewed);
}

// ---- accounts that nobody verifies

Token sign_up_for(Worker& worker, std::uint32_t lifetime) {
  const Token token = new_token(account_id());
  Verification pending = a_verification(token);
  pending.account_lifetime = lifetime;
  assert_true(*worker.run(worker.store.create_account(account_id(), an_account('a', false), pending, kNow)));
  return token;
}

std::int64_t time_to_live() { return (*redis)("TTL", kKeys.account(account_id())).integer; }

void let_it_expire() {
  (*redis)("PEXPIRE", kKeys.account(account_id()), 1);
  LibeventLoop loop;
  assert_true(loop.run_until([] { return (*redis)("EXISTS", kKeys.account(account_id())).integer == 0; }));
}

void an_account_that_nobody_verifies_is_gone_after_its_time(void**) {
  Worker worker(redis->server());
  const Token token = sign_up_for(worker, 1000);
  assert_in_range(time_to_live(), 900, 1000);
  assert_false(*worker.run(worker.store.create_account(account_id(), an_account('b'), std::nullopt, kNow)));
  let_it_expire();
  assert_false(login_state(worker).account.has_value());
  assert_false(*worker.run(worker.store.verify(token, kNow)));
  assert_true(renew(worker, a_verification(new_token(account_id())), 60, kNow) ==
              ResendOutcome::unknown_account);
  assert_int_equal((*redis)("EXISTS", kKeys.account(account_id())).integer, 0);
}

void an_address_whose_account_has_expired_is_free_again(void**) {
  Worker worker(redis->server());
  const Token first = sign_up_for(worker, 1000);
  let_it_expire();
  Verification pending = a_verification(new_token(account_id()));
  pending.account_lifetime = 500;
  assert_true(*worker.run(worker.store.create_account(account_id(), an_account('b', false), pending, kNow)));
  assert_in_range(time_to_live(), 400, 500);
  assert_text(login_state(worker).account->password.key, password_hash('b').key);
  assert_false(*worker.run(worker.store.verify(first, kNow)));
}

void a_verified_account_stays_for_ever(void**) {
  for (const Verdict verdict : {Verdict::forward, Verdict::cut_reply, Verdict::cut}) {
    (*redis)("FLUSHALL");
    ProxiedWorker worker(redis->server());
    Worker other(redis->server());
    const Token token = sign_up_for(other, 1000);
    worker.at_first_exec([&] { return verdict; });
    assert_true(*worker.run(worker.store.verify(token, kNow)));
    assert_int_equal(time_to_live(), -1);
  }
  (*redis)("FLUSHALL");
  Worker worker(redis->server());
  assert_true(*worker.run(worker.store.create_account(account_id(), an_account(), std::nullopt, kNow)));
  assert_int_equal(time_to_live(), -1);
}

void an_unverified_account_without_a_lifetime_stays(void**) {
  Worker worker(redis->server());
  sign_up_for(worker, 0);
  assert_int_equal(time_to_live(), -1);
}

// Or whoever took the address could keep it by asking for mails.
void a_renewal_does_not_make_the_lifetime_longer(void**) {
  Worker worker(redis->server());
  sign_up_for(worker, 1000);
  (*redis)("EXPIRE", kKeys.account(account_id()), 100);
  Verification fresh = a_verification(new_token(account_id()));
  fresh.account_lifetime = 1000;
  assert_true(renew(worker, fresh, 60, kNow) == ResendOutcome::renewed);
  assert_in_range(time_to_live(), 1, 100);
  assert_true(*worker.run(worker.store.forget_renewal(account_id(), fresh)));
  assert_in_range(time_to_live(), 1, 100);
}

void an_account_that_expires_just_before_exec_is_not_half_revived(void**) {
  ProxiedWorker worker(redis->server());
  Worker other(redis->server());
  const Token token = sign_up_for(other, 1000);
  worker.just_before_exec(let_it_expire);
  assert_false(*worker.run(worker.store.verify(token, kNow)));
  assert_int_equal((*redis)("EXISTS", kKeys.account(account_id())).integer, 0);

  sign_up_for(other, 1000);
  worker.just_before_exec(let_it_expire);
  assert_true(renew(worker, a_verification(new_token(account_id())), 60, kNow) ==
              ResendOutcome::unknown_account);
  assert_int_equal((*redis)("EXISTS", kKeys.account(account_id())).integer, 0);
}

void failed_logins_are_counted_and_forgotten_with_the_window(void**) {
  Worker worker(redis->server());
  const std::string key = kKeys.failures(account_id()).text();
  for (std::int64_t i = 1; i <= 4; ++i) {
    const auto failed = worker.run(worker.store.count_failed_login(account_id(), 900));
    assert_int_equal(failed->count, i);
    assert_in_range(failed->seconds_left, 890, 900);
    assert_in_range((*redis)("TTL", key).integer, 890, 900);
  }
  assert_int_equal(login_state(worker).failed.count, 4);
  assert_in_range(login_state(worker).failed.seconds_left, 890, 900);
  (*redis)("PEXPIRE", key, 1);  // the window ends
  assert_true(worker.loop.run_until([&] { return (*redis)("EXISTS", key).integer == 0; }));
  assert_int_equal(login_state(worker).failed.count, 0);
  assert_int_equal(worker.run(worker.store.count_failed_login(account_id(), 900))->count, 1);
}

void the_window_begins_with_the_first_failure(void**) {
  Worker worker(redis->server());
  assert_true(static_cast<bool>(worker.run(worker.store.count_failed_login(account_id(), 900))));
  (*redis)("EXPIRE", kKeys.failures(account_id()), 100);
  const auto failed = worker.run(worker.store.count_failed_login(account_id(), 900));
  assert_in_range(failed->seconds_left, 90, 100);
}

void a_counter_that_lost_its_expiry_gets_one_again(void**) {
  Worker worker(redis->server());
  (*redis)("SET", kKeys.failures(account_id()), 3);
  const auto failed = worker.run(worker.store.count_failed_login(account_id(), 900));
  assert_int_equal(failed->count, 4);
  assert_in_range(failed->seconds_left, 890, 900);
}

void failures_counted_side_by_side_are_all_counted(void**) {
  LibeventLoop loop;
  TestMonitor monitor;
  RedisStore one(loop, redis->server(), monitor), two(loop, redis->server(), monitor);
  std::vector<Task<Result<FailedLogins>>> tasks;
  for (int i = 0; i < 50; ++i) {
    tasks.push_back((i % 2 == 0 ? one : two).count_failed_login(account_id(), 900));
  }
  for (const auto& result : finish_all(loop, tasks)) {
    assert_true(static_cast<bool>(result));
    assert_in_range(result->seconds_left, 890, 900);
  }
  assert_text((*redis)("GET", kKeys.failures(account_id())).text, "50");
}

void a_refused_count_is_refused(void**) {
  RedisServer full;
  Worker worker(full.server());
  full("CONFIG", "SET", "maxmemory", 1);
  assert_true(worker.run(worker.store.count_failed_login(account_id(), 900)).error() == StoreError::refused);
  assert_true(
      worker.run(worker.store.create_account(account_id(), an_account(), std::nullopt, kNow)).error() ==
      StoreError::refused);
  assert_int_equal(worker.monitor.counted(Counter::store_refused), 2);
  assert_int_equal(worker.monitor.failures(), 2);
  full("CONFIG", "SET", "maxmemory", 0);
  assert_int_equal(full("DBSIZE").integer, 0);
}

void an_account_of_nonsense_is_an_internal_error(void**) {
  Worker worker(redis->server());
  (*redis)("HSET", kKeys.account(account_id()), "email", "x", "user-id", "many");
  assert_true(worker.run(worker.store.read_login(an_email())).error() == StoreError::internal);
  assert_int_equal(worker.monitor.counted(Counter::store_internal), 1);
}

void a_counter_of_another_type_is_an_internal_error(void**) {
  Worker worker(redis->server());
  (*redis)("LPUSH", kKeys.failures(account_id()), "x");
  assert_true(worker.run(worker.store.count_failed_login(account_id(), 900)).error() == StoreError::internal);
  assert_int_equal(worker.monitor.counted(Counter::store_internal), 1);
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
      cmocka_unit_test_setup(an_account_is_read_back_as_it_was_made, flush),
      cmocka_unit_test_setup(without_an_account_there_is_none_to_read, flush),
      cmocka_unit_test_setup(an_account_of_another_address_is_none, flush),
      cmocka_unit_test_setup(an_account_is_found_in_any_spelling_of_its_address, flush),
      cmocka_unit_test_setup(an_account_without_a_salt_seed_has_none_when_read, flush),
      cmocka_unit_test_setup(each_account_has_a_number_of_its_own, flush),
      cmocka_unit_test_setup(a_taken_address_stays_as_it_is, flush),
      cmocka_unit_test_setup(of_several_who_sign_up_with_one_address_one_gets_it, flush),
      cmocka_unit_test_setup(an_account_whose_answer_got_lost_is_ours, flush),
      cmocka_unit_test_setup(an_address_somebody_else_took_meanwhile_is_taken, flush),
      cmocka_unit_test_setup(an_unverified_account_can_be_taken_back, flush),
      cmocka_unit_test_setup(a_verified_account_cannot_be_taken_back, flush),
      cmocka_unit_test_setup(an_account_verified_just_before_it_is_taken_back_stays, flush),
      cmocka_unit_test_setup(a_verification_token_works_once, flush),
      cmocka_unit_test_setup(a_verification_token_works_until_the_second_it_expires, flush),
      cmocka_unit_test_setup(a_verification_token_that_was_never_mailed_verifies_nothing, flush),
      cmocka_unit_test_setup(a_verification_whose_answer_got_lost_has_happened, flush),
      cmocka_unit_test_setup(of_two_who_follow_the_link_at_once_one_verifies, flush),
      cmocka_unit_test_setup(a_renewed_verification_replaces_the_old_one, flush),
      cmocka_unit_test_setup(a_verification_is_renewed_at_most_once_per_interval, flush),
      cmocka_unit_test_setup(nothing_is_renewed_for_unknown_and_for_verified_accounts, flush),
      cmocka_unit_test_setup(a_renewal_whose_answer_got_lost_is_not_too_soon, flush),
      cmocka_unit_test_setup(a_forgotten_renewal_lets_the_next_one_through, flush),
      cmocka_unit_test_setup(an_account_that_nobody_verifies_is_gone_after_its_time, flush),
      cmocka_unit_test_setup(an_address_whose_account_has_expired_is_free_again, flush),
      cmocka_unit_test_setup(a_verified_account_stays_for_ever, flush),
      cmocka_unit_test_setup(an_unverified_account_without_a_lifetime_stays, flush),
      cmocka_unit_test_setup(a_renewal_does_not_make_the_lifetime_longer, flush),
      cmocka_unit_test_setup(an_account_that_expires_just_before_exec_is_not_half_revived, flush),
      cmocka_unit_test_setup(failed_logins_are_counted_and_forgotten_with_the_window, flush),
      cmocka_unit_test_setup(the_window_begins_with_the_first_failure, flush),
      cmocka_unit_test_setup(a_counter_that_lost_its_expiry_gets_one_again, flush),
      cmocka_unit_test_setup(failures_counted_side_by_side_are_all_counted, flush),
      cmocka_unit_test_setup(a_refused_count_is_refused, flush),
      cmocka_unit_test_setup(an_account_of_nonsense_is_an_internal_error, flush),
      cmocka_unit_test_setup(a_counter_of_another_type_is_an_internal_error, flush),
  };
  return cmocka_run_group_tests_name("redis store: accounts", tests, start_redis, stop_redis);
}
