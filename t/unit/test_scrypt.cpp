// scrypt against RFC 7914, by each library that is compiled in.
#include <array>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "cmocka.hpp"
#include "encoding.hpp"
#include "scrypt.hpp"

using namespace wallet_sync;

namespace {

struct Row {
  std::string_view password, salt;
  ScryptCost cost;
  std::string_view key;
};

// RFC 7914 section 12, but for the one that takes a GiB.
constexpr Row kRows[] = {
    {"",
     "",
     {16, 1, 1},
     "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
     "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"},
    {"password",
     "NaCl",
     {1024, 8, 16},
     "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
     "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"},
    {"pleaseletmein",
     "SodiumChloride",
     {16384, 8, 1},
     "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
     "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"},
};

std::string key_by(const ScryptFunction& function, std::string_view password, std::string_view salt,
                   const ScryptCost& cost) {
  std::array<unsigned char, 64> key{};
  if (!function.derive(password, salt, cost, key)) {
    return "none";
  }
  return to_hex({reinterpret_cast<const char*>(key.data()), key.size()});
}

void every_library_gives_the_keys_of_rfc_7914(void**) {
  for (const ScryptFunction& function : scrypt_functions()) {
    for (const Row& row : kRows) {
      assert_row(key_by(function, row.password, row.salt, row.cost) == row.key, function.library);
    }
    assert_row(key_by(function, {}, {}, {16, 1, 1}) == kRows[0].key, function.library);  // views of nothing
  }
}

void every_library_gives_the_same_key_at_the_cost_of_passwords(void**) {
  const std::string salt = *from_hex("000102030405060708090a0b0c0d0e0f");
  const ScryptFunction& first = scrypt_functions().front();
  for (const ScryptFunction& function : scrypt_functions()) {
    assert_text(key_by(function, "correct horse", salt, {1U << 15, 8, 1}),
                key_by(first, "correct horse", salt, {1U << 15, 8, 1}));
  }
}

void impossible_parameters_give_no_key(void**) {
  for (const ScryptFunction& function : scrypt_functions()) {
    for (const ScryptCost& cost :
         {ScryptCost{15, 8, 1}, ScryptCost{0, 8, 1}, ScryptCost{1, 8, 1}, ScryptCost{16, 0, 1},
          ScryptCost{16, 8, 0}, ScryptCost{16, 0, 0}, ScryptCost{16, 1U << 15, 1U << 15}}) {
      assert_row(key_by(function, "x", "y", cost) == "none", function.library);
    }
  }
  assert_false(scrypt("x", "y", {15, 8, 1}, 32).has_value());
}

void one_of_the_libraries_is_chosen_and_said_to_be(void**) {
  const ScryptChoice& choice = scrypt_choice();
  assert_non_null(choice.function);
  assert_row(choice.why.starts_with(choice.function->library), choice.why);
  for (const ScryptFunction& function : scrypt_functions()) {
    assert_row(choice.why.find(function.library) != choice.why.npos, choice.why);
  }
  assert_row(choice.why.find("wrong") == choice.why.npos, choice.why);
  assert_text(to_hex(*scrypt("pleaseletmein", "SodiumChloride", {16384, 8, 1}, 64)), kRows[2].key);
  assert_text(to_hex(*scrypt("pleaseletmein", "SodiumChloride", {16384, 8, 1}, 32)),
              kRows[2].key.substr(0, 64));
}

void libscrypt_kdf_is_compiled_in_where_it_is_installed(void**) {
#if __has_include(<scrypt-kdf.h>)
  assert_int_equal(scrypt_functions().size(), 2);
#else
  assert_int_equal(scrypt_functions().size(), 1);
#endif
}

void threads_that_hash_side_by_side_get_their_own_keys(void**) {
  std::array<std::string, 8> keys;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    threads.emplace_back([&keys, i] {
      for (int round = 0; round < 20; ++round) {
        const Row& row = kRows[i % 2];
        keys[i] = to_hex(*scrypt(row.password, row.salt, row.cost, 64));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    assert_text(keys[i], kRows[i % 2].key);
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(threads_that_hash_side_by_side_get_their_own_keys),  // first: who comes first, chooses
      cmocka_unit_test(every_library_gives_the_keys_of_rfc_7914),
      cmocka_unit_test(every_library_gives_the_same_key_at_the_cost_of_passwords),
      cmocka_unit_test(impossible_parameters_give_no_key),
      cmocka_unit_test(one_of_the_libraries_is_chosen_and_said_to_be),
      cmocka_unit_test(libscrypt_kdf_is_compiled_in_where_it_is_installed),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
