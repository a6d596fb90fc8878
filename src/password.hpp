// Password hashing (PROTOCOL "Values"): scrypt N=2^15, r=8, p=1, 16-byte random salt, 32-byte key.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "scrypt.hpp"

namespace wallet_sync {

// Of new hashes. It may be raised: each hash says what it was made with, and a login makes a cheaper one
// anew.
inline constexpr ScryptCost kPasswordCost{1U << 15, 8, 1};

// Both as they are stored.
struct PasswordHash {
  std::string key;   // a PasswordKey's text
  std::string salt;  // 32 lower-case hexadecimal digits
};

// What scrypt made of a password, and by what parameters: "scrypt$15$8$1$" (the logarithm of N to the base 2,
// r and p) and the key in 64 lower-case hexadecimal digits. The first versions stored the digits alone.
struct PasswordKey {
  ScryptCost cost = kPasswordCost;
  std::string digits;

  // nullopt: not such a text, or one whose cost would be a burden: more than 256 MiB, or more than 16 times
  // the work of today's.
  static std::optional<PasswordKey> parse(std::string_view text);
  std::string text() const;
};

// Whether a hash is still that of the password which was compared with `checked`: either the same, or what a
// login has made of it since. A login that makes it anew keeps its salt; another password gets another one.
bool same_password(const PasswordHash& stored, const PasswordHash& checked);

// The digits of a key. Blocks for some 70 ms of CPU and takes 32 MiB at today's cost: never on the event
// loop. Thread-safe. nullopt if memory cannot be had or the salt is not 32 hexadecimal digits.
std::optional<std::string> scrypt_key(std::string_view password, std::string_view salt_hex,
                                      const ScryptCost& cost);

// A new random salt in hex; nullopt if there is no randomness.
std::optional<std::string> new_salt();

// Constant-time comparison of secrets of equal length.
bool equal_secrets(std::string_view a, std::string_view b);

}  // namespace wallet_sync
