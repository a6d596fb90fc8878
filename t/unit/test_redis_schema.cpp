// The version of what Redis holds: written down by whoever comes first, and respected.
#include "redis_line.hpp"
#include "schema.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;
const Keyspace kKeys("wsync");

bool version_is_written(Line& line) {
  return line.loop.run_until([] { return (*redis)("EXISTS", kKeys.schema_version()).integer == 1; });
}

void the_first_one_writes_the_version(void**) {
  Line line(redis->server());
  assert_true(line.settle());
  assert_true(line.connection->ready());
  assert_true(version_is_written(line));
  assert_text((*redis)("GET", kKeys.schema_version()).text, std::to_string(kSchemaVersion));
  assert_int_equal((*redis)("TTL", kKeys.schema_version()).integer, -1);
}

void data_of_before_there_were_versions_are_served(void**) {
  (*redis)("HSET", kKeys.account(account_id()), "email", "satoshi@example.com");
  Line line(redis->server());
  assert_true(line.settle());
  assert_true(line.connection->ready());
  assert_true(version_is_written(line));
}

void each_prefix_has_a_version_of_its_own(void**) {
  (*redis)("SET", Keyspace("other").schema_version(), "99");
  Line line(redis->server());
  assert_true(line.settle());
  assert_true(line.connection->ready());
}

void a_version_that_is_there_is_not_written_again(void**) {
  (*redis)("SET", kKeys.schema_version(), kSchemaVersion);
  Line line(redis->server());
  assert_true(line.settle());
  const Reply stats = line.reply_to(Command("INFO", "commandstats"));
  assert_true(stats.text.find("cmdstat_set:calls=1,") != std::string::npos);  // ours, here
}

void a_newer_version_is_no_connection_and_nothing_is_written(void**) {
  for (const std::string_view version : {"2", "1000", "two", ""}) {
    (*redis)("SET", kKeys.schema_version(), version);
    const std::string before = redis->snapshot();
    Line line(redis->server());
    assert_true(line.settle());
    assert_row(!line.connection->ready(), version);
    assert_row(line.owner.reason.find("newer wallet-sync") != std::string::npos, line.owner.reason);
    assert_row(line.owner.reason.find("upgrade wallet-sync") != std::string::npos, line.owner.reason);
    assert_true(redis->snapshot() == before);
    assert_text((*redis)("GET", kKeys.schema_version()).text, version);
  }
}

void a_store_of_a_newer_version_is_unavailable_and_says_so_once(void**) {
  (*redis)("SET", kKeys.schema_version(), kSchemaVersion + 1);
  Worker worker(redis->server());
  for (int i = 0; i < 3; ++i) {
    const auto view = worker.run(worker.store.get_wallet(new_token(account_id()), kNow));
    assert_true(!view && view.error() == StoreError::unavailable);
    const auto made = worker.run(worker.store.create_account(account_id(), an_account(), std::nullopt, kNow));
    assert_true(!made && made.error() == StoreError::unavailable);
  }
  assert_int_equal(worker.monitor.lines_with("newer wallet-sync"), 1);
  assert_int_equal((*redis)("EXISTS", kKeys.account(account_id())).integer, 0);
}

void it_serves_as_soon_as_the_version_is_ours_again(void**) {
  (*redis)("SET", kKeys.schema_version(), kSchemaVersion + 1);
  Worker worker(redis->server());
  assert_true(worker.loop.run_until([&] { return worker.monitor.lines_with("newer wallet-sync") == 1; }));
  (*redis)("SET", kKeys.schema_version(), kSchemaVersion);
  assert_true(worker.run_until_ready());
}

void a_user_who_may_not_write_it_is_served_all_the_same(void**) {
  (*redis)("ACL", "SETUSER", "alice", "on", "nopass", "~*", "&*", "+@all", "-set");
  Server server = redis->server();
  server.user = "alice";
  Line line(server);
  assert_true(line.settle());
  assert_true(line.connection->ready());
  assert_text(line.reply_to(Command("PING")).text, "PONG");  // after the answer to SET
  assert_int_equal((*redis)("EXISTS", kKeys.schema_version()).integer, 0);
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
  (*redis)("CONFIG", "RESETSTAT");
  return 0;
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test_setup(the_first_one_writes_the_version, flush),
      cmocka_unit_test_setup(data_of_before_there_were_versions_are_served, flush),
      cmocka_unit_test_setup(each_prefix_has_a_version_of_its_own, flush),
      cmocka_unit_test_setup(a_version_that_is_there_is_not_written_again, flush),
      cmocka_unit_test_setup(a_newer_version_is_no_connection_and_nothing_is_written, flush),
      cmocka_unit_test_setup(a_store_of_a_newer_version_is_unavailable_and_says_so_once, flush),
      cmocka_unit_test_setup(it_serves_as_soon_as_the_version_is_ours_again, flush),
      cmocka_unit_test_setup(a_user_who_may_not_write_it_is_served_all_the_same, flush),
  };
  return cmocka_run_group_tests_name("redis schema", tests, start_redis, stop_redis);
}
