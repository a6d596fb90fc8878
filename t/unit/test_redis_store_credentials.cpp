// Tokens and passwords in Redis: what a right password allows, and what must not slip in between.
#include <functional>
#include <optional>

#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;
using Verdict = RedisProxy::Verdict;
const Keyspace kKeys("wsync");
constexpr LoginLimit kLimit{3, 900};

void sign_up(Worker& worker, char password = 'a', bool verified = true) {
  const std::optional<Verification> pending =
      verified ? std::nullopt : std::make_optional(Verification{std::string(64, 'f'), kNow + kDay, 0});
  assert_true(
      *worker.run(worker.store.create_account(account_id(), an_account(password, verified), pending, kNow)));
}

NewToken record_of(const Token& token, std::string device = "phone", UnixTime expires = kNow + kDay) {
  return {token.digest().text(), std::move(device), expires};
}

template <typename AnyWorker>
LoginOutcome save(AnyWorker& worker, const Token& token, char password = 'a', std::string device = "phone",
                  UnixTime now = kNow) {
  const auto result =
      worker.run(worker.store.save_token(account_id(), {password_hash(password), ""},
                                         record_of(token, std::move(device), now + kDay), kLimit, now));
  assert_true(static_cast<bool>(result));
  return result->outcome;
}

PasswordChange a_change(std::optional<Wallet> wallet, char from = 'a', char to = 'b') {
  return {password_hash(from), password_hash(to), std::string(64, '6'), std::move(wallet)};
}

template <typename AnyWorker>
ChangeOutcome change(AnyWorker& worker, PasswordChange wanted) {
  const auto result = worker.run(worker.store.change_password(account_id(), std::move(wanted), kLimit, kNow));
  assert_true(static_cast<bool>(result));
  return result->outcome;
}

TokenState state_of(Worker& worker, const Token& token) {
  const auto view = worker.run(worker.store.get_wallet(token, kNow));
  assert_true(static_cast<bool>(view));
  return view->token;
}

void store_wallet(Worker& worker, Sequence upto) {
  const Token token = issue_token(*redis, account_id(), "*", kNow + kDay, "setup");
  for (Sequence sequence = 1; sequence <= upto; ++sequence) {
    assert_true(*worker.run(worker.store.put_wallet(token, a_wallet(sequence), kNow)) == PutOutcome::stored);
  }
}

void a_saved_token_is_valid_and_only_its_digest_is_stored(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  const Token token = new_token(account_id());
  assert_true(save(worker, token) == LoginOutcome::saved);
  assert_true(state_of(worker, token) == TokenState::valid);
  assert_text((*redis)("HGET", kKeys.tokens(account_id()), token.digest().text()).text,
              std::to_string(kNow + kDay) + " * " + Digest::of("phone").text());
}

void of_a_thousand_tokens_the_first_to_expire_gives_way(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  const std::string key = kKeys.tokens(account_id()).text();
  for (int i = 0; i < 1000; ++i) {
    (*redis)("HSET", key, "digest" + std::to_string(i),
             std::to_string(kNow + 100 + i) + " * device" + std::to_string(i));
  }
  assert_true(save(worker, new_token(account_id())) == LoginOutcome::saved);
  assert_int_equal((*redis)("HLEN", key).integer, 1000);
  assert_int_equal((*redis)("HEXISTS", key, "digest0").integer, 0);
  assert_int_equal((*redis)("HEXISTS", key, "digest1").integer, 1);
}

void a_login_replaces_the_token_of_its_device_only(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  const Token phone = new_token(account_id()), tablet = new_token(account_id()),
              again = new_token(account_id());
  save(worker, phone, 'a', "phone");
  save(worker, tablet, 'a', "phone 2");
  save(worker, again, 'a', "phone");
  assert_true(state_of(worker, phone) == TokenState::unknown);
  assert_true(state_of(worker, tablet) == TokenState::valid);
  assert_true(state_of(worker, again) == TokenState::valid);
  assert_int_equal((*redis)("HLEN", kKeys.tokens(account_id())).integer, 2);
}

