// Which slot a key is in: the vectors of the Redis Cluster specification, and tags.
#include <array>
#include <set>
#include <string>
#include <utility>

#include "keyspace.hpp"
#include "slots.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

void the_crc_is_that_of_the_specification(void**) {
  assert_int_equal(slot_of("123456789"), 0x31c3 % 16384);  // XMODEM's check value
  assert_int_equal(slot_of(""), 0);
}

// As redis-server answers CLUSTER KEYSLOT.
void keys_are_where_redis_puts_them(void**) {
  for (const auto& [key, slot] : std::array<std::pair<const char*, std::size_t>, 9>{{
           {"a", 15495},
           {"b", 3300},
           {"c", 7365},
           {"d", 11298},
           {"e", 15363},
           {"foo", 12182},
           {"hello", 866},
           {"somekey", 11058},
           {"foo{hash_tag}", 2515},
       }}) {
    assert_row(slot_of(key) == slot, key);
  }
}

void only_what_is_in_the_first_braces_counts(void**) {
  assert_int_equal(slot_of("{user1000}.following"), slot_of("{user1000}.followers"));
  assert_int_equal(slot_of("{user1000}.following"), slot_of_tag("user1000"));
  assert_int_equal(slot_of("foo{}{bar}"), slot_of_tag("foo{}{bar}"));
  assert_int_equal(slot_of("foo{{bar}}zap"), slot_of_tag("{bar"));
  assert_int_equal(slot_of("foo{bar}{zap}"), slot_of_tag("bar"));
  assert_int_equal(slot_of("foo{bar"), slot_of_tag("foo{bar"));
  assert_int_equal(slot_of("foo}bar{"), slot_of_tag("foo}bar{"));
}

void every_slot_has_a_tag(void**) {
  std::set<std::string> tags;
  for (std::size_t slot = 0; slot < kSlots; slot += 97) {
    const std::string tag = tag_of_slot(slot);
    assert_int_equal(slot_of_tag(tag), slot);
    tags.insert(tag);
  }
  assert_int_equal(tags.size(), (kSlots + 96) / 97);
}

void everything_of_an_account_is_in_one_slot(void**) {
  const Keyspace keys("wsync");
  const AccountId id = AccountId::of(*Email::parse("satoshi@example.com"));
  const std::size_t slot = slot_of_tag(id.view());
  for (const std::string& key : {keys.account(id).text(), keys.wallet(id).text(), keys.tokens(id).text(),
                                 keys.failures(id).text(), keys.events(id).text(), keys.user_ids(slot)}) {
    assert_row(slot_of(key) == slot, key);
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_crc_is_that_of_the_specification),
      cmocka_unit_test(keys_are_where_redis_puts_them),
      cmocka_unit_test(only_what_is_in_the_first_braces_counts),
      cmocka_unit_test(every_slot_has_a_tag),
      cmocka_unit_test(everything_of_an_account_is_in_one_slot),
  };
  return cmocka_run_group_tests_name("slots", tests, nullptr, nullptr);
}
