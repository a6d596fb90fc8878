// A store over a real cluster of three masters: accounts wherever they are, while their slots move, and what
// listeners hear of them.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "redis_cluster.hpp"
#include "redis_fixture.hpp"
#include "slots.hpp"
#include "subscribers.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisCluster* cluster = nullptr;
const Keyspace kKeys("wsync");

std::string address(int number) { return "c" + std::to_string(number) + "@example.com"; }
AccountId account(int number) { return account_id(address(number)); }
std::size_t slot(int number) { return slot_of_tag(account(number).view()); }

// Another one for each test, so that none finds what another one left.
int fresh() {
  static int last = 0;
  return ++last;
}
// The same, served by that node.
int fresh_at(std::size_t node) {
  int number = fresh();
  while (cluster->owner(slot(number)) != node) {
    number = fresh();
  }
  return number;
}

Token issue(int number) {
  const Token token = new_token(account(number));
  const TokenRecord record{kNow + kDay, "*", "phone"};
  cluster->owner_of(slot(number))("HSET", kKeys.tokens(account(number)), token.digest().text(),
                                  record.text());
  return token;
}

std::int64_t stored(int number) {
  return to_integer(cluster->owner_of(slot(number))("HGET", kKeys.wallet(account(number)), "sequence").text)
      .value_or(0);
}

PutOutcome put(Worker& worker, const Token& token, Sequence sequence) {
  return *worker.run(worker.store.put_wallet(token, a_wallet(sequence), kNow));
}

Task<bool> join(Subscribers& subscribers, AccountId id) { co_return co_await subscribers.join(id); }

struct Heard : Subscriber::Listener {
  void on_update(const std::string& account, Sequence sequence) override {
    lines.push_back(account + " " + std::to_string(sequence));
  }
  void on_revoked(const std::string& account, std::string_view why) override {
    lines.push_back(account + " " + std::string(why));
  }
  void on_gap() override { ++gaps; }
  void on_missed(const std::string& account) override { missed.push_back(account); }
  std::vector<std::string> lines;
  std::vector<std::string> missed;
  int gaps = 0;
};

// A worker with an ear.
struct Listening : Worker {
  using Worker::Worker;
  bool join_now(int number) { return finish(loop, join(subscribers, account(number))); }
  bool heard(int number, const std::string& what) {
    const std::string line = account(number).hex() + " " + what;
    return loop.run_until([&] { return std::count(ear.lines.begin(), ear.lines.end(), line) > 0; });
  }
  bool missed(int number) {
    return loop.run_until(
        [&] { return std::count(ear.missed.begin(), ear.missed.end(), account(number).hex()) > 0; });
  }
  Heard ear;
  Subscribers subscribers{store.topology(), store.deadlines(), store.keys(), ear};
};

void accounts_live_on_all_masters_and_the_first_request_waits_for_the_map(void**) {
  Worker worker(cluster->server());
  std::set<UserId> ids;
  std::set<std::size_t> nodes;
  constexpr int kAccounts = 30;
  for (int i = 0; i < kAccounts; ++i) {
    const int number = fresh();
    assert_true(*worker.run(worker.store.create_account(account(number), an_account(), {}, kNow)));
    assert_false(*worker.run(worker.store.create_account(account(number), an_account('b'), {}, kNow)));
    const Reply id = cluster->owner_of(slot(number))("HGET", kKeys.account(account(number)), "user-id");
    ids.insert(*to_integer(id.text));
    nodes.insert(cluster->owner(slot(number)));
    const Token token = new_token(account(number));
    const auto saved = worker.run(worker.store.save_token(
        account(number), {password_hash('a'), ""}, {token.digest().text(), "phone", kNow + kDay}, {}, kNow));
    assert_true(saved->outcome == LoginOutcome::saved);
    assert_true(put(worker, token, 1) == PutOutcome::stored);
    assert_true(put(worker, token, 1) == PutOutcome::conflict);
    assert_int_equal(worker.run(worker.store.get_wallet(token, kNow))->wallet->sequence, 1);
    assert_int_equal(worker.run(worker.store.count_failed_login(account(number), 60))->count, 1);
  }
  assert_int_equal(ids.size(), kAccounts);
  assert_int_equal(nodes.size(), 3);
  assert_int_equal(worker.monitor.failures(), 0);
}

