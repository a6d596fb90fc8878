// Accounts that move in: what is taken over, what stays, and that doing it again does no harm.
#include "admin_store.hpp"
#include "import_store.hpp"
#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;
using Verdict = RedisProxy::Verdict;
const Keyspace kKeys("wsync");
constexpr LoginLimit kLimit{3, 900};

struct Mover {
  explicit Mover(Server where) : proxy(loop, std::move(where)), store(loop, proxy.server(), monitor) {}
  ImportResult take(const ImportedAccount& account, bool dry_run = false) {
    const auto result = finish(loop, store.import_account(account, dry_run));
    assert_true(static_cast<bool>(result));
    return *result;
  }
  std::optional<Account> account() { return finish(loop, store.read_login(an_email()))->account; }
  std::optional<Wallet> wallet() {
    const Token token = issue_token(*redis, account_id());
    auto view = finish(loop, store.get_wallet(token, kNow));
    (*redis)("HDEL", kKeys.tokens(account_id()), token.digest().text());
    return view->wallet;
  }

  LibeventLoop loop;
  TestMonitor monitor;
  RedisProxy proxy;
  AdminStore store;
};

ImportedAccount an_import(char password = 'a', Sequence sequence = 3, bool verified = true) {
  ImportedAccount imported{an_email("Satoshi@example.com"),
                           an_account(password, verified),
                           {kNow, {}},
                           {kNow + 5, {}},
                           {kNow + kDay, {}},
                           500,
                           std::nullopt,
                           {}};
  imported.account.id = 7;
  if (sequence > 0) {
    imported.wallet = a_wallet(sequence);
    imported.wallet_updated = {kNow + 6, {}};
  }
  return imported;
}

void an_account_comes_in_with_all_it_has(void**) {
  Mover mover(redis->server());
  ImportedAccount imported = an_import();
  imported.created.exactly = "2023-11-14 22:13:20.5+00:00";
  const ImportResult result = mover.take(imported);
  assert_true(result.outcome == ImportOutcome::created);
  assert_int_equal(result.id, 7);
  const auto account = mover.account();
  assert_int_equal(account->id, 7);
  assert_text(account->email, "Satoshi@example.com");
  assert_text(account->password.key, an_account().password.key);
  assert_text(account->client_salt_seed, an_account().client_salt_seed);
  assert_true(account->verified);
  assert_true(*mover.wallet() == a_wallet(3));
  assert_text((*redis)("HGET", kKeys.account(account_id()), "created").text, std::to_string(kNow));
  assert_text((*redis)("HGET", kKeys.account(account_id()), "created-exactly").text,
              "2023-11-14 22:13:20.5+00:00");
  assert_int_equal((*redis)("TTL", kKeys.account(account_id())).integer, -1);
}

void again_it_changes_nothing(void**) {
  Mover mover(redis->server());
  mover.take(an_import());
  const std::string before = redis->snapshot();
  assert_true(mover.take(an_import()).outcome == ImportOutcome::unchanged);
  assert_true(redis->snapshot() == before);
}

void a_dry_run_tells_the_same_and_writes_nothing(void**) {
  Mover mover(redis->server());
  const std::string before = redis->snapshot();
  assert_true(mover.take(an_import(), true).outcome == ImportOutcome::created);
  assert_true(redis->snapshot() == before);
  mover.take(an_import());
  const std::string then = redis->snapshot();
  assert_true(mover.take(an_import('a', 4), true).outcome == ImportOutcome::updated);
  assert_true(redis->snapshot() == then);
}

void a_newer_wallet_replaces_one_that_is_here(void**) {
  Mover mover(redis->server());
  mover.take(an_import());
  assert_true(mover.take(an_import('a', 8)).outcome == ImportOutcome::updated);
  assert_true(*mover.wallet() == a_wallet(8));
}

void a_newer_wallet_here_stays(void**) {
  Mover mover(redis->server());
  mover.take(an_import());
  const Token token = issue_token(*redis, account_id());
  assert_true(*finish(mover.loop, mover.store.put_wallet(token, a_wallet(4, "mine"), kNow)) ==
              PutOutcome::stored);
  assert_true(mover.take(an_import()).outcome == ImportOutcome::newer_here);
  assert_true(*mover.wallet() == a_wallet(4, "mine"));
}

void another_wallet_of_the_same_sequence_stays(void**) {
  Mover mover(redis->server());
  mover.take(an_import());
  ImportedAccount other = an_import();
  other.wallet->encrypted = "another";
  assert_true(mover.take(other).outcome == ImportOutcome::other_wallet);
  assert_true(*mover.wallet() == a_wallet(3));
}

void a_password_changed_there_since_replaces_the_one_imported(void**) {
  Mover mover(redis->server());
  mover.take(an_import());
  const Token token = issue_token(*redis, account_id());
  ImportedAccount later = an_import('b', 4);
  later.updated.seconds += 10;
  assert_true(mover.take(later).outcome == ImportOutcome::updated);
  assert_text(mover.account()->password.salt, password_hash('b').salt);
  assert_true(finish(mover.loop, mover.store.get_wallet(token, kNow))->token == TokenState::unknown);
  assert_true(*mover.wallet() == a_wallet(4));
  // An old copy of the file brings nothing back.
  assert_true(mover.take(an_import()).outcome == ImportOutcome::other_password);
  assert_text(mover.account()->password.salt, password_hash('b').salt);
}

