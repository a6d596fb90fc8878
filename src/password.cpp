#include "password.hpp"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>

#include "encoding.hpp"

namespace wallet_sync {
namespace {

constexpr std::size_t kKeyLength = 32;
constexpr std::size_t kSaltLength = 16;
constexpr std::string_view kScrypt = "scrypt$";

constexpr std::uint64_t kMaxMemory = 256ULL << 20;
constexpr std::uint64_t kMaxWork = 16 * kPasswordCost.work();

// The number in front of a '$', which is taken off with it.
std::optional<std::uint32_t> take_number(std::string_view& text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto length = static_cast<std::size_t>(end - text.data());
  const bool canonical = error == std::errc() && text.front() != '0';
  if (!canonical || length == text.size() || *end != '$') {
    return std::nullopt;
  }
  text.remove_prefix(length + 1);
  return number;
}

std::optional<ScryptCost> take_cost(std::string_view& text) {
  constexpr std::uint32_t kMaxEach = 30;  // of log2 N; r and p have to stay below 2^30 each
  const auto log2_n = take_number(text);
  const auto r = log2_n ? take_number(text) : std::nullopt;
  const auto p = r ? take_number(text) : std::nullopt;
  if (!p || *log2_n > kMaxEach || *r >> kMaxEach != 0 || *p >> kMaxEach != 0) {
    return std::nullopt;
  }
  const ScryptCost cost{std::uint64_t{1} << *log2_n, *r, *p};
  // Nothing overflows: the memory is below 2^(7 + 30 + 30), so it is compared before the work is multiplied
  // out.
  if (cost.n * cost.r > kMaxMemory / 128 || cost.work() > kMaxWork) {
    return std::nullopt;
  }
  return cost;
}

}  // namespace

std::optional<PasswordKey> PasswordKey::parse(std::string_view text) {
  PasswordKey key;
  if (text.starts_with(kScrypt)) {
    text.remove_prefix(kScrypt.size());
    const auto cost = take_cost(text);
    if (!cost) return std::nullopt;
    key.cost = *cost;
  } else {
    key.cost = {1U << 15, 8, 1};  // for ever, whatever today's are
  }
  if (text.size() != 2 * kKeyLength || !is_lower_hex(text)) return std::nullopt;
  key.digits = text;
  return key;
}

std::string PasswordKey::text() const {
  std::string text(kScrypt);
  text.append(std::to_string(std::countr_zero(cost.n))).append("$");
  text.append(std::to_string(cost.r)).append("$").append(std::to_string(cost.p)).append("$").append(digits);
  return text;
}

bool same_password(const PasswordHash& stored, const PasswordHash& checked) {
  if (stored.salt != checked.salt || checked.salt.empty()) return false;
  if (equal_secrets(stored.key, checked.key)) return true;
  const auto now = PasswordKey::parse(stored.key);
  const auto then = PasswordKey::parse(checked.key);
  return now && then && (now->cost != then->cost || equal_secrets(now->digits, then->digits));
}

std::optional<std::string> scrypt_key(std::string_view password, std::string_view salt_hex,
                                      const ScryptCost& cost) {
  const auto salt = from_hex(salt_hex);
  if (!salt || salt->size() != kSaltLength) return std::nullopt;
  const auto key = scrypt(password, *salt, cost, kKeyLength);
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
