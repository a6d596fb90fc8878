#include "password.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "encoding.hpp"
#include "scrypt.hpp"

namespace wallet_sync {
namespace {

constexpr std::size_t kKeyLength = 32;
constexpr std::size_t kSaltLength = 16;

}  // namespace

std::optional<std::string> scrypt_key(std::string_view password, std::string_view salt_hex) {
  const auto salt = from_hex(salt_hex);
  if (!salt || salt->size() != kSaltLength) return std::nullopt;
  const auto key = scrypt(password, *salt, ScryptCost{}, kKeyLength);
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