void a_login_drops_all_tokens_that_expired_more_than_a_day_ago(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  for (int i = 0; i < 5; ++i) {
    issue_token(*redis, account_id(), "*", kNow - kDay - i, "old " + std::to_string(i));
  }
  const Token lives = issue_token(*redis, account_id(), "*", kNow + 1, "lives");
  const Token expired = issue_token(*redis, account_id(), "*", kNow - kDay + 1, "expired");
  save(worker, new_token(account_id()));
  assert_int_equal((*redis)("HLEN", kKeys.tokens(account_id())).integer, 3);
  assert_true(state_of(worker, lives) == TokenState::valid);
  assert_true(state_of(worker, expired) == TokenState::unknown);
}

void a_login_where_the_clock_is_ahead_takes_no_token_from_others(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  const Token tablet = issue_token(*redis, account_id(), "*", kNow + 60, "tablet");
  save(worker, new_token(account_id()), 'a', "phone", kNow + 60 + kDay - 1);
  assert_true(state_of(worker, tablet) == TokenState::valid);
}

// ---- keys that are made anew

const std::string kRenewed = "scrypt$15$8$1$" + password_hash('a').key;
const std::string kDearer = "scrypt$16$8$1$" + password_hash('e').key;

template <typename AnyWorker>
LoginOutcome renew(AnyWorker& worker, const Token& token, std::string key = kRenewed) {
  const auto result = worker.run(worker.store.save_token(account_id(), {password_hash('a'), std::move(key)},
                                                         record_of(token), kLimit, kNow));
  assert_true(static_cast<bool>(result));
  return result->outcome;
}

std::string stored_key() { return (*redis)("HGET", kKeys.account(account_id()), "password-key").text; }

void a_login_replaces_the_key_and_nothing_else_of_the_password(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  const Token tablet = issue_token(*redis, account_id(), "*", kNow + kDay, "tablet");
  const Token phone = new_token(account_id());
  assert_true(renew(worker, phone) == LoginOutcome::saved);
  assert_text(stored_key(), kRenewed);
  const auto state = worker.run(worker.store.read_login(an_email()));
  assert_text(state->account->password.salt, password_hash('a').salt);
  assert_text(state->account->client_salt_seed, std::string(64, '5'));
  assert_true(state_of(worker, tablet) == TokenState::valid);
  assert_true(state_of(worker, phone) == TokenState::valid);
}

void a_refused_login_replaces_no_key(void**) {
  Worker worker(redis->server());
  sign_up(worker, 'b');
  assert_true(renew(worker, new_token(account_id())) == LoginOutcome::credentials_changed);
  assert_text(stored_key(), password_hash('b').key);
}

void logins_side_by_side_that_replace_the_key_are_all_accepted(void**) {
  ProxiedWorker worker(redis->server());
  Worker rival(redis->server());
  sign_up(rival);
  worker.just_before_exec([&] { assert_true(renew(rival, new_token(account_id())) == LoginOutcome::saved); });
  assert_true(renew(worker, new_token(account_id())) == LoginOutcome::saved);
  assert_text(stored_key(), kRenewed);
}

void a_key_that_was_made_dearer_meanwhile_stays(void**) {
  ProxiedWorker worker(redis->server());
  Worker rival(redis->server());
  sign_up(rival);
  worker.just_before_exec(
      [&] { assert_true(renew(rival, new_token(account_id()), kDearer) == LoginOutcome::saved); });
  assert_true(renew(worker, new_token(account_id())) == LoginOutcome::saved);
  assert_text(stored_key(), kDearer);
}

void a_key_made_anew_meanwhile_keeps_no_password_change_from_its_work(void**) {
  for (const std::string& key : {kRenewed, kDearer}) {
    (*redis)("FLUSHALL");
    ProxiedWorker worker(redis->server());
    Worker rival(redis->server());
    sign_up(rival);
    worker.just_before_exec(
        [&] { assert_true(renew(rival, new_token(account_id()), key) == LoginOutcome::saved); });
    assert_true(change(worker, a_change(std::nullopt)) == ChangeOutcome::changed);
    assert_text(stored_key(), password_hash('b').key);
    assert_int_equal((*redis)("EXISTS", kKeys.tokens(account_id())).integer, 0);
  }
}

void a_password_change_before_exec_is_not_undone_by_a_key_made_anew(void**) {
  ProxiedWorker worker(redis->server());
  Worker rival(redis->server());
  sign_up(rival);
  worker.just_before_exec(
      [&] { assert_true(change(rival, a_change(std::nullopt)) == ChangeOutcome::changed); });
  assert_true(renew(worker, new_token(account_id())) == LoginOutcome::credentials_changed);
  assert_text(stored_key(), password_hash('b').key);
}

