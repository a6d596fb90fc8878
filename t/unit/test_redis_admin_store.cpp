// What an operator's tools do with a store: finding all of it, and changes that need no password.
#include <set>

#include "admin_store.hpp"
#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;
const Keyspace kKeys("wsync");

// As Worker, with an operator's store.
struct Admin {
  explicit Admin(Server server) : store(loop, std::move(server), monitor) {}
  template <typename T>
  T run(Task<T> task) {
    return finish(loop, std::move(task));
  }
  std::set<std::string> accounts() {
    std::set<std::string> found;
    std::string cursor = "0";
    do {
      const ScanPage page = *run(store.scan(0, cursor));
      for (const std::string& key : page.keys) {
        if (const auto owner = store.keys().owner_of(key)) {
          found.insert(owner->account.hex() + std::string(owner->part));
        }
      }
      cursor = page.next;
    } while (cursor != "0");
    return found;
  }
  StoredAccount read(bool with_wallet = false) {
    return (*run(store.read_accounts({account_id()}, with_wallet))).front();
  }

  LibeventLoop loop;
  TestMonitor monitor;
  AdminStore store;
};

Token furnish(Admin& admin, bool verified = true) {
  const std::optional<Verification> pending =
      verified ? std::nullopt : std::make_optional(Verification{std::string(64, 'f'), kNow + kDay, 500});
  assert_true(*admin.run(admin.store.create_account(account_id(), an_account('a', verified), pending, kNow)));
  const Token token = issue_token(*redis, account_id());
  assert_true(*admin.run(admin.store.put_wallet(token, a_wallet(1, "twelve bytes"), kNow)) ==
              PutOutcome::stored);
  return token;
}

void every_key_of_the_prefix_is_found_and_no_other(void**) {
  Server server = redis->server();
  server.key_prefix = "w*[s]?";  // a pattern, if it were taken for one
  const Keyspace keys(server.key_prefix);
  std::set<std::string> expected;
  for (int i = 0; i < 1500; ++i) {
    const AccountId id = account_id("user" + std::to_string(i) + "@example.com");
    (*redis)("HSET", keys.account(id), "email", "x");
    expected.insert(id.hex());
  }
  (*redis)("HSET", keys.tokens(account_id()), "x", "y");
  expected.insert(account_id().hex() + ":tokens");
  (*redis)("HSET", kKeys.account(account_id("stranger@example.com")), "email", "x");
  (*redis)("SET", "wXs?:{" + account_id().hex() + "}", "x");
  Admin admin(server);  // not before: it has to turn its loop to connect
  assert_true(admin.accounts() == expected);
}

void an_account_is_read_as_it_is(void**) {
  Admin admin(redis->server());
  furnish(admin);
  assert_true(static_cast<bool>(admin.run(admin.store.count_failed_login(account_id(), 900))));
  const StoredAccount account = admin.read();
  assert_text(account.field("email"), "Satoshi@example.com");
  assert_true(account.verified());
  assert_int_equal(account.ttl, -1);
  assert_text(account.wallet.at("sequence"), "1");
  assert_int_equal(account.wallet_bytes, 12);
  assert_false(account.wallet.contains("wallet"));
  assert_int_equal(account.tokens.size(), 1);
  assert_int_equal(account.failed.count, 1);
  assert_true(account.wrong_types.empty());
  assert_text(admin.read(true).wallet.at("wallet"), "twelve bytes");
}

void one_that_is_not_there_is_empty_and_wrong_types_are_told(void**) {
  Admin admin(redis->server());
  assert_true(admin.read().account.empty());
  (*redis)("SET", kKeys.account(account_id()), "no hash");
  (*redis)("SET", kKeys.wallet(account_id()), "no hash");
  const StoredAccount account = admin.read(true);
  assert_int_equal(account.wrong_types.size(), 2);
  assert_text(account.wrong_types[0], "account");
}

void verifying_by_hand_makes_it_stay(void**) {
  Admin admin(redis->server());
  const Verification pending{std::string(64, 'f'), kNow + kDay, 500};
  assert_true(*admin.run(admin.store.create_account(account_id(), an_account('a', false), pending, kNow)));
  assert_true(admin.read().ttl > 0);
  assert_true(*admin.run(admin.store.verify_by_hand(an_email("SATOSHI@example.com"), kNow)));
  assert_true(admin.read().verified());
  assert_int_equal(admin.read().ttl, -1);
  assert_text(admin.read().field("verify-token"), "");
  assert_true(*admin.run(admin.store.verify_by_hand(an_email(), kNow)));  // again
  assert_false(*admin.run(admin.store.verify_by_hand(an_email("nobody@example.com"), kNow)));
}

