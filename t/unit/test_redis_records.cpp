// What the store writes into Redis and how it reads it back. No server needed.
#include "command.hpp"
#include "keyspace.hpp"
#include "records.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

constexpr UnixTime kExpiry = 1'700'000'000;

Reply text(std::string_view value) {
  Reply reply;
  reply.type = Reply::Type::text;
  reply.text = value;
  return reply;
}

Reply array(std::vector<Reply> elements) {
  Reply reply;
  reply.type = Reply::Type::array;
  reply.elements = std::move(elements);
  return reply;
}

void a_command_is_written_with_the_length_of_each_argument(void**) {
  assert_text(Command("PING").wire(), "*1\r\n$4\r\nPING\r\n");
  assert_text(Command("SET", "k", -12).wire(), "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n-12\r\n");
  assert_text(Command("SET", std::string_view("\0\r\n$", 4), "").wire(),
              std::string("*3\r\n$3\r\nSET\r\n$4\r\n\0\r\n$\r\n$0\r\n\r\n", 29));
}

void the_greatest_sequence_is_written_in_full(void**) {
  assert_text(Command("X", Sequence{4294967295}).wire(), "*2\r\n$1\r\nX\r\n$10\r\n4294967295\r\n");
}

void all_keys_of_an_account_share_one_hash_tag(void**) {
  const AccountId id = AccountId::of(*Email::parse("Satoshi@Example.com"));
  const Keyspace keys("pre:fix");
  const std::string tagged = "pre:fix:{" + id.hex() + "}";
  assert_int_equal(id.hex().size(), 24);
  assert_text(keys.account(id).text(), tagged);
  assert_text(keys.wallet(id).text(), tagged + ":wallet");
  assert_text(keys.tokens(id).text(), tagged + ":tokens");
  assert_text(keys.failures(id).text(), tagged + ":failures");
  assert_text(keys.events(id).text(), tagged + ":events");
  assert_text(keys.next_user_id(), "pre:fix:next-user-id");
}

void a_token_record_is_read_back_as_it_was_written(void**) {
  for (const std::string device : {"phone", "", " ", "two words  and more", "\xc3\xa9\n", "*"}) {
    const std::string written = TokenRecord{kExpiry, "*", device}.text();
    const auto record = TokenRecord::parse(written);
    assert_row(record.has_value(), device);
    assert_row(record->expires == kExpiry && record->scope == "*" && record->device == device, device);
  }
}

void what_is_no_token_record_is_not_read_as_one(void**) {
  for (const std::string_view row : {"", " ", "  ", "x * phone", "12", "12 *", "12x * phone", " 12 * phone",
                                     "99999999999999999999 * phone", "1.5 * phone"}) {
    assert_row(!TokenRecord::parse(row), row);
  }
}

void a_token_is_valid_until_the_second_it_expires(void**) {
  assert_true(token_state(text("100 * phone"), 99) == TokenState::valid);
  assert_true(token_state(text("100 * phone"), 100) == TokenState::unknown);
  assert_true(token_state(text("100 * phone"), 101) == TokenState::unknown);
}

void a_token_of_another_scope_is_told_from_an_unknown_one(void**) {
  assert_true(token_state(text("100 get-wallet phone"), 99) == TokenState::wrong_scope);
  assert_true(token_state(text("100 ** phone"), 99) == TokenState::wrong_scope);
  assert_true(token_state(text("100  phone"), 99) == TokenState::wrong_scope);
  assert_true(token_state(text("100 get-wallet phone"), 100) == TokenState::unknown);
}

void a_token_without_a_record_is_unknown(void**) {
  assert_true(token_state(Reply{}, 0) == TokenState::unknown);
  assert_true(token_state(text("nonsense"), 0) == TokenState::unknown);
  assert_true(token_state(array({text("100 * phone")}), 0) == TokenState::unknown);
}

void no_wallet_has_sequence_zero(void**) {
  assert_int_equal(*read_sequence(array({Reply{}})), 0);
  std::optional<ShownWallet> wallet;
  Reply nothing = array({Reply{}, Reply{}, Reply{}});
  assert_true(read_wallet(nothing, wallet));
  assert_false(wallet.has_value());
}