void logins_of_one_device_side_by_side_leave_one_token(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  std::vector<Task<Result<LoginResult>>> tasks;
  for (int i = 0; i < 10; ++i) {
    tasks.push_back(worker.store.save_token(account_id(), {password_hash('a'), ""},
                                            record_of(new_token(account_id())), kLimit, kNow));
  }
  for (const auto& result : finish_all(worker.loop, tasks)) {
    assert_true(result && result->outcome == LoginOutcome::saved);
  }
  assert_int_equal((*redis)("HLEN", kKeys.tokens(account_id())).integer, 1);
}

void a_token_is_saved_for_the_current_password_only(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  const std::string before = redis->snapshot();
  assert_true(save(worker, new_token(account_id()), 'b') == LoginOutcome::credentials_changed);
  PasswordHash other_salt = password_hash('a');
  other_salt.salt = password_hash('c').salt;
  assert_true(worker
                  .run(worker.store.save_token(account_id(), {other_salt, ""},
                                               record_of(new_token(account_id())), kLimit, kNow))
                  ->outcome == LoginOutcome::credentials_changed);
  assert_text(redis->snapshot(), before);
}

void no_token_is_saved_for_accounts_that_are_gone_or_unverified(void**) {
  Worker worker(redis->server());
  assert_true(save(worker, new_token(account_id())) == LoginOutcome::credentials_changed);
  assert_int_equal((*redis)("DBSIZE").integer, 0);
  sign_up(worker, 'a', false);
  assert_true(save(worker, new_token(account_id())) == LoginOutcome::credentials_changed);
  assert_int_equal((*redis)("EXISTS", kKeys.tokens(account_id())).integer, 0);
}

void a_login_resets_the_failures(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  assert_true(static_cast<bool>(worker.run(worker.store.count_failed_login(account_id(), 900))));
  save(worker, new_token(account_id()));
  assert_int_equal((*redis)("EXISTS", kKeys.failures(account_id())).integer, 0);
}

void at_the_limit_of_failures_even_the_right_password_is_refused(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  for (int i = 0; i < 3; ++i) {
    assert_true(static_cast<bool>(worker.run(worker.store.count_failed_login(account_id(), 900))));
  }
  const std::string before = (*redis)("DUMP", kKeys.account(account_id())).text;
  assert_true(save(worker, new_token(account_id())) == LoginOutcome::too_many_failures);
  assert_true(change(worker, a_change(std::nullopt)) == ChangeOutcome::too_many_failures);
  assert_text((*redis)("DUMP", kKeys.account(account_id())).text, before);
  assert_int_equal((*redis)("EXISTS", kKeys.tokens(account_id())).integer, 0);
  (*redis)("DEL", kKeys.failures(account_id()));
  assert_true(save(worker, new_token(account_id())) == LoginOutcome::saved);
}

void what_is_refused_at_the_limit_says_how_long(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  (*redis)("SET", kKeys.failures(account_id()), 3, "EX", 100);
  const auto login = worker.run(worker.store.save_token(account_id(), {password_hash('a'), ""},
                                                        record_of(new_token(account_id())), kLimit, kNow));
  assert_true(login && login->outcome == LoginOutcome::too_many_failures);
  assert_in_range(login->seconds_left, 90, 100);
  const auto change =
      worker.run(worker.store.change_password(account_id(), a_change(std::nullopt), kLimit, kNow));
  assert_true(change && change->outcome == ChangeOutcome::too_many_failures);
  assert_in_range(change->seconds_left, 90, 100);
}

void beyond_the_limit_nothing_is_said_of_the_password(void**) {
  Worker worker(redis->server());
  (*redis)("SET", kKeys.failures(account_id()), 3, "EX", 100);
  assert_true(save(worker, new_token(account_id())) == LoginOutcome::too_many_failures);
  sign_up(worker, 'b');
  assert_true(save(worker, new_token(account_id()), 'a') == LoginOutcome::too_many_failures);
  assert_true(change(worker, a_change(std::nullopt, 'a')) == ChangeOutcome::too_many_failures);
}

void without_a_limit_failures_lock_nothing(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  (*redis)("SET", kKeys.failures(account_id()), 1000000, "EX", 900);
  const Token token = new_token(account_id());
  assert_true(worker
                  .run(worker.store.save_token(account_id(), {password_hash('a'), ""}, record_of(token),
                                               LoginLimit{0, 900}, kNow))
                  ->outcome == LoginOutcome::saved);
}

