#include "token.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <memory>

#include "encoding.hpp"

namespace wallet_sync {
namespace {

constexpr std::size_t kAccountBytes = 12;
constexpr std::size_t kRandomBytes = 20;

using Bytes = std::array<unsigned char, Digest::kDigits / 2>;

std::string_view bytes_of(const Bytes& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// One context for all digests of a thread: a new one, and its search for the algorithm, costs more than a
// token's digest. It fails for want of memory only, which ends the process elsewhere too.
Bytes sha256(std::string_view bytes) {
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  static const EVP_MD* const kSha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  thread_local const std::unique_ptr<EVP_MD_CTX, Free> kContext(EVP_MD_CTX_new());
  Bytes digest{};
  if (EVP_DigestInit_ex2(kContext.get(), kSha256, nullptr) != 1 ||
      EVP_DigestUpdate(kContext.get(), bytes.data(), bytes.size()) != 1 ||
      EVP_DigestFinal_ex(kContext.get(), digest.data(), nullptr) != 1) {
    std::abort();
  }
  return digest;
}

}  // namespace

AccountId AccountId::of(const Email& email) {
  return AccountId(to_hex(bytes_of(sha256(email.normalized())).substr(0, kAccountBytes)));
}

std::optional<AccountId> AccountId::parse(std::string_view hex) {
  if (hex.size() != kDigits || !is_lower_hex(hex)) return std::nullopt;
  return AccountId(hex);
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

Digest Digest::of(std::string_view text) {
  Digest digest;
  write_hex(bytes_of(sha256(text)), digest.digits_.data());
  return digest;
}

}  // namespace wallet_sync