void a_sequence_is_read_up_to_its_greatest_value(void**) {
  assert_true(read_sequence(array({text("1")})) == Sequence{1});
  assert_true(read_sequence(array({text("4294967295")})) == Sequence{4294967295});
}

void what_is_no_sequence_is_not_read_as_one(void**) {
  for (const std::string_view row : {"", "0", "-1", "4294967296", "18446744073709551617", "1.0", "1 ", "x"}) {
    assert_row(!read_sequence(array({text(row)})), row);
  }
  assert_false(read_sequence(array({})).has_value());
  assert_false(read_sequence(text("1")).has_value());
}

void a_wallet_is_read_field_by_field(void**) {
  std::optional<ShownWallet> wallet;
  Reply whole = array({text("7"), text("mac"), text("sealed")});
  assert_true(read_wallet(whole, wallet));
  assert_int_equal(wallet->sequence, 7);
  assert_text(wallet->encrypted, "sealed");
  assert_text(wallet->hmac, "mac");
  Reply zero = array({text("0"), text("mac"), text("sealed")});
  assert_false(read_wallet(zero, wallet));
  Reply part = array({text("7"), text("mac")});
  assert_false(read_wallet(part, wallet));
}

void failures_without_a_window_have_no_time_left(void**) {
  Reply never, gone, soon;
  never.type = gone.type = soon.type = Reply::Type::integer;
  never.integer = -1;
  gone.integer = -2;
  soon.integer = 7;
  assert_true(read_failures(text("3"), soon).count == 3 && read_failures(text("3"), soon).seconds_left == 7);
  assert_int_equal(read_failures(text("3"), never).seconds_left, 0);
  assert_true(read_failures(Reply{}, gone).count == 0 && read_failures(Reply{}, gone).seconds_left == 0);
  assert_int_equal(read_failures(text("many"), soon).count, 0);
}

void the_last_few_writes_are_found_by_their_marks(void**) {
  std::string marks;
  for (int i = 1; i <= 9; ++i) {
    marks = add_mark(marks, "w." + std::to_string(i));
  }
  assert_text(marks, "w.9 w.8 w.7 w.6 w.5");
  for (const std::string_view kept : {"w.9", "w.7", "w.5"}) {
    assert_row(holds_mark(marks, kept), kept);
  }
  for (const std::string_view other : {"w.4", "w", "w.", ".9", "9", "w.99", "w.9 w.8", "", " "}) {
    assert_row(!holds_mark(marks, other), other);
  }
  assert_false(holds_mark("", "w.1"));
  assert_true(holds_mark("w.1", "w.1"));
  assert_text(add_mark("", "w.1"), "w.1");
}

void a_wallet_without_a_mark_is_of_an_earlier_version(void**) {
  const Reply reply = array({text("7"), Reply{}});
  const auto state = read_wallet_state(reply);
  assert_true(state.has_value());
  assert_int_equal(state->sequence, 7);
  assert_false(holds_mark(state->marks, "w.1"));
  assert_false(read_wallet_state(array({text("7")})).has_value());
  assert_false(read_wallet_state(array({text("x"), Reply{}})).has_value());
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(a_command_is_written_with_the_length_of_each_argument),
      cmocka_unit_test(the_greatest_sequence_is_written_in_full),
      cmocka_unit_test(all_keys_of_an_account_share_one_hash_tag),
      cmocka_unit_test(a_token_record_is_read_back_as_it_was_written),
      cmocka_unit_test(what_is_no_token_record_is_not_read_as_one),
      cmocka_unit_test(a_token_is_valid_until_the_second_it_expires),
      cmocka_unit_test(a_token_of_another_scope_is_told_from_an_unknown_one),
      cmocka_unit_test(a_token_without_a_record_is_unknown),
      cmocka_unit_test(no_wallet_has_sequence_zero),
      cmocka_unit_test(a_sequence_is_read_up_to_its_greatest_value),
      cmocka_unit_test(what_is_no_sequence_is_not_read_as_one),
      cmocka_unit_test(a_wallet_is_read_field_by_field),
      cmocka_unit_test(the_last_few_writes_are_found_by_their_marks),
      cmocka_unit_test(a_wallet_without_a_mark_is_of_an_earlier_version),
      cmocka_unit_test(failures_without_a_window_have_no_time_left),
  };
  return cmocka_run_group_tests_name("redis records", tests, nullptr, nullptr);
}