// The second id of a slot is another one, and JSON's readers can tell all from each other.
void ids_of_one_slot_differ(void**) {
  Worker worker(cluster->server());
  const int first = fresh();
  int second = fresh();
  while (slot(second) != slot(first)) {
    second = fresh();
  }
  std::set<std::int64_t> ids;
  for (const int number : {first, second}) {
    assert_true(*worker.run(worker.store.create_account(account(number), an_account(), {}, kNow)));
    const Reply id = cluster->owner_of(slot(number))("HGET", kKeys.account(account(number)), "user-id");
    ids.insert(*to_integer(id.text));
  }
  assert_int_equal(ids.size(), 2);
  assert_true(*ids.begin() >= (std::int64_t{1} << 40) && *ids.rbegin() < (std::int64_t{1} << 53));
}

// Whoever broke the counter: no id that JSON's readers take for another one, nor a number that wraps around.
void a_counter_that_makes_no_sense_gives_no_id(void**) {
  Worker worker(cluster->server());
  for (const char* last : {"9223372036854775807", "549755813888", "-1", "a"}) {
    const int number = fresh();
    const std::string ids = kKeys.user_ids(slot(number));
    cluster->owner_of(slot(number))("HSET", ids, "last", last);
    const auto created = worker.run(worker.store.create_account(account(number), an_account(), {}, kNow));
    assert_true(!created && created.error() == StoreError::internal);
    assert_int_equal(cluster->owner_of(slot(number))("EXISTS", kKeys.account(account(number))).integer, 0);
    cluster->owner_of(slot(number))("DEL", ids);
  }
}

void standings_come_from_all_masters_in_order(void**) {
  Worker worker(cluster->server());
  std::vector<AccountId> accounts;
  for (int i = 1; i <= 12; ++i) {
    const int number = fresh();
    const Token token = issue(number);
    for (Sequence sequence = 1; sequence <= static_cast<Sequence>(i % 4); ++sequence) {
      assert_true(put(worker, token, sequence) == PutOutcome::stored);
    }
    accounts.push_back(account(number));
  }
  const auto standings = worker.run(worker.store.read_standings(accounts));
  for (std::size_t i = 0; i < accounts.size(); ++i) {
    assert_true(bool(standings[i]));
    assert_int_equal(standings[i]->sequence, (i + 1) % 4);
  }
}

// The store's map is of before.
void a_slot_that_has_moved_is_followed(void**) {
  Worker worker(cluster->server());
  const int number = fresh_at(0);
  const Token token = issue(number);
  assert_true(put(worker, token, 1) == PutOutcome::stored);
  cluster->move(slot(number), 1);
  assert_true(put(worker, token, 2) == PutOutcome::stored);
  cluster->move(slot(number), 2);
  assert_int_equal(worker.run(worker.store.get_wallet(token, kNow))->wallet->sequence, 2);
  cluster->move(slot(number), 0);
  assert_int_equal(worker.run(worker.store.count_failed_login(account(number), 60))->count, 1);
  cluster->move(slot(number), 1);
  const auto standings = worker.run(worker.store.read_standings({account(number)}));
  assert_int_equal(standings.front()->sequence, 2);
  assert_int_equal(stored(number), 2);
  assert_int_equal(worker.monitor.failures(), 0);
  assert_int_equal(worker.monitor.lines_with("refuses"), 0);
}

// Every mixture of keys that are here, there, or nowhere yet.
void while_a_slot_moves_reads_find_what_is_where(void**) {
  for (unsigned moved = 0; moved < 4; ++moved) {
    Worker worker(cluster->server());
    const int number = fresh_at(0);
    const Token token = issue(number);
    assert_true(put(worker, token, 1) == PutOutcome::stored);
    cluster->begin_move(slot(number), 1);
    if ((moved & 1U) != 0) {
      cluster->move_key(kKeys.wallet(account(number)).text(), slot(number), 1);
    }
    if ((moved & 2U) != 0) {
      cluster->move_key(kKeys.tokens(account(number)).text(), slot(number), 1);
    }
    const auto view = worker.run(worker.store.get_wallet(token, kNow));
    assert_true(view->token == TokenState::valid);
    assert_int_equal(view->wallet->sequence, 1);
    assert_true(*worker.run(worker.store.read_token(new_token(account(number)), kNow)) ==
                TokenState::unknown);
    assert_int_equal(worker.run(worker.store.read_standings({account(number)})).front()->sequence, 1);
    assert_int_equal(worker.run(worker.store.count_failed_login(account(number), 60))->count, 1);
    assert_int_equal(worker.run(worker.store.count_failed_login(account(number), 60))->count, 2);
    cluster->finish_move(slot(number), 1);
    assert_int_equal(worker.run(worker.store.count_failed_login(account(number), 60))->count, 3);
    assert_int_equal(worker.monitor.failures(), 0);
  }
}

