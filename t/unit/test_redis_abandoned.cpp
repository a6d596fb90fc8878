// A coroutine may be destroyed wherever it waits: nothing leaks, nobody else notices. The sanitizers' build
// is where these tests bite hardest.
#include <functional>
#include <optional>

#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;
const Keyspace kKeys("wsync");
constexpr LoginLimit kLimit{3, 900};

// Lets the operation go on for more and more turns before it is dropped, until it comes to its end by itself.
// It is dropped between the events of a turn and what they posted, or after the latter.
template <typename T>
void abandon_everywhere(std::function<Task<Result<T>>(RedisStore&)> operation) {
  for (const bool before_its_turn : {false, true}) {
    bool finished = false;
    for (int turns = 0; !finished; ++turns) {
      assert_in_range(turns, 0, 200);
      (*redis)("FLUSHALL");
      LibeventLoop loop;
      {
        TestMonitor monitor;
        RedisStore store(loop, redis->server(), monitor);
        // Once with all connections to be made yet, and once with all of them there.
        for (const bool warm : {false, true}) {
          std::optional<Task<Result<T>>> task = operation(store);
          task->start();
          int turned = 0;
          if (before_its_turn) {
            loop.before_posted = [&] {
              if (++turned > turns && task) {
                finished = warm && task->done();
                task.reset();
              }
            };
          }
          for (int i = 0; i <= turns; ++i) {
            loop.turn(1);
          }
          if (task) {
            finished = warm && task->done();
            task.reset();
          }
          loop.before_posted = nullptr;
          assert_int_equal(store.changes().waiting(), 0);
          // The store is as good as new.
          const Token token = issue_token(*redis, account_id("next@example.com"));
          (*redis)("DEL", kKeys.wallet(account_id("next@example.com")));
          const auto next = finish(loop, store.put_wallet(token, a_wallet(1), kNow));
          assert_true(next && *next == PutOutcome::stored);
        }
        assert_int_equal(monitor.failures(), 0);
      }
      loop.turn(0);
      assert_int_equal(loop.sockets(), 0);
    }
  }
}

Token held_token() {
  static const Token kToken = new_token(account_id());
  return kToken;
}

void a_wallet_write_may_be_abandoned_anywhere(void**) {
  abandon_everywhere<PutOutcome>([](RedisStore& store) {
    const TokenRecord record{kNow + kDay, "*", "phone"};
    (*redis)("HSET", kKeys.tokens(account_id()), held_token().digest().text(), record.text());
    (*redis)("DEL", kKeys.wallet(account_id()));
    return store.put_wallet(held_token(), a_wallet(1), kNow);
  });
}

void a_wallet_read_may_be_abandoned_anywhere(void**) {
  abandon_everywhere<WalletView>([](RedisStore& store) { return store.get_wallet(held_token(), kNow); });
}

void a_signup_may_be_abandoned_anywhere(void**) {
  abandon_everywhere<bool>([](RedisStore& store) {
    (*redis)("DEL", kKeys.account(account_id()));
    return store.create_account(account_id(), an_account(), Verification{"digest", kNow + kDay}, kNow);
  });
}

void a_refused_signup_may_be_abandoned_anywhere(void**) {
  abandon_everywhere<bool>([](RedisStore& store) {
    (*redis)("HSET", kKeys.account(account_id()), "email", "taken");
    return store.create_account(account_id(), an_account(), std::nullopt, kNow);
  });
}

void a_password_change_may_be_abandoned_anywhere(void**) {
  abandon_everywhere<ChangeResult>([](RedisStore& store) {
    (*redis)("HSET", kKeys.account(account_id()), "password-key", password_hash('a').key, "password-salt",
             password_hash('a').salt, "verified", "1");
    return store.change_password(account_id(), {password_hash('a'), password_hash('b'), "seed", std::nullopt},
                                 kLimit, kNow);
  });
}

void a_failure_count_may_be_abandoned_anywhere(void**) {
  abandon_everywhere<FailedLogins>(
      [](RedisStore& store) { return store.count_failed_login(account_id(), 900); });
}

