#include "password.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstdint>

#include "encoding.hpp"

namespace wallet_sync {
namespace {

constexpr unsigned long long kN = 1ULL << 15;
constexpr unsigned kR = 8;
constexpr unsigned kP = 1;
constexpr std::size_t kKeyLength = 32;
constexpr std::size_t kSaltLength = 16;

// What scrypt needs, and some room. OpenSSL's default limit of 32 MiB is just too small for the protocol's
// parameters.
std::uint64_t memory_limit(std::uint64_t n, std::uint64_t r, std::uint64_t p) {
  constexpr std::uint64_t kRoom = 1U << 20;
  return 128 * r * (n + p + 2) + kRoom;
}

}  // namespace

std::optional<std::string> scrypt(std::string_view password, std::string_view salt, unsigned long long n,
                                  unsigned r, unsigned p, std::size_t key_length) {
  std::string key(key_length, '\0');
  const int done = EVP_PBE_scrypt(
      password.data(), password.size(), reinterpret_cast<const unsigned char*>(salt.data()), salt.size(), n,
      r, p, memory_limit(n, r, p), reinterpret_cast<unsigned char*>(key.data()), key.size());
  if (done != 1) {
    ERR_clear_error();  // what stays in the thread's queue would be blamed on its next TLS operation
    return std::nullopt;
  }
  return key;
}

std::optional<std::string> scrypt_key(std::string_view password, std::string_view salt_hex) {
  const auto salt = from_hex(salt_hex);
  if (!salt || salt->size() != kSaltLength) return std::nullopt;
  const auto key = scrypt(password, *salt, kN, kR, kP, kKeyLength);
  if (!key) return std::nullopt;
  return to_hex(*key);
}

std::optional<std::string> new_salt() {
  unsigned char salt[kSaltLength];
  if (RAND_bytes(salt, sizeof salt) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return to_hex({reinterpret_cast<const char*>(salt), sizeof salt});
}

bool equal_secrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace wallet_sync
