// What a change would read after others of its account have been written, told from what was read before.
// The replies are compared with those of a real Redis in test_redis_overlay.
#include <string>
#include <utility>
#include <vector>

#include "overlay.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

Reply nil() { return {}; }

Reply text(std::string_view value) {
  Reply reply;
  reply.type = Reply::Type::text;
  reply.text = value;
  return reply;
}

Reply number(std::int64_t value) {
  Reply reply;
  reply.type = Reply::Type::integer;
  reply.integer = value;
  return reply;
}

Reply array(std::vector<Reply> elements) {
  Reply reply;
  reply.type = Reply::Type::array;
  reply.elements = std::move(elements);
  return reply;
}

std::string shown(const Reply& reply) {
  if (reply.type == Reply::Type::array) {
    std::string all;
    for (const Reply& element : reply.elements) {
      all += (all.empty() ? "" : " ") + shown(element);
    }
    return "[" + all + "]";
  }
  if (reply.type == Reply::Type::integer) {
    return std::to_string(reply.integer);
  }
  return reply.is_nil() ? "nil" : reply.text;
}

// What `read` gives after the writes, if it gave `before` without them.
std::string after(const Command& read, Reply before, std::vector<Command> writes) {
  Overlay overlay;
  overlay.add(std::move(writes));
  const Commands reads{read};
  std::vector<Reply> replies{std::move(before)};
  return overlay.apply(reads, replies) ? shown(replies[0]) : "not known";
}

void a_field_that_is_set_is_seen_set(void**) {
  const std::vector<Command> writes{Command("HSET", "k", "f", "new", "g", "other")};
  assert_text(after(Command("HGET", "k", "f"), text("old"), writes), "new");
  assert_text(after(Command("HGET", "k", "f"), nil(), writes), "new");
  assert_text(after(Command("HMGET", "k", "x", "f"), array({text("x"), text("old")}), writes), "[x new]");
  assert_text(after(Command("HMGET", "k", "g", "f"), array({nil(), nil()}), writes), "[other new]");
  assert_text(after(Command("HGETALL", "k"), array({text("f"), text("old"), text("z"), text("1")}), writes),
              "[f new z 1 g other]");
  assert_text(after(Command("HGETALL", "k"), array({}), writes), "[f new g other]");
}

void a_value_that_looks_like_a_field_is_none(void**) {
  const std::vector<Command> writes{Command("HSET", "k", "f", "g")};
  assert_text(after(Command("HGET", "k", "g"), nil(), writes), "nil");
  assert_text(after(Command("HGETALL", "k"), array({text("a"), text("f")}), writes), "[a f f g]");
}

void a_field_that_is_removed_is_not_seen_any_more(void**) {
  const std::vector<Command> writes{Command("HDEL", "k", "f", "g", "never there")};
  assert_text(after(Command("HGET", "k", "f"), text("old"), writes), "nil");
  assert_text(after(Command("HGET", "k", "h"), text("old"), writes), "old");
  assert_text(after(Command("HMGET", "k", "g", "h"), array({text("1"), text("2")}), writes), "[nil 2]");
  assert_text(after(Command("HGETALL", "k"),
                    array({text("f"), text("1"), text("h"), text("2"), text("g"), text("3")}), writes),
              "[h 2]");
}

void a_key_that_is_deleted_is_empty(void**) {
  const std::vector<Command> writes{Command("DEL", "other", "k")};
  assert_text(after(Command("GET", "k"), text("12"), writes), "nil");
  assert_text(after(Command("HGET", "k", "f"), text("old"), writes), "nil");
  assert_text(after(Command("HMGET", "k", "f", "g"), array({text("1"), text("2")}), writes), "[nil nil]");
  assert_text(after(Command("HGETALL", "k"), array({text("f"), text("1")}), writes), "[]");
  assert_text(after(Command("TTL", "k"), number(100), writes), "-2");
}

void other_keys_stay_as_they_are(void**) {
  const std::vector<Command> writes{Command("HSET", "k", "f", "new"), Command("HDEL", "k", "f"),
                                    Command("DEL", "k", "l")};
  assert_text(after(Command("HGET", "kk", "f"), text("old"), writes), "old");
  assert_text(after(Command("GET", "f"), text("old"), writes), "old");
  assert_text(after(Command("TTL", "f"), number(100), writes), "100");
  assert_text(after(Command("HGETALL", ""), array({text("f"), text("1")}), writes), "[f 1]");
}

