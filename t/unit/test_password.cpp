// scrypt against RFC 7914 and against the form in which keys are stored.
#include <set>
#include <string>
#include <string_view>

#include "cmocka.hpp"
#include "encoding.hpp"
#include "password.hpp"

using namespace wallet_sync;

namespace {

void scrypt_gives_the_keys_of_rfc_7914(void**) {
  const struct {
    std::string_view password, salt;
    unsigned n, r, p;
    std::string_view key;
  } rows[] = {
      {"", "", 16, 1, 1,
       "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
       "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"},
      {"password", "NaCl", 1024, 8, 16,
       "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
       "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"},
      {"pleaseletmein", "SodiumChloride", 16384, 8, 1,
       "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
       "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"},
  };
  for (const auto& row : rows) {
    const auto key = scrypt(row.password, row.salt, row.n, row.r, row.p, 64);
    assert_row(key.has_value(), row.password);
    assert_text(to_hex(*key), row.key);
  }
  assert_text(to_hex(*scrypt({}, {}, 16, 1, 1, 64)), rows[0].key);  // views of nothing at all
}

void impossible_parameters_give_no_key(void**) {
  assert_false(scrypt("x", "y", 15, 8, 1, 32).has_value());  // not a power of two
  assert_false(scrypt("x", "y", 16, 0, 1, 32).has_value());
}

void the_stored_key_is_scrypt_of_the_decoded_salt(void**) {
  const std::string salt = "000102030405060708090a0b0c0d0e0f";
  const auto key = scrypt_key("a password", salt);
  assert_true(key.has_value());
  assert_int_equal(key->size(), 64);
  assert_true(is_lower_hex(*key));
  assert_text(*key, to_hex(*scrypt("a password", *from_hex(salt), 32768, 8, 1, 32)));
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
      cmocka_unit_test(scrypt_gives_the_keys_of_rfc_7914),
      cmocka_unit_test(impossible_parameters_give_no_key),
      cmocka_unit_test(the_stored_key_is_scrypt_of_the_decoded_salt),
      cmocka_unit_test(the_stored_key_is_the_one_other_implementations_compute),
      cmocka_unit_test(a_broken_salt_gives_no_key),
      cmocka_unit_test(salts_are_32_hex_digits_and_never_the_same),
      cmocka_unit_test(secrets_are_compared_whole),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