void a_password_change_before_exec_keeps_the_old_passwords_token_out(void**) {
  ProxiedWorker worker(redis->server());
  Worker rival(redis->server());
  sign_up(rival);
  const Token token = new_token(account_id());
  worker.just_before_exec(
      [&] { assert_true(change(rival, a_change(std::nullopt)) == ChangeOutcome::changed); });
  assert_true(save(worker, token) == LoginOutcome::credentials_changed);
  assert_true(state_of(rival, token) == TokenState::unknown);
  assert_int_equal((*redis)("EXISTS", kKeys.tokens(account_id())).integer, 0);
}

void a_password_change_before_the_look_keeps_the_old_passwords_token_out(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  assert_true(change(worker, a_change(std::nullopt)) == ChangeOutcome::changed);
  assert_true(save(worker, new_token(account_id()), 'a') == LoginOutcome::credentials_changed);
  assert_true(save(worker, new_token(account_id()), 'b') == LoginOutcome::saved);
}

void a_login_just_before_a_password_change_is_revoked_with_the_rest(void**) {
  ProxiedWorker worker(redis->server());
  Worker rival(redis->server());
  sign_up(rival);
  const Token token = new_token(account_id());
  worker.just_before_exec([&] { assert_true(save(rival, token) == LoginOutcome::saved); });
  assert_true(change(worker, a_change(std::nullopt)) == ChangeOutcome::changed);
  assert_true(state_of(rival, token) == TokenState::unknown);
}

void a_token_whose_answer_got_lost_is_saved_once(void**) {
  for (const Verdict verdict : {Verdict::cut_reply, Verdict::cut}) {
    (*redis)("FLUSHALL");
    ProxiedWorker worker(redis->server());
    Worker other(redis->server());
    sign_up(other);
    const Token token = new_token(account_id());
    worker.at_first_exec([&] { return verdict; });
    assert_true(save(worker, token) == LoginOutcome::saved);
    assert_true(state_of(other, token) == TokenState::valid);
    assert_int_equal((*redis)("HLEN", kKeys.tokens(account_id())).integer, 1);
  }
}

void a_password_change_replaces_all_it_says_and_revokes_every_token(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  store_wallet(worker, 2);
  const Token token = new_token(account_id());
  save(worker, token, 'a', "tablet");
  assert_true(static_cast<bool>(worker.run(worker.store.count_failed_login(account_id(), 900))));
  BlockingClient listener(redis->server());
  listener("SUBSCRIBE", kKeys.events(account_id()));
  assert_true(change(worker, a_change(a_wallet(3, "sealed anew"))) == ChangeOutcome::changed);
  const auto state = worker.run(worker.store.read_login(an_email()));
  assert_text(state->account->password.key, password_hash('b').key);
  assert_text(state->account->password.salt, password_hash('b').salt);
  assert_text(state->account->client_salt_seed, std::string(64, '6'));
  assert_text(state->account->email, "Satoshi@example.com");
  assert_int_equal((*redis)("EXISTS", kKeys.tokens(account_id()), kKeys.failures(account_id())).integer, 0);
  const Token fresh = new_token(account_id());
  assert_true(save(worker, fresh, 'b') == LoginOutcome::saved);
  assert_true(worker.run(worker.store.get_wallet(fresh, kNow))->wallet == a_wallet(3, "sealed anew"));
  const Reply message = listener("PING");
  assert_text(message.elements[2].text, "password-changed");
  assert_text(listener("PING").elements[0].text, "pong");  // and no wallet update
}