// Some wait in the queue, some for the answer to EXEC, when all are dropped at once.
void a_crowd_in_front_of_one_lane_may_be_abandoned(void**) {
  for (int turns = 0; turns < 25; ++turns) {
    LibeventLoop loop;
    TestMonitor monitor;
    Server server = redis->server();
    server.lanes = 1;
    RedisStore store(loop, server, monitor);
    const Token token = issue_token(*redis, account_id());
    {
      std::vector<Task<Result<PutOutcome>>> crowd;
      for (int i = 0; i < 12; ++i) {
        crowd.push_back(store.put_wallet(token, a_wallet(1), kNow));
        crowd.back().start();
      }
      for (int i = 0; i < turns; ++i) {
        loop.turn(1);
      }
      while (!crowd.empty()) {  // the oldest first: what it frees is handed to one that goes next
        crowd.erase(crowd.begin());
      }
    }
    assert_int_equal(store.changes().waiting(), 0);
    const auto next = finish(loop, store.get_wallet(token, kNow));
    assert_true(next && next->token == TokenState::valid);
  }
}

void a_store_may_be_destroyed_as_soon_as_its_coroutines_are(void**) {
  for (int turns = 0; turns < 15; ++turns) {
    LibeventLoop loop;
    TestMonitor monitor;
    {
      RedisStore store(loop, redis->server(), monitor);
      auto task = store.put_wallet(held_token(), a_wallet(1), kNow);
      task.start();
      for (int i = 0; i < turns; ++i) {
        loop.turn(1);
      }
    }
    loop.turn(0);
    assert_int_equal(loop.sockets(), 0);
  }
}

// The connections break under coroutines that are dropped in the same turn.
void a_loss_and_an_abandoned_coroutine_do_not_get_in_each_others_way(void**) {
  for (int turns = 0; turns < 12; ++turns) {
    RedisServer mortal;
    LibeventLoop loop;
    TestMonitor monitor;
    RedisStore store(loop, mortal.server(), monitor);
    std::vector<std::optional<Task<Result<PutOutcome>>>> crowd;
    for (int i = 0; i < 6; ++i) {
      crowd.emplace_back(store.put_wallet(held_token(), a_wallet(1), kNow));
      crowd.back()->start();
    }
    for (int i = 0; i < turns; ++i) {
      loop.turn(1);
    }
    mortal.kill();
    bool dropped = false;
    loop.before_posted = [&] {
      if (!dropped) {
        dropped = true;
        crowd[0].reset();
        crowd[3].reset();
        crowd[5].reset();
      }
    };
    assert_true(
        loop.run_until([&] { return dropped && crowd[1]->done() && crowd[2]->done() && crowd[4]->done(); }));
    loop.before_posted = nullptr;
    assert_int_equal(store.changes().waiting(), 0);
  }
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
      cmocka_unit_test_setup(a_wallet_write_may_be_abandoned_anywhere, flush),
      cmocka_unit_test_setup(a_wallet_read_may_be_abandoned_anywhere, flush),
      cmocka_unit_test_setup(a_signup_may_be_abandoned_anywhere, flush),
      cmocka_unit_test_setup(a_refused_signup_may_be_abandoned_anywhere, flush),
      cmocka_unit_test_setup(a_password_change_may_be_abandoned_anywhere, flush),
      cmocka_unit_test_setup(a_failure_count_may_be_abandoned_anywhere, flush),
      cmocka_unit_test_setup(a_crowd_in_front_of_one_lane_may_be_abandoned, flush),
      cmocka_unit_test_setup(a_store_may_be_destroyed_as_soon_as_its_coroutines_are, flush),
      cmocka_unit_test_setup(a_loss_and_an_abandoned_coroutine_do_not_get_in_each_others_way, flush),
  };
  return cmocka_run_group_tests_name("redis: abandoned coroutines", tests, start_redis, stop_redis);
}
