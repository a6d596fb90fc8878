// scrypt (RFC 7914), by the fastest of the libraries that have it here: libscrypt-kdf, its author's own,
// where it was installed when this was built, or else OpenSSL.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace wallet_sync {

struct ScryptCost {
  std::uint64_t n = 0;  // a power of two
  std::uint32_t r = 0;
  std::uint32_t p = 0;
  bool operator==(const ScryptCost&) const = default;
  // Of two costs, the greater takes so many times as long.
  constexpr std::uint64_t work() const { return n * r * p; }
};

struct ScryptFunction {
  std::string_view library;
  // Fills `key`; false if memory cannot be had or the parameters are none. Thread-safe once scrypt_choice()
  // has returned.
  bool (*derive)(std::string_view password, std::string_view salt, const ScryptCost& cost,
                 std::span<unsigned char> key);
};

// Those that are compiled in.
std::span<const ScryptFunction> scrypt_functions();

struct ScryptChoice {
  const ScryptFunction* function = nullptr;  // null: none gives the right key
  std::string why;                           // for the log
};

// The faster of those that give the right key in this process, where another module may have brought a
// function of the same name. They are tried at the first call, which takes some 10 ms of CPU.
const ScryptChoice& scrypt_choice();

// Bytes in, bytes out. Blocks for as long as the cost says, so never on the event loop. Thread-safe.
std::optional<std::string> scrypt(std::string_view password, std::string_view salt, const ScryptCost& cost,
                                  std::size_t key_length);

}  // namespace wallet_sync