// Not a byte may differ: neither password, nor seed, nor wallet, nor tokens.
void a_refused_password_change_changes_nothing_at_all(void**) {
  struct Row {  // NOLINT(clang-analyzer-optin.performance.Padding)
    const char* name;
    Sequence stored;
    PasswordChange change;
    ChangeOutcome outcome;
  };
  const Row rows[] = {
      {"same sequence", 2, a_change(a_wallet(2)), ChangeOutcome::bad_sequence},
      {"too far", 2, a_change(a_wallet(4)), ChangeOutcome::bad_sequence},
      {"zero", 2, a_change(a_wallet(0)), ChangeOutcome::bad_sequence},
      {"greatest", 2, a_change(a_wallet(4294967295)), ChangeOutcome::bad_sequence},
      {"a first wallet", 0, a_change(a_wallet(1)), ChangeOutcome::bad_sequence},
      {"wallet left out", 2, a_change(std::nullopt), ChangeOutcome::wallet_missing_in_request},
      {"wrong password", 2, a_change(a_wallet(3), 'c'), ChangeOutcome::credentials_changed},
      {"wrong password first", 2, a_change(a_wallet(9), 'c'), ChangeOutcome::credentials_changed},
  };
  for (const Row& row : rows) {
    (*redis)("FLUSHALL");
    Worker worker(redis->server());
    sign_up(worker);
    if (row.stored > 0) {
      store_wallet(worker, row.stored);
    }
    issue_token(*redis, account_id());
    const std::string before = redis->snapshot();
    assert_row(change(worker, row.change) == row.outcome, row.name);
    assert_row(redis->snapshot() == before, row.name);
  }
}

void after_the_greatest_sequence_no_password_change_with_a_wallet_is_accepted(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  (*redis)("HSET", kKeys.wallet(account_id()), "sequence", "4294967295", "hmac", "h", "wallet", "w");
  const std::string before = redis->snapshot();
  for (const Sequence sequence : {0U, 1U, 4294967295U}) {
    assert_true(change(worker, a_change(a_wallet(sequence))) == ChangeOutcome::bad_sequence);
  }
  assert_text(redis->snapshot(), before);
}

void a_wallet_written_before_exec_makes_the_password_change_a_conflict(void**) {
  ProxiedWorker worker(redis->server());
  Worker rival(redis->server());
  sign_up(rival);
  store_wallet(rival, 1);
  const Token token = issue_token(*redis, account_id());
  std::string before;
  worker.just_before_exec([&] {
    assert_true(*rival.run(rival.store.put_wallet(token, a_wallet(2, "rival's"), kNow)) ==
                PutOutcome::stored);
    before = redis->snapshot();
  });
  assert_true(change(worker, a_change(a_wallet(2, "ours"))) == ChangeOutcome::bad_sequence);
  assert_text(redis->snapshot(), before);
}

void a_password_change_before_exec_keeps_a_wallet_out(void**) {
  ProxiedWorker worker(redis->server());
  Worker rival(redis->server());
  sign_up(rival);
  const Token token = issue_token(*redis, account_id());
  worker.just_before_exec(
      [&] { assert_true(change(rival, a_change(std::nullopt)) == ChangeOutcome::changed); });
  assert_true(*worker.run(worker.store.put_wallet(token, a_wallet(1), kNow)) == PutOutcome::unknown_token);
  assert_int_equal((*redis)("EXISTS", kKeys.wallet(account_id())).integer, 0);
}

void of_several_password_changes_side_by_side_one_wins(void**) {
  Worker worker(redis->server());
  sign_up(worker);
  std::vector<Task<Result<ChangeResult>>> tasks;
  for (const char to : {'b', 'c', 'd', 'e'}) {
    tasks.push_back(
        worker.store.change_password(account_id(), a_change(std::nullopt, 'a', to), kLimit, kNow));
  }
  int changed = 0;
  for (const auto& result : finish_all(worker.loop, tasks)) {
    assert_true(result && (result->outcome == ChangeOutcome::changed ||
                           result->outcome == ChangeOutcome::credentials_changed));
    changed += result->outcome == ChangeOutcome::changed ? 1 : 0;
  }
  assert_int_equal(changed, 1);
}

void a_password_change_whose_answer_got_lost_has_happened(void**) {
  for (const Verdict verdict : {Verdict::cut_reply, Verdict::cut}) {
    (*redis)("FLUSHALL");
    ProxiedWorker worker(redis->server());
    Worker other(redis->server());
    sign_up(other);
    store_wallet(other, 1);
    worker.at_first_exec([&] { return verdict; });
    assert_true(change(worker, a_change(a_wallet(2, "ours"))) == ChangeOutcome::changed);
    assert_text((*redis)("HGET", kKeys.wallet(account_id()), "wallet").text, "ours");
    assert_text((*redis)("HGET", kKeys.account(account_id()), "password-salt").text, password_hash('b').salt);
  }
}

