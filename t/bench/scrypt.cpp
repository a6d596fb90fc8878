// How many passwords the bare function hashes a second, with the parameters of wallet_sync.
//
//   scrypt openssl|libscrypt-kdf THREADS SECONDS
//
// Prints "RESULT RATE", or "RESULT 0" if there is no such library here.
#include <dlfcn.h>
#include <openssl/evp.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::uint64_t kN = 1U << 15U;
constexpr std::uint32_t kR = 8, kP = 1;
constexpr char kPassword[] = "a password of some length";
constexpr unsigned char kSalt[16] = {1, 2, 3};

using Scrypt = int (*)(const std::uint8_t*, std::size_t, const std::uint8_t*, std::size_t, std::uint64_t,
                       std::uint32_t, std::uint32_t, std::uint8_t*, std::size_t);

int by_openssl(const std::uint8_t* password, std::size_t size, const std::uint8_t* salt,
               std::size_t salt_size, std::uint64_t n, std::uint32_t r, std::uint32_t p, std::uint8_t* key,
               std::size_t key_size) {
  const bool done = EVP_PBE_scrypt(reinterpret_cast<const char*>(password), size, salt, salt_size, n, r, p,
                                   64U << 20U, key, key_size) == 1;
  return done ? 0 : -1;
}

// Loaded here rather than linked: the benchmark works without it.
Scrypt by_author() {
  void* library = dlopen("libscrypt-kdf.so.1", RTLD_NOW);
  return library == nullptr ? nullptr : reinterpret_cast<Scrypt>(dlsym(library, "crypto_scrypt"));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: scrypt openssl|libscrypt-kdf THREADS SECONDS\n";
    return 1;
  }
  const Scrypt function = std::string(argv[1]) == "openssl" ? by_openssl : by_author();
  if (function == nullptr) {
    std::cout << "RESULT 0\n";
    return 0;
  }
  const auto begun = std::chrono::steady_clock::now();
  const auto end = begun + std::chrono::duration<double>(std::atof(argv[3]));
  std::atomic<std::uint64_t> hashes = 0;
  std::atomic<bool> failed = false;
  std::vector<std::jthread> threads;
  for (int i = std::atoi(argv[2]); i > 0; --i) {
    threads.emplace_back([&] {
      while (std::chrono::steady_clock::now() < end) {
        std::uint8_t key[32];
        failed = failed || function(reinterpret_cast<const std::uint8_t*>(kPassword), sizeof kPassword - 1,
                                    kSalt, sizeof kSalt, kN, kR, kP, key, sizeof key) != 0;
        ++hashes;
      }
    });
  }
  threads.clear();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  if (failed) {
    std::cerr << "scrypt has failed\n";
    return 1;
  }
  std::cout << "RESULT " << static_cast<double>(hashes) / took.count() << '\n';
}