void a_change_waits_until_its_slot_has_moved_and_happens_once(void**) {
  for (unsigned moved = 0; moved < 4; ++moved) {
    Worker worker(cluster->server());
    const int number = fresh_at(0);
    const Token token = issue(number);
    assert_true(put(worker, token, 1) == PutOutcome::stored);
    cluster->begin_move(slot(number), 1);
    for (const unsigned which : {1U, 2U}) {
      if ((moved & which) != 0) {
        cluster->move_key(
            which == 1 ? kKeys.wallet(account(number)).text() : kKeys.tokens(account(number)).text(),
            slot(number), 1);
      }
    }
    std::vector<Task<Result<PutOutcome>>> tasks;
    tasks.push_back(worker.store.put_wallet(token, a_wallet(2), kNow));
    tasks.push_back(worker.store.put_wallet(token, a_wallet(2, "another"), kNow));
    tasks.front().start();
    tasks.back().start();
    const std::int64_t begin = worker.loop.now_ms();
    worker.loop.run_until([&] { return worker.loop.now_ms() - begin >= 200; });
    // Redis 7 takes the channel that EXEC publishes to for a key that has gone. From 8 on it does not: where
    // all keys are still there, nobody has to wait.
    assert_true(moved == 0 || !(tasks.front().done() || tasks.back().done()));
    cluster->finish_move(slot(number), 1);
    assert_true(worker.loop.run_until([&] { return tasks.front().done() && tasks.back().done(); }));
    const std::set<PutOutcome> outcomes = {*tasks.front().take(), *tasks.back().take()};
    assert_true(outcomes == std::set<PutOutcome>({PutOutcome::stored, PutOutcome::conflict}));
    assert_int_equal(stored(number), 2);
  }
}

void a_change_of_a_slot_that_does_not_arrive_is_given_up_and_nothing_is_written(void**) {
  Server server = cluster->server();
  server.command_timeout_ms = 300;
  Worker worker(server);
  const int number = fresh_at(0);
  const Token token = issue(number);
  assert_true(put(worker, token, 1) == PutOutcome::stored);
  cluster->begin_move(slot(number), 1);
  cluster->move_key(kKeys.tokens(account(number)).text(), slot(number), 1);
  const auto result = worker.run(worker.store.put_wallet(token, a_wallet(2), kNow));
  assert_true(result.error() == StoreError::unavailable);
  // A signup finds nothing at all there.
  int other = fresh();
  while (slot(other) != slot(number)) {
    other = fresh();
  }
  assert_true(worker.run(worker.store.create_account(account(other), an_account(), {}, kNow)).error() ==
              StoreError::unavailable);
  cluster->finish_move(slot(number), 1);
  assert_int_equal(stored(number), 1);
  assert_true(put(worker, token, 2) == PutOutcome::stored);
  assert_true(*worker.run(worker.store.create_account(account(other), an_account(), {}, kNow)));
}

