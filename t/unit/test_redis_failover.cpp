// A master that is one no more, behind an address that stays: a virtual one, or a proxy. What a worker's
// users see.
#include <algorithm>
#include <memory>
#include <vector>

#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

// Two servers with the same data. The address leads to the first.
struct Pair {
  Pair() : first(at_once()), second(at_once()), worker(first.server()) {
    second("REPLICAOF", "127.0.0.1", first.tcp_server().port);
    token = issue_token(first, account_id());
    assert_true(worker.loop.run_until([&] { return synced(); }));
    assert_true(*put(1) == PutOutcome::stored);
    assert_true(worker.loop.run_until([&] { return synced(); }));
    assert_true(
        worker.loop.run_until([&] { return worker.monitor.counted(Counter::connects) == connections(); }));
  }
  // A replica is fed as soon as it asks.
  static std::vector<std::string> at_once() { return {"--repl-diskless-sync-delay", "0"}; }
  static int connections() { return static_cast<int>(Server().links + Server().lanes); }
  bool synced() { return second.snapshot() == first.snapshot(); }
  // The address follows the master only when `moved`.
  void fail_over() {
    second("REPLICAOF", "NO", "ONE");
    first("REPLICAOF", "127.0.0.1", second.tcp_server().port);
  }
  Task<Result<PutOutcome>> begin_put(Sequence sequence) {
    return worker.store.put_wallet(token, a_wallet(sequence), kNow);
  }
  Result<PutOutcome> put(Sequence sequence) { return worker.run(begin_put(sequence)); }
  Result<WalletView> get() { return worker.run(worker.store.get_wallet(token, kNow)); }
  bool known_down() const { return worker.store.links().known_down() && worker.store.changes().known_down(); }

  RedisServer first;
  RedisServer second;
  ProxiedWorker worker;
  Token token = new_token(account_id());
};

// Each of the surviving connections would answer READONLY. One of them is enough for all; what comes then
// goes to the new master.
void a_virtual_address_that_moves_costs_each_old_connection_once(void**) {
  Pair pair;
  pair.worker.proxy.retarget(pair.second.server());
  pair.fail_over();
  Result<PutOutcome> outcome = StoreError::unavailable;
  assert_true(pair.worker.loop.run_until([&] {
    outcome = pair.put(2);
    return static_cast<bool>(outcome);
  }));
  assert_true(*outcome == PutOutcome::stored);
  assert_text(pair.second("HGET", Keyspace("wsync").wallet(account_id()), "sequence").text, "2");
  assert_true(pair.worker.loop.run_until(
      [&] { return pair.worker.monitor.counted(Counter::connects) >= 2 * Pair::connections(); }));
  for (Sequence sequence = 3; sequence < 30; ++sequence) {
    assert_true(*pair.put(sequence) == PutOutcome::stored);
    assert_int_equal(pair.get()->wallet->sequence, sequence);
  }
  assert_int_equal(pair.worker.monitor.counted(Counter::connections_lost), Pair::connections());
  assert_int_equal(pair.worker.monitor.counted(Counter::connects), 2 * Pair::connections());
  assert_in_range(pair.worker.monitor.counted(Counter::store_refused), 0, 1);  // 0: ROLE was faster
  assert_int_equal(pair.worker.monitor.counted(Counter::store_unknown), 0);
}

// Nobody writes, and a replica answers reads.
void a_demoted_master_is_not_read_from_for_longer_than_a_second(void**) {
  Pair pair;
  pair.fail_over();
  const std::int64_t begin = pair.worker.loop.now_ms();
  assert_true(pair.worker.loop.run_until([&] { return pair.known_down(); }));
  assert_in_range(pair.worker.loop.now_ms() - begin, 0, 5000);
  assert_true(pair.get().error() == StoreError::unavailable);
  assert_true(pair.put(2).error() == StoreError::unavailable);
  pair.worker.proxy.retarget(pair.second.server());
  assert_true(pair.worker.loop.run_until([&] { return !pair.known_down(); }));
  assert_int_equal(pair.get()->wallet->sequence, 1);
}

void what_was_read_from_a_demoted_master_is_not_served_after_its_error(void**) {
  Pair pair;
  pair.fail_over();
  const auto refused = pair.put(2);
  assert_true(refused.error() == StoreError::refused || refused.error() == StoreError::unavailable);
  assert_true(pair.worker.loop.run_until([&] { return pair.known_down(); }, 100));
  assert_true(pair.get().error() == StoreError::unavailable);
  assert_int_equal(pair.worker.monitor.lines_with("answers again"), 0);
}

// Its replication link is down and it may not serve stale data: reads are refused, too.
void a_replica_without_its_master_ends_the_generation_as_well(void**) {
  Pair pair;
  pair.first("CONFIG", "SET", "replica-serve-stale-data", "no");
  pair.second.kill();
  pair.first("REPLICAOF", "127.0.0.1", 1);
  assert_true(pair.worker.loop.run_until([&] {
    const auto view = pair.get();
    return !view && view.error() == StoreError::unavailable;
  }));
  assert_true(pair.known_down());
}

void writes_of_many_accounts_during_a_failover_all_end_and_none_that_was_stored_is_lost(void**) {
  Pair pair;
  constexpr std::size_t kAccounts = 100;
  std::vector<Token> tokens;
  for (std::size_t i = 0; i < kAccounts; ++i) {
    tokens.push_back(issue_token(pair.first, account_id("a" + std::to_string(i) + "@example.com")));
  }
  assert_true(pair.worker.loop.run_until([&] { return pair.synced(); }));
  pair.worker.proxy.retarget(pair.second.server());
  std::vector<Task<Result<PutOutcome>>> tasks;
  for (const Token& token : tokens) {
    tasks.push_back(pair.worker.store.put_wallet(token, a_wallet(1), kNow));
  }
  pair.worker.at_first_exec([&] {
    pair.fail_over();
    return RedisProxy::Verdict::forward;
  });
  const auto results = finish_all(pair.worker.loop, tasks);
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Reply there = pair.second("HGET", Keyspace("wsync").wallet(tokens[i].account()), "sequence");
    if (results[i]) {
      assert_true(*results[i] == PutOutcome::stored);
      assert_text(there.text, "1");
    } else {
      assert_true(results[i].error() != StoreError::internal);
      assert_true(results[i].error() == StoreError::unknown || there.is_nil());
    }
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_virtual_address_that_moves_costs_each_old_connection_once),
      cmocka_unit_test(a_demoted_master_is_not_read_from_for_longer_than_a_second),
      cmocka_unit_test(what_was_read_from_a_demoted_master_is_not_served_after_its_error),
      cmocka_unit_test(a_replica_without_its_master_ends_the_generation_as_well),
      cmocka_unit_test(writes_of_many_accounts_during_a_failover_all_end_and_none_that_was_stored_is_lost),
  };
  return cmocka_run_group_tests_name("redis: failover", tests, nullptr, nullptr);
}
