// Password hashing (PROTOCOL "Values"): scrypt N=2^15, r=8, p=1, 16-byte random salt, 32-byte key.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wallet_sync {

// Both in lower-case hexadecimal, the form in which they are stored.
struct PasswordHash {
  std::string key;   // 64 digits
  std::string salt;  // 32 digits
};

// Blocks for some 70 ms of CPU and takes 32 MiB: never on the event loop. Thread-safe.
// nullopt if memory cannot be had or the salt is not 32 hexadecimal digits.
std::optional<std::string> scrypt_key(std::string_view password, std::string_view salt_hex);

// A new random salt in hex; nullopt if there is no randomness.
std::optional<std::string> new_salt();

// Constant-time comparison of secrets of equal length.
bool equal_secrets(std::string_view a, std::string_view b);

}  // namespace wallet_sync
