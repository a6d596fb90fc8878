#include "token.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <cstddef>
#include <cstdlib>

#include "encoding.hpp"

namespace wallet_sync {
namespace {

constexpr std::size_t kAccountBytes = 12;
constexpr std::size_t kRandomBytes = 20;

std::string sha256(std::string_view bytes) {
  std::string digest(32, '\0');
  auto* const out = reinterpret_cast<unsigned char*>(digest.data());
  // EVP_sha256() would look the algorithm up for each digest.
  static const EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  // Fails for want of memory only, which ends the process elsewhere too.
  if (EVP_Digest(bytes.data(), bytes.size(), out, nullptr, kSha256, nullptr) != 1) std::abort();
  return digest;
}

}  // namespace

AccountId AccountId::of(const Email& email) {
  return AccountId(to_hex(std::string_view(sha256(email.normalized())).substr(0, kAccountBytes)));
}

std::optional<Token> Token::generate(const AccountId& account) {
  unsigned char random[kRandomBytes];
  if (RAND_bytes(random, sizeof random) != 1) {
    ERR_clear_error();
    return std::nullopt;
  }
  return Token(account.hex() + to_hex({reinterpret_cast<const char*>(random), sizeof random}));
}

std::optional<Token> Token::parse(std::string_view text) {
  if (text.size() != kDigits || !is_lower_hex(text)) return std::nullopt;
  return Token(text);
}

std::string Token::digest() const { return sha256_hex(text()); }

std::string sha256_hex(std::string_view text) { return to_hex(sha256(text)); }

}  // namespace wallet_sync
