// Passwords as they are stored and compared.
#include <set>
#include <string>
#include <string_view>

#include "cmocka.hpp"
#include "encoding.hpp"
#include "password.hpp"
#include "scrypt.hpp"

using namespace wallet_sync;

namespace {

std::optional<std::string> key_of(std::string_view password, std::string_view salt) {
  return scrypt_key(password, salt, kPasswordCost);
}

void the_stored_key_is_scrypt_of_the_decoded_salt(void**) {
  const std::string salt = "000102030405060708090a0b0c0d0e0f";
  const auto key = key_of("a password", salt);
  assert_true(key.has_value());
  assert_int_equal(key->size(), 64);
  assert_true(is_lower_hex(*key));
  assert_text(*key, to_hex(*scrypt("a password", *from_hex(salt), {32768, 8, 1}, 32)));
  assert_text(*key_of("a password", "000102030405060708090A0B0C0D0E0F"), *key);
  assert_true(key_of("a passwore", salt) != key);
  assert_true(key_of("a password", "100102030405060708090a0b0c0d0e0f") != key);
  using namespace std::literals;
  assert_true(key_of("a password\0"sv, salt) != key_of("a password\0x"sv, salt));  // no end at NUL
}

void the_stored_key_is_the_one_other_implementations_compute(void**) {
  assert_text(*key_of("correct horse", "000102030405060708090a0b0c0d0e0f"),
              "5c662628ac4eb1068a287e2aa2a202ae248e98db04d61d3327e7342db6ec7097");
}

void a_broken_salt_gives_no_key(void**) {
  for (const std::string_view salt :
       {"", "00", "000102030405060708090a0b0c0d0e", "000102030405060708090a0b0c0d0e0g",
        "000102030405060708090a0b0c0d0e0f00", "000102030405060708090a0b0c0d0e0"}) {
    assert_row(!key_of("a password", salt).has_value(), salt);
  }
}

const std::string kDigits = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

void a_key_says_what_it_was_made_with(void**) {
  assert_text((PasswordKey{kPasswordCost, kDigits}.text()), "scrypt$15$8$1$" + kDigits);
  const struct {
    std::string_view prefix;
    ScryptCost cost;
  } rows[] = {{"scrypt$15$8$1$", {32768, 8, 1}},
              {"scrypt$1$1$1$", {2, 1, 1}},
              {"scrypt$16$8$1$", {65536, 8, 1}},
              {"scrypt$15$8$16$", {32768, 8, 16}},  // 16 times the work
              {"scrypt$18$8$2$", {262144, 8, 2}}};  // 256 MiB
  for (const auto& row : rows) {
    const std::string text = std::string(row.prefix) + kDigits;
    const auto key = PasswordKey::parse(text);
    assert_row(key.has_value(), text);
    assert_row(key->cost == row.cost && key->digits == kDigits, text);
    assert_text(key->text(), text);
  }
}

void digits_alone_are_a_key_of_the_first_versions(void**) {
  const auto key = PasswordKey::parse(kDigits);
  assert_true(key && (key->cost == ScryptCost{32768, 8, 1}) && key->digits == kDigits);
}

void what_is_no_key_or_costs_too_much_is_not_read_as_one(void**) {
  const std::string rows[] = {
      "", "scrypt", "scrypt$", "scrypt$15$8$1", "scrypt$15$8$1$", "scrypt$15$8$" + kDigits, kDigits.substr(1),
      kDigits + "0", "scrypt$15$8$1$" + kDigits + "0", "scrypt$15$8$1$" + kDigits.substr(1),
      "scrypt$15$8$1$$" + kDigits, "Scrypt$15$8$1$" + kDigits, "argon2id$15$8$1$" + kDigits,
      "scrypt$15$8$1$0123456789ABCDEF" + kDigits.substr(16), "ABCDEF" + kDigits.substr(6),
      // numbers
      "scrypt$015$8$1$" + kDigits, "scrypt$0$8$1$" + kDigits, "scrypt$15$0$1$" + kDigits,
      "scrypt$15$8$0$" + kDigits, "scrypt$-15$8$1$" + kDigits, "scrypt$+15$8$1$" + kDigits,
      "scrypt$ 15$8$1$" + kDigits, "scrypt$15 $8$1$" + kDigits, "scrypt$15$8.0$1$" + kDigits,
      "scrypt$f$8$1$" + kDigits, "scrypt$15$8$4294967297$" + kDigits,
      "scrypt$99999999999999999999$8$1$" + kDigits,
      // cost
      "scrypt$19$8$1$" + kDigits, "scrypt$15$128$1$" + kDigits, "scrypt$15$8$17$" + kDigits,
      "scrypt$30$8$1$" + kDigits, "scrypt$63$8$1$" + kDigits, "scrypt$64$8$1$" + kDigits,
      "scrypt$1$1073741823$1$" + kDigits, "scrypt$1$1$1073741823$" + kDigits,
      "scrypt$30$1073741823$1073741823$" + kDigits, "scrypt$4294967295$4294967295$4294967295$" + kDigits};
  for (const std::string& row : rows) {
    assert_row(!PasswordKey::parse(row), row);
  }
}

void a_password_stays_the_same_when_its_hash_is_made_anew(void**) {
  const std::string salt(32, 'a');
  const std::string other_digits = "f" + kDigits.substr(1);
  const struct {
    const char* name;
    PasswordHash stored, checked;
    bool same;
  } rows[] = {
      {"equal", {"scrypt$15$8$1$" + kDigits, salt}, {"scrypt$15$8$1$" + kDigits, salt}, true},
      {"equal of old", {kDigits, salt}, {kDigits, salt}, true},
      {"other form", {"scrypt$15$8$1$" + kDigits, salt}, {kDigits, salt}, true},
      {"old form again", {kDigits, salt}, {"scrypt$15$8$1$" + kDigits, salt}, true},
      {"other cost", {"scrypt$16$8$1$" + other_digits, salt}, {"scrypt$15$8$1$" + kDigits, salt}, true},
      {"other cost, from old", {"scrypt$16$8$1$" + other_digits, salt}, {kDigits, salt}, true},
      {"other key", {"scrypt$15$8$1$" + other_digits, salt}, {"scrypt$15$8$1$" + kDigits, salt}, false},
      {"other key, from old", {"scrypt$15$8$1$" + other_digits, salt}, {kDigits, salt}, false},
      {"other salt", {kDigits, std::string(32, 'b')}, {kDigits, salt}, false},
      {"other salt and cost", {"scrypt$16$8$1$" + kDigits, std::string(32, 'b')}, {kDigits, salt}, false},
      {"no account", {"", ""}, {kDigits, salt}, false},
      {"no account twice", {"", ""}, {"", ""}, false},
      {"nonsense", {"nonsense", salt}, {kDigits, salt}, false},
  };
  for (const auto& row : rows) {
    assert_row(same_password(row.stored, row.checked) == row.same, row.name);
  }
}

void salts_are_32_hex_digits_and_never_the_same(void**) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto salt = new_salt();
    assert_true(salt.has_value());
    assert_int_equal(salt->size(), 32);
    assert_row(is_lower_hex(*salt), *salt);
    assert_true(seen.insert(*salt).second);
  }
}

