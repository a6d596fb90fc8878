#include "scrypt.hpp"

#include <openssl/err.h>
#include <openssl/evp.h>

#ifdef WALLET_SYNC_HAVE_SCRYPT_KDF
extern "C" {  // the header does not say so itself
#include <scrypt-kdf.h>
}
#endif

#include <algorithm>
#include <array>
#include <ctime>
#include <limits>
#include <vector>

namespace wallet_sync {
namespace {

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

#ifdef WALLET_SYNC_HAVE_SCRYPT_KDF
bool by_scrypt_kdf(std::string_view password, std::string_view salt, const ScryptCost& cost,
                   std::span<unsigned char> key) {
  if (cost.r == 0 || cost.p == 0) {
    return false;  // it would divide by them
  }
  return crypto_scrypt(bytes(password), password.size(), bytes(salt), salt.size(), cost.n, cost.r, cost.p,
                       key.data(), key.size()) == 0;
}
#endif

bool by_openssl(std::string_view password, std::string_view salt, const ScryptCost& cost,
                std::span<unsigned char> key) {
  // What scrypt needs, and some room. OpenSSL's default limit of 32 MiB is just too small for the protocol's
  // parameters.
  constexpr std::uint64_t kRoom = 1U << 20;
  const std::uint64_t limit = 128 * std::uint64_t{cost.r} * (cost.n + cost.p + 2) + kRoom;
  if (EVP_PBE_scrypt(password.data(), password.size(), bytes(salt), salt.size(), cost.n, cost.r, cost.p,
                     limit, key.data(), key.size()) == 1) {
    return true;
  }
  ERR_clear_error();  // what stays in the thread's queue would be blamed on its next TLS operation
  return false;
}

constexpr ScryptFunction kFunctions[] = {
#ifdef WALLET_SYNC_HAVE_SCRYPT_KDF
    {"libscrypt-kdf", by_scrypt_kdf},
#endif
    {"OpenSSL", by_openssl},
};

// The first bytes of RFC 7914's first key (section 12).
bool gives_the_right_key(const ScryptFunction& function) {
  constexpr std::array<unsigned char, 8> kRight = {0x77, 0xd6, 0x57, 0x62, 0x38, 0x65, 0x7b, 0x20};
  std::array<unsigned char, kRight.size()> key{};
  return function.derive("", "", {16, 1, 1}, key) && key == kRight;
}

// CPU time of a run, in clock ticks. It is short, but who wins it wins the long ones too, if by less: those
// wait for memory.
std::clock_t time_of(const ScryptFunction& function) {
  std::array<unsigned char, 32> key{};
  const std::clock_t begin = std::clock();
  function.derive("password", "NaCl", {1U << 10, 8, 1}, key);
  return std::clock() - begin;
}

ScryptChoice choose() {
  constexpr int kRounds = 3;  // what disturbs one of them does not count
  struct Candidate {
    const ScryptFunction* function;
    std::clock_t time;
  };
  ScryptChoice choice;
  std::vector<Candidate> candidates;
  for (const ScryptFunction& function : kFunctions) {
    if (gives_the_right_key(function)) {
      candidates.push_back({&function, std::numeric_limits<std::clock_t>::max()});
    } else {
      choice.why.append("; ").append(function.library).append(" gives wrong keys in this process");
    }
  }
  for (int round = 0; candidates.size() > 1 && round < kRounds; ++round) {
    for (Candidate& candidate : candidates) {
      candidate.time = std::min(candidate.time, time_of(*candidate.function));
    }
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.time < b.time; });
  for (const Candidate& candidate : candidates) {
    if (choice.function == nullptr) {
      choice.function = candidate.function;
      choice.why.insert(0, candidate.function->library);
    } else {
      choice.why.append("; it is faster here than ").append(candidate.function->library);
    }
  }
  return choice;
}

}  // namespace

std::span<const ScryptFunction> scrypt_functions() { return kFunctions; }

// libscrypt-kdf chooses among the processor's instructions at its first call, and does not expect two threads
// there: that call is in here, where others wait for it.
const ScryptChoice& scrypt_choice() {
  static const ScryptChoice kChoice = choose();
  return kChoice;
}

std::optional<std::string> scrypt(std::string_view password, std::string_view salt, const ScryptCost& cost,
                                  std::size_t key_length) {
  std::string key(key_length, '\0');
  const ScryptFunction* const function = scrypt_choice().function;
  if (function == nullptr ||
      !function->derive(password, salt, cost, {reinterpret_cast<unsigned char*>(key.data()), key.size()})) {
    return std::nullopt;
  }
  return key;
}

}  // namespace wallet_sync
