// Account ids and tokens.
#include <set>
#include <string>
#include <string_view>

#include "cmocka.hpp"
#include "encoding.hpp"
#include "token.hpp"

using namespace std::literals;
using namespace wallet_sync;

namespace {

AccountId account_of(std::string_view email) { return AccountId::of(*Email::parse(email)); }

void an_account_is_named_by_the_digest_of_its_lower_cased_address(void**) {
  assert_text(account_of("abc@example.com").hex(), "9eceb13483d7f187ec014fd6");
  assert_text(account_of("ABC@Example.COM").hex(), "9eceb13483d7f187ec014fd6");
  assert_text(account_of("\xc3\x9c@example.com").hex(), "2a2aaafb5490de9ac6948e2c");
  assert_true(account_of("abc@example.com") == account_of("aBc@example.com"));
  assert_false(account_of("abc@example.com") == account_of("abd@example.com"));
}

void a_token_is_64_lower_case_hex_digits_and_carries_its_account(void**) {
  const auto account = account_of("abc@example.com");
  const auto token = Token::generate(account);
  assert_true(token.has_value());
  assert_int_equal(token->text().size(), 64);
  assert_row(is_lower_hex(token->text()), token->text());
  assert_text(token->text().substr(0, 24), account.hex());
  assert_true(token->account() == account);
}

void no_two_tokens_are_the_same(void**) {
  const auto account = account_of("abc@example.com");
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) assert_true(seen.emplace(Token::generate(account)->text()).second);
}

void a_token_is_read_back_as_it_was_given_out(void**) {
  const auto token = Token::generate(account_of("abc@example.com"));
  const auto read = Token::parse(token->text());
  assert_true(read.has_value());
  assert_text(read->text(), token->text());
  assert_text(read->digest().text(), token->digest().text());
  assert_true(read->account() == token->account());
}

void what_does_not_look_like_a_token_is_none(void**) {
  const std::string good = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
  assert_true(Token::parse(good).has_value());
  const std::string rows[] = {
      "",
      "0",
      good.substr(1),
      good + "0",
      " " + good.substr(1),
      good.substr(1) + " ",
      good + "\n",
      good.substr(1) + "A",
      "F" + good.substr(1),
      good.substr(1) + "g",
      "-" + good.substr(1),
      good.substr(1) + std::string(1, '\0'),
      good + std::string(1, '\0'),
      good + good,
      "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF",
  };
  for (const auto& row : rows) assert_row(!Token::parse(row).has_value(), row);
}

void tokens_are_kept_as_the_digest_of_their_text(void**) {
  const auto token = Token::parse("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
  assert_text(token->digest().text(), "a8ae6e6ee929abea3afcfc5258c8ccd6f85273e0d4626d26c7279f3250f77c8e");
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(an_account_is_named_by_the_digest_of_its_lower_cased_address),
      cmocka_unit_test(a_token_is_64_lower_case_hex_digits_and_carries_its_account),
      cmocka_unit_test(no_two_tokens_are_the_same),
      cmocka_unit_test(a_token_is_read_back_as_it_was_given_out),
      cmocka_unit_test(what_does_not_look_like_a_token_is_none),
      cmocka_unit_test(tokens_are_kept_as_the_digest_of_their_text),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
