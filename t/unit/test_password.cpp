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

void the_stored_key_is_scrypt_of_the_decoded_salt(void**) {
  const std::string salt = "000102030405060708090a0b0c0d0e0f";
  const auto key = scrypt_key("a password", salt);
  assert_true(key.has_value());
  assert_int_equal(key->size(), 64);
  assert_true(is_lower_hex(*key));
  assert_text(*key, to_hex(*scrypt("a password", *from_hex(salt), {32768, 8, 1}, 32)));
  assert_text(*scrypt_key("a password", "000102030405060708090A0B0C0D0E0F"), *key);
  assert_true(scrypt_key("a passwore", salt) != key);
  assert_true(scrypt_key("a password", "100102030405060708090a0b0c0d0e0f") != key);
  using namespace std::literals;
  assert_true(scrypt_key("a password\0"sv, salt) != scrypt_key("a password\0x"sv, salt));  // no end at NUL
}

void the_stored_key_is_the_one_other_implementations_compute(void**) {
  assert_text(*scrypt_key("correct horse", "000102030405060708090a0b0c0d0e0f"),
              "5c662628ac4eb1068a287e2aa2a202ae248e98db04d61d3327e7342db6ec7097");
}

void a_broken_salt_gives_no_key(void**) {
  for (const std::string_view salt :
       {"", "00", "000102030405060708090a0b0c0d0e", "000102030405060708090a0b0c0d0e0g",
        "000102030405060708090a0b0c0d0e0f00", "000102030405060708090a0b0c0d0e0"}) {
    assert_row(!scrypt_key("a password", salt).has_value(), salt);
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
      cmocka_unit_test(salts_are_32_hex_digits_and_never_the_same),
      cmocka_unit_test(secrets_are_compared_whole),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