void another_ones_password_change_is_not_taken_for_ours(void**) {
  ProxiedWorker worker(redis->server());
  Worker rival(redis->server());
  sign_up(rival);
  worker.at_first_exec([&] {
    assert_true(change(rival, a_change(std::nullopt, 'a', 'c')) == ChangeOutcome::changed);
    return Verdict::cut;
  });
  assert_true(change(worker, a_change(std::nullopt, 'a', 'b')) == ChangeOutcome::credentials_changed);
  assert_text((*redis)("HGET", kKeys.account(account_id()), "password-salt").text, password_hash('c').salt);
}

void a_password_change_refused_for_want_of_memory_changes_nothing(void**) {
  RedisServer full;
  Worker worker(full.server());
  sign_up(worker);
  const std::string before = full.snapshot();
  full("CONFIG", "SET", "maxmemory", 1);
  const auto result =
      worker.run(worker.store.change_password(account_id(), a_change(std::nullopt), kLimit, kNow));
  assert_true(result.error() == StoreError::refused);
  assert_text(full.snapshot(), before);
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
      cmocka_unit_test_setup(a_saved_token_is_valid_and_only_its_digest_is_stored, flush),
      cmocka_unit_test_setup(of_a_thousand_tokens_the_first_to_expire_gives_way, flush),
      cmocka_unit_test_setup(a_login_replaces_the_token_of_its_device_only, flush),
      cmocka_unit_test_setup(a_login_drops_all_tokens_that_expired_more_than_a_day_ago, flush),
      cmocka_unit_test_setup(a_login_where_the_clock_is_ahead_takes_no_token_from_others, flush),
      cmocka_unit_test_setup(a_login_replaces_the_key_and_nothing_else_of_the_password, flush),
      cmocka_unit_test_setup(a_refused_login_replaces_no_key, flush),
      cmocka_unit_test_setup(logins_side_by_side_that_replace_the_key_are_all_accepted, flush),
      cmocka_unit_test_setup(a_key_that_was_made_dearer_meanwhile_stays, flush),
      cmocka_unit_test_setup(a_key_made_anew_meanwhile_keeps_no_password_change_from_its_work, flush),
      cmocka_unit_test_setup(a_password_change_before_exec_is_not_undone_by_a_key_made_anew, flush),
      cmocka_unit_test_setup(logins_of_one_device_side_by_side_leave_one_token, flush),
      cmocka_unit_test_setup(a_token_is_saved_for_the_current_password_only, flush),
      cmocka_unit_test_setup(no_token_is_saved_for_accounts_that_are_gone_or_unverified, flush),
      cmocka_unit_test_setup(a_login_resets_the_failures, flush),
      cmocka_unit_test_setup(at_the_limit_of_failures_even_the_right_password_is_refused, flush),
      cmocka_unit_test_setup(what_is_refused_at_the_limit_says_how_long, flush),
      cmocka_unit_test_setup(beyond_the_limit_nothing_is_said_of_the_password, flush),
      cmocka_unit_test_setup(without_a_limit_failures_lock_nothing, flush),
      cmocka_unit_test_setup(a_password_change_before_exec_keeps_the_old_passwords_token_out, flush),
      cmocka_unit_test_setup(a_password_change_before_the_look_keeps_the_old_passwords_token_out, flush),
      cmocka_unit_test_setup(a_login_just_before_a_password_change_is_revoked_with_the_rest, flush),
      cmocka_unit_test_setup(a_token_whose_answer_got_lost_is_saved_once, flush),
      cmocka_unit_test_setup(a_password_change_replaces_all_it_says_and_revokes_every_token, flush),
      cmocka_unit_test_setup(a_refused_password_change_changes_nothing_at_all, flush),
      cmocka_unit_test_setup(after_the_greatest_sequence_no_password_change_with_a_wallet_is_accepted, flush),
      cmocka_unit_test_setup(a_wallet_written_before_exec_makes_the_password_change_a_conflict, flush),
      cmocka_unit_test_setup(a_password_change_before_exec_keeps_a_wallet_out, flush),
      cmocka_unit_test_setup(of_several_password_changes_side_by_side_one_wins, flush),
      cmocka_unit_test_setup(a_password_change_whose_answer_got_lost_has_happened, flush),
      cmocka_unit_test_setup(another_ones_password_change_is_not_taken_for_ours, flush),
      cmocka_unit_test_setup(a_password_change_refused_for_want_of_memory_changes_nothing, flush),
  };
  return cmocka_run_group_tests_name("redis store: credentials", tests, start_redis, stop_redis);
}