void writes_take_effect_in_their_order(void**) {
  const Command read("HMGET", "k", "f", "g");
  const Reply before = array({text("1"), text("2")});
  assert_text(after(read, before, {Command("HSET", "k", "f", "a"), Command("HSET", "k", "f", "b")}), "[b 2]");
  assert_text(after(read, before, {Command("HSET", "k", "f", "a"), Command("HDEL", "k", "f")}), "[nil 2]");
  assert_text(after(read, before, {Command("HDEL", "k", "f"), Command("HSET", "k", "f", "a")}), "[a 2]");
  assert_text(after(read, before, {Command("DEL", "k"), Command("HSET", "k", "g", "a")}), "[nil a]");
  assert_text(after(read, before, {Command("HSET", "k", "g", "a"), Command("DEL", "k")}), "[nil nil]");
}

void what_no_read_shows_changes_nothing(void**) {
  const std::vector<Command> writes{Command("PUBLISH", "k", "f"), Command("SPUBLISH", "k", "f"),
                                    Command("EXPIREAT", "k", 1), Command("PERSIST", "k")};
  assert_text(after(Command("HGET", "k", "f"), text("old"), writes), "old");
  assert_text(after(Command("GET", "k"), text("old"), writes), "old");
}

void bytes_are_bytes(void**) {
  const std::string odd("\r\n$3\r\n\0x", 8);
  assert_text(after(Command("HGET", "k", odd), nil(), {Command("HSET", "k", odd, odd)}), odd);
}

void a_command_whose_effect_is_not_known_makes_the_replies_good_for_nothing(void**) {
  assert_text(after(Command("GET", "k"), text("1"), {Command("INCR", "k")}), "not known");
  assert_text(after(Command("HGET", "k", "f"), text("1"), {Command("HSETNX", "k", "f", "2")}), "not known");
  assert_text(after(Command("HLEN", "k"), text("1"), {Command("HSET", "k", "f", "2")}), "not known");
  assert_text(after(Command("TTL", "k"), number(1), {Command("EXPIREAT", "k", 2)}), "not known");
  assert_text(after(Command("TTL", "k"), number(1), {Command("PERSIST", "k")}), "not known");
}

void each_read_sees_all_writes(void**) {
  Overlay overlay;
  assert_true(overlay.empty());
  overlay.add({Command("HSET", "k", "f", "1")});
  overlay.add({Command("DEL", "n")});
  assert_false(overlay.empty());
  const Commands reads{Command("HGET", "k", "f"), Command("GET", "n"), Command("HGETALL", "k")};
  std::vector<Reply> replies{nil(), text("7"), array({})};
  assert_true(overlay.apply(reads, replies));
  assert_text(shown(array(replies)), "[1 nil [f 1]]");
}

void cleared_it_knows_of_nothing(void**) {
  Overlay overlay;
  overlay.add({Command("HSET", "k", "f", "1")});
  overlay.clear();
  assert_true(overlay.empty());
  const Commands reads{Command("HGET", "k", "f")};
  std::vector<Reply> replies{nil()};
  assert_true(overlay.apply(reads, replies));
  assert_text(shown(replies[0]), "nil");
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_field_that_is_set_is_seen_set),
      cmocka_unit_test(a_value_that_looks_like_a_field_is_none),
      cmocka_unit_test(a_field_that_is_removed_is_not_seen_any_more),
      cmocka_unit_test(a_key_that_is_deleted_is_empty),
      cmocka_unit_test(other_keys_stay_as_they_are),
      cmocka_unit_test(writes_take_effect_in_their_order),
      cmocka_unit_test(what_no_read_shows_changes_nothing),
      cmocka_unit_test(bytes_are_bytes),
      cmocka_unit_test(a_command_whose_effect_is_not_known_makes_the_replies_good_for_nothing),
      cmocka_unit_test(each_read_sees_all_writes),
      cmocka_unit_test(cleared_it_knows_of_nothing),
  };
  return cmocka_run_group_tests_name("overlay", tests, nullptr, nullptr);
}