void secrets_are_compared_whole(void**) {
  using namespace std::literals;
  assert_true(equal_secrets("", ""));
  assert_true(equal_secrets({}, ""));
  assert_true(equal_secrets("abc", "abc"));
  assert_true(equal_secrets("a\0b"sv, "a\0b"sv));
  for (const auto other : {""sv, "ab"sv, "abcd"sv, "abd"sv, "bbc"sv, "ABC"sv, "abc\0"sv}) {
    assert_row(!equal_secrets("abc", other), other);
  }
  assert_false(equal_secrets("a\0b"sv, "a\0c"sv));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_stored_key_is_scrypt_of_the_decoded_salt),
      cmocka_unit_test(the_stored_key_is_the_one_other_implementations_compute),
      cmocka_unit_test(a_broken_salt_gives_no_key),
      cmocka_unit_test(a_key_says_what_it_was_made_with),
      cmocka_unit_test(digits_alone_are_a_key_of_the_first_versions),
      cmocka_unit_test(what_is_no_key_or_costs_too_much_is_not_read_as_one),
      cmocka_unit_test(a_password_stays_the_same_when_its_hash_is_made_anew),
      cmocka_unit_test(salts_are_32_hex_digits_and_never_the_same),
      cmocka_unit_test(secrets_are_compared_whole),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
