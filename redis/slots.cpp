#include "slots.hpp"

#include <array>
#include <cstdint>

namespace wallet_sync {
namespace {

// CRC16 as XMODEM has it: polynomial x^16 + x^12 + x^5 + 1, nothing reflected, begins with 0.
constexpr std::array<std::uint16_t, 256> make_table() {
  std::array<std::uint16_t, 256> table{};
  for (unsigned byte = 0; byte < table.size(); ++byte) {
    unsigned crc = byte << 8U;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc << 1U) ^ ((crc & 0x8000U) != 0 ? 0x1021U : 0U);
    }
    table[byte] = static_cast<std::uint16_t>(crc);
  }
  return table;
}

constexpr std::array<std::uint16_t, 256> kTable = make_table();

}  // namespace

std::size_t slot_of_tag(std::string_view tag) {
  unsigned crc = 0;
  for (const char c : tag) {
    crc = ((crc << 8U) & 0xffffU) ^ kTable[(crc >> 8U) ^ static_cast<unsigned char>(c)];
  }
  return crc % kSlots;
}

std::size_t slot_of(std::string_view key) {
  if (const std::size_t open = key.find('{'); open != key.npos) {
    const std::size_t close = key.find('}', open + 1);
    if (close != key.npos && close > open + 1) {
      return slot_of_tag(key.substr(open + 1, close - open - 1));
    }
  }
  return slot_of_tag(key);
}

std::string tag_of_slot(std::size_t slot) {
  for (unsigned number = 0;; ++number) {
    std::string tag = std::to_string(number);
    if (slot_of_tag(tag) == slot) {
      return tag;
    }
  }
}

}  // namespace wallet_sync