// Under writes, back and forth.
void nothing_is_lost_or_done_twice_while_slots_move(void**) {
  Worker worker(cluster->server());
  constexpr int kAccounts = 8;
  std::vector<int> numbers;
  std::vector<Token> tokens;
  for (int i = 0; i < kAccounts; ++i) {
    numbers.push_back(fresh_at(0));
    tokens.push_back(issue(numbers.back()));
  }
  Sequence sequence = 0;
  for (int round = 0; round < 4; ++round) {
    for (std::size_t to : {1U, 2U, 0U}) {
      ++sequence;
      std::vector<Task<Result<PutOutcome>>> tasks;
      for (const Token& token : tokens) {
        tasks.push_back(worker.store.put_wallet(token, a_wallet(sequence), kNow));
        tasks.back().start();
      }
      for (const int number : numbers) {
        cluster->begin_move(slot(number), to);
        worker.loop.turn(1);
        cluster->move_key(kKeys.tokens(account(number)).text(), slot(number), to);
        worker.loop.turn(1);
        cluster->finish_move(slot(number), to);
        worker.loop.turn(1);
      }
      for (auto& task : tasks) {
        assert_true(worker.loop.run_until([&] { return task.done(); }));
        assert_true(*task.take() == PutOutcome::stored);
      }
    }
  }
  for (const int number : numbers) {
    assert_int_equal(stored(number), sequence);
  }
}

void a_node_that_is_new_gets_slots(void**) {
  RedisCluster growing(2, 1);
  Worker worker(growing.server());
  const int number = fresh();
  const Token token = new_token(account(number));
  const TokenRecord record{kNow + kDay, "*", "phone"};
  growing.owner_of(slot(number))("HSET", kKeys.tokens(account(number)), token.digest().text(), record.text());
  assert_true(put(worker, token, 1) == PutOutcome::stored);
  assert_int_equal(worker.store.topology().shards(), 2);
  growing.move(slot(number), 2);
  assert_true(put(worker, token, 2) == PutOutcome::stored);
  assert_int_equal(worker.store.topology().shards(), 3);
  assert_int_equal(growing.owner(slot(number)), 2);
}

void events_are_heard_from_all_masters(void**) {
  Listening worker(cluster->server());
  std::vector<int> numbers;
  for (std::size_t node = 0; node < 3; ++node) {
    numbers.push_back(fresh_at(node));
  }
  for (const int number : numbers) {
    assert_true(worker.join_now(number));
    assert_true(put(worker, issue(number), 1) == PutOutcome::stored);
    assert_true(worker.heard(number, "1"));
  }
  assert_int_equal(worker.ear.lines.size(), numbers.size());
  for (const int number : numbers) {
    worker.subscribers.leave(account(number));
    assert_true(worker.loop.run_until([&] {
      return cluster->owner_of(slot(number))("PUBSUB", "SHARDNUMSUB", kKeys.events(account(number)))
                 .elements[1]
                 .integer == 0;
    }));
  }
}

void channels_move_with_their_slots_and_what_may_be_missed_is_told(void**) {
  Listening worker(cluster->server());
  const int number = fresh_at(0);
  const Token token = issue(number);
  assert_true(worker.join_now(number));
  Sequence sequence = 0;
  for (const std::size_t to : {1U, 2U, 0U, 1U}) {
    cluster->move(slot(number), to);
    assert_true(worker.missed(number));
    worker.ear.missed.clear();
    assert_true(put(worker, token, ++sequence) == PutOutcome::stored);
    assert_true(worker.heard(number, std::to_string(sequence)));
  }
  assert_int_equal(worker.ear.lines.size(), 4);
  assert_int_equal(worker.ear.gaps, 0);
}

// A redirection has told of it first, and the next map tells nothing new: who has connections to the shards
// has to hear of it all the same, for the former node may not be there any more to tell by itself.
void a_slot_that_a_redirection_told_of_has_moved_for_everybody(void**) {
  struct Observer : Topology::Observer {
    void on_slots_moved() override { ++moves; }
    bool leaves(Shard&) override { return true; }
    int moves = 0;
  };
  Worker worker(cluster->server());
  const int number = fresh_at(0);
  assert_true(bool(worker.run(worker.store.read_token(new_token(account(number)), kNow))));  // there is a map
  Observer observer;
  Topology& topology = worker.store.topology();
  topology.observe(&observer);
  cluster->move(slot(number), 1);
  const Server there = cluster->node(1).tcp_server();
  Redirection moved{Redirection::Kind::moved, slot(number), {there.host, there.port, {}}};
  assert_true(topology.moved(moved, topology.of(account(number))));
  assert_true(worker.loop.run_until([&] { return observer.moves > 0; }));
  topology.observe(nullptr);
}