void revoked_tokens_are_of_no_use_and_the_rest_stays(void**) {
  Admin admin(redis->server());
  const Token token = furnish(admin);
  const auto before = admin.run(admin.store.read_standing(token, kNow));
  assert_true(*admin.run(admin.store.revoke_tokens(an_email(), kNow)));
  assert_true(admin.run(admin.store.get_wallet(token, kNow))->token == TokenState::unknown);
  const StoredAccount account = admin.read();
  assert_true(account.tokens.empty());
  assert_text(account.wallet.at("sequence"), "1");
  assert_text(account.field("password-salt"), an_account().password.salt);
  // A worker that did not hear of it sees it when it looks.
  const auto after = admin.run(admin.store.read_standings({account_id()}));
  assert_true(after.front()->password != before->password);
  assert_false(*admin.run(admin.store.revoke_tokens(an_email("nobody@example.com"), kNow)));
}

void deleting_by_hand_leaves_nothing(void**) {
  Admin admin(redis->server());
  furnish(admin);
  assert_true(*admin.run(admin.store.delete_by_hand(an_email())));
  assert_true(admin.accounts().empty());
  assert_false(*admin.run(admin.store.delete_by_hand(an_email())));
}

void an_account_of_another_address_is_left_alone(void**) {
  Admin admin(redis->server());
  (*redis)("HSET", kKeys.account(account_id()), "email", "somebody.else@example.com", "verified", "0");
  const std::string before = redis->snapshot();
  assert_false(*admin.run(admin.store.delete_by_hand(an_email())));
  assert_false(*admin.run(admin.store.verify_by_hand(an_email(), kNow)));
  assert_false(*admin.run(admin.store.revoke_tokens(an_email(), kNow)));
  assert_true(redis->snapshot() == before);
}

void the_whitelist_grows_and_shrinks(void**) {
  Admin admin(redis->server());
  assert_true(*admin.run(admin.store.add_to_whitelist(an_email("Ann@Example.com"), kNow)));
  assert_false(*admin.run(admin.store.add_to_whitelist(an_email("ann@example.com"), kNow + 5)));
  assert_true(*admin.run(admin.store.is_whitelisted(an_email("ANN@example.com"))));
  const auto list = *admin.run(admin.store.read_whitelist());
  assert_int_equal(list.size(), 1);
  assert_text(list[0].first, "ann@example.com");
  assert_text(list[0].second, std::to_string(kNow));
  assert_int_equal(admin.run(admin.store.read_numbers())->whitelisted, 1);
  assert_true(*admin.run(admin.store.remove_from_whitelist(an_email("Ann@Example.com"))));
  assert_false(*admin.run(admin.store.remove_from_whitelist(an_email("Ann@Example.com"))));
}

void user_ids_are_reserved_and_never_taken_back(void**) {
  Admin admin(redis->server());
  assert_true(*admin.run(admin.store.reserve_user_ids(100)));
  assert_int_equal(*admin.run(admin.store.draw_user_id()), 101);
  assert_true(*admin.run(admin.store.reserve_user_ids(50)));
  assert_int_equal(*admin.run(admin.store.draw_user_id()), 102);
  assert_int_equal(admin.run(admin.store.read_numbers())->last_user_id, 102);
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
      cmocka_unit_test_setup(every_key_of_the_prefix_is_found_and_no_other, flush),
      cmocka_unit_test_setup(an_account_is_read_as_it_is, flush),
      cmocka_unit_test_setup(one_that_is_not_there_is_empty_and_wrong_types_are_told, flush),
      cmocka_unit_test_setup(verifying_by_hand_makes_it_stay, flush),
      cmocka_unit_test_setup(revoked_tokens_are_of_no_use_and_the_rest_stays, flush),
      cmocka_unit_test_setup(deleting_by_hand_leaves_nothing, flush),
      cmocka_unit_test_setup(an_account_of_another_address_is_left_alone, flush),
      cmocka_unit_test_setup(the_whitelist_grows_and_shrinks, flush),
      cmocka_unit_test_setup(user_ids_are_reserved_and_never_taken_back, flush),
  };
  return cmocka_run_group_tests_name("redis admin store", tests, start_redis, stop_redis);
}
