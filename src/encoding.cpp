#include "encoding.hpp"

#include <unistr.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace wallet_sync {
namespace {

constexpr std::uint64_t kHighBits = 0x8080808080808080;

// -1 for a character that is no hexadecimal digit.
int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// -1 for a character outside the alphabet.
int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  if (c == '/') return 63;
  return -1;
}

}  // namespace

void write_hex(std::string_view bytes, char* out) {
  static constexpr auto kPairs = [] {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::array<std::array<char, 2>, 256> pairs{};
    for (std::size_t byte = 0; byte < pairs.size(); ++byte) {
      pairs[byte] = {kDigits[byte >> 4], kDigits[byte & 15]};
    }
    return pairs;
  }();
  for (const char byte : bytes) {
    std::memcpy(out, kPairs[static_cast<unsigned char>(byte)].data(), 2);
    out += 2;
  }
}

std::string to_hex(std::string_view bytes) {
  std::string hex(bytes.size() * 2, '\0');
  write_hex(bytes, hex.data());
  return hex;
}

std::optional<std::string> from_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = hex_value(hex[i]);
    const int low = hex_value(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(high << 4 | low));
  }
  return bytes;
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return hex_value(c) >= 0; });
}

// It is asked of every token: in blocks without a branch, which the compiler turns into vector instructions.
bool is_lower_hex(std::string_view text) {
  constexpr std::size_t kBlock = 32;
  const auto other = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    const bool no_digit = static_cast<unsigned char>(byte - '0') > 9;
    const bool no_letter = static_cast<unsigned char>(byte - 'a') > 5;
    return static_cast<unsigned char>(static_cast<unsigned>(no_digit) & static_cast<unsigned>(no_letter));
  };
  while (text.size() >= kBlock) {
    unsigned char found = 0;
    for (std::size_t i = 0; i < kBlock; ++i) {
      found |= other(text[i]);
    }
    if (found != 0) {
      return false;
    }
    text.remove_prefix(kBlock);
  }
  return std::none_of(text.begin(), text.end(), [&](char c) { return other(c) != 0; });
}

std::optional<std::string> from_base64(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  std::uint32_t bits = 0;
  int characters = 0;  // of the current group of four, padding included
  int padding = 0;
  for (const char c : text) {
    if (c == '\r' || c == '\n') continue;
    if (c == '=') {
      if (characters < 2) return std::nullopt;
      ++padding;
      bits <<= 6;
    } else {
      const int value = base64_value(c);
      if (value < 0 || padding > 0) return std::nullopt;
      bits = bits << 6 | static_cast<std::uint32_t>(value);
    }
    if (++characters < 4) continue;
    for (int byte = 0; byte < 3 - padding; ++byte) {
      bytes.push_back(static_cast<char>(bits >> (16 - 8 * byte) & 0xff));
    }
    bits = 0;
    characters = 0;
  }
  if (characters != 0) return std::nullopt;
  return bytes;
}

bool is_utf8(std::string_view text) {
  // Nearly all texts are pure ASCII: those are skipped eight bytes at a time.
  while (text.size() >= sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, text.data(), sizeof word);
    if ((word & kHighBits) != 0) break;
    text.remove_prefix(sizeof word);
  }
  return u8_check(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()) == nullptr;
}

}  // namespace wallet_sync