void who_joins_while_the_map_is_old_is_confirmed(void**) {
  Listening worker(cluster->server());
  const int number = fresh_at(0);
  assert_true(worker.join_now(fresh_at(0)));  // the map is there
  cluster->move(slot(number), 1);
  assert_true(worker.join_now(number));
  assert_true(put(worker, issue(number), 1) == PutOutcome::stored);
  assert_true(worker.heard(number, "1"));
}

void a_lost_connection_is_a_gap_for_its_accounts_alone(void**) {
  Listening worker(cluster->server());
  const int here = fresh_at(0);
  const int there = fresh_at(1);
  assert_true(worker.join_now(here));
  assert_true(worker.join_now(there));
  cluster->node(0)("CLIENT", "KILL", "TYPE", "pubsub");
  assert_true(worker.missed(here));
  assert_true(put(worker, issue(here), 1) == PutOutcome::stored);
  assert_true(worker.heard(here, "1"));
  assert_int_equal(worker.ear.missed.size(), 1);
}

// The others' accounts are served; a cluster without replicas has no successor.
void a_dead_master_concerns_its_own_slots_only(void**) {
  RedisCluster mortal;
  Server server = mortal.server();
  Worker worker(server);
  std::vector<int> numbers;
  for (std::size_t node = 0; node < 3; ++node) {
    int number = fresh();
    while (mortal.owner(slot(number)) != node) {
      number = fresh();
    }
    numbers.push_back(number);
    assert_true(*worker.run(worker.store.create_account(account(number), an_account(), {}, kNow)));
  }
  mortal.node(1).kill();
  assert_true(worker.loop.run_until(
      [&] { return !worker.run(worker.store.count_failed_login(account(numbers[1]), 60)); }));
  for (const std::size_t alive : {0U, 2U}) {
    const auto counted = worker.run(worker.store.count_failed_login(account(numbers[alive]), 60));
    assert_true(bool(counted));
  }
  mortal.node(1).restart();
  assert_true(worker.loop.run_until([&] {
    return bool(worker.run(worker.store.create_account(account(fresh()), an_account(), {}, kNow))) &&
           bool(worker.run(worker.store.count_failed_login(account(numbers[1]), 60)));
  }));
}

void seeds_that_are_no_cluster_are_named_and_nobody_waits(void**) {
  RedisServer alone;
  Server server = alone.tcp_server();
  server.cluster.push_back({server.host, server.port, {}});
  server.host.clear();
  Worker worker(server);
  const auto result = worker.run(worker.store.read_token(new_token(account(1)), kNow));
  assert_true(result.error() == StoreError::unavailable);
  assert_int_equal(worker.monitor.lines_with("it is not a node of a Redis Cluster; write"), 1);
}

int start_cluster(void**) {
  cluster = new RedisCluster;
  return 0;
}
int stop_cluster(void**) {
  delete cluster;
  return 0;
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(accounts_live_on_all_masters_and_the_first_request_waits_for_the_map),
      cmocka_unit_test(ids_of_one_slot_differ),
      cmocka_unit_test(a_counter_that_makes_no_sense_gives_no_id),
      cmocka_unit_test(standings_come_from_all_masters_in_order),
      cmocka_unit_test(a_slot_that_has_moved_is_followed),
      cmocka_unit_test(while_a_slot_moves_reads_find_what_is_where),
      cmocka_unit_test(a_change_waits_until_its_slot_has_moved_and_happens_once),
      cmocka_unit_test(a_change_of_a_slot_that_does_not_arrive_is_given_up_and_nothing_is_written),
      cmocka_unit_test(nothing_is_lost_or_done_twice_while_slots_move),
      cmocka_unit_test(a_node_that_is_new_gets_slots),
      cmocka_unit_test(events_are_heard_from_all_masters),
      cmocka_unit_test(channels_move_with_their_slots_and_what_may_be_missed_is_told),
      cmocka_unit_test(a_slot_that_a_redirection_told_of_has_moved_for_everybody),
      cmocka_unit_test(who_joins_while_the_map_is_old_is_confirmed),
      cmocka_unit_test(a_lost_connection_is_a_gap_for_its_accounts_alone),
      cmocka_unit_test(a_dead_master_concerns_its_own_slots_only),
      cmocka_unit_test(seeds_that_are_no_cluster_are_named_and_nobody_waits),
  };
  return cmocka_run_group_tests_name("redis cluster", tests, start_cluster, stop_cluster);
}