void a_password_changed_here_stays_with_its_wallet(void**) {
  Mover mover(redis->server());
  mover.take(an_import());
  const PasswordChange change{password_hash('a'), password_hash('c'), std::string(64, '6'), a_wallet(4)};
  assert_true(
      finish(mover.loop, mover.store.change_password(account_id(), change, kLimit, kNow + 9))->outcome ==
      ChangeOutcome::changed);
  const std::string before = redis->snapshot();
  ImportedAccount later = an_import('b', 9);
  later.updated.seconds += 100;
  for (const ImportedAccount& imported : {an_import(), an_import('a', 9), later}) {
    assert_true(mover.take(imported).outcome == ImportOutcome::other_password);
  }
  assert_true(redis->snapshot() == before);
}

void an_account_made_here_stays(void**) {
  Mover mover(redis->server());
  assert_true(
      *finish(mover.loop, mover.store.create_account(account_id(), an_account('d'), std::nullopt, 1)));
  const std::string before = redis->snapshot();
  assert_true(mover.take(an_import()).outcome == ImportOutcome::other_password);
  assert_true(redis->snapshot() == before);
}

void an_account_of_another_address_stays(void**) {
  Mover mover(redis->server());
  (*redis)("HSET", kKeys.account(account_id()), "email", "somebody.else@example.com", "user-id", 1);
  assert_true(mover.take(an_import()).outcome == ImportOutcome::other_address);
}

void one_that_is_not_verified_waits_as_long_as_it_may(void**) {
  Mover mover(redis->server());
  mover.take(an_import('a', 0, false));
  assert_false(mover.account()->verified);
  assert_in_range((*redis)("TTL", kKeys.account(account_id())).integer, 490, 500);
  // It was verified there meanwhile.
  assert_true(mover.take(an_import('a', 0)).outcome == ImportOutcome::updated);
  assert_true(mover.account()->verified);
  assert_int_equal((*redis)("TTL", kKeys.account(account_id())).integer, -1);
}

void with_a_wallet_it_stays(void**) {
  Mover mover(redis->server());
  mover.take(an_import('a', 0, false));
  mover.take(an_import('a', 2, false));
  assert_int_equal((*redis)("TTL", kKeys.account(account_id())).integer, -1);
}

void the_import_of_an_account_that_signs_up_meanwhile_finds_it(void**) {
  Mover mover(redis->server());
  Worker rival(redis->server());
  mover.proxy.judge = [&, done = false](std::string_view request) mutable {
    if (!done && request.find("\r\nEXEC\r\n") != request.npos) {
      done = true;
      assert_true(*rival.run(rival.store.create_account(account_id(), an_account('d'), std::nullopt, kNow)));
    }
    return Verdict::forward;
  };
  assert_true(mover.take(an_import()).outcome == ImportOutcome::other_password);
  assert_text(mover.account()->password.salt, password_hash('d').salt);
  assert_false(mover.wallet().has_value());
}

void one_whose_answer_got_lost_is_there_once(void**) {
  Mover mover(redis->server());
  mover.proxy.judge = [done = false](std::string_view request) mutable {
    if (!done && request.find("\r\nEXEC\r\n") != request.npos) {
      done = true;
      return Verdict::cut_reply;
    }
    return Verdict::forward;
  };
  assert_true(mover.take(an_import()).outcome == ImportOutcome::created);
  assert_true(*mover.wallet() == a_wallet(3));
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
      cmocka_unit_test_setup(an_account_comes_in_with_all_it_has, flush),
      cmocka_unit_test_setup(again_it_changes_nothing, flush),
      cmocka_unit_test_setup(a_dry_run_tells_the_same_and_writes_nothing, flush),
      cmocka_unit_test_setup(a_newer_wallet_replaces_one_that_is_here, flush),
      cmocka_unit_test_setup(a_newer_wallet_here_stays, flush),
      cmocka_unit_test_setup(another_wallet_of_the_same_sequence_stays, flush),
      cmocka_unit_test_setup(a_password_changed_there_since_replaces_the_one_imported, flush),
      cmocka_unit_test_setup(a_password_changed_here_stays_with_its_wallet, flush),
      cmocka_unit_test_setup(an_account_made_here_stays, flush),
      cmocka_unit_test_setup(an_account_of_another_address_stays, flush),
      cmocka_unit_test_setup(one_that_is_not_verified_waits_as_long_as_it_may, flush),
      cmocka_unit_test_setup(with_a_wallet_it_stays, flush),
      cmocka_unit_test_setup(the_import_of_an_account_that_signs_up_meanwhile_finds_it, flush),
      cmocka_unit_test_setup(one_whose_answer_got_lost_is_there_once, flush),
  };
  return cmocka_run_group_tests_name("redis import", tests, start_redis, stop_redis);
}
