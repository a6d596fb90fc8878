#include "email.hpp"

#include <unicase.h>
#include <unistr.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "encoding.hpp"

namespace wallet_sync {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// How many characters beyond ASCII there are. REQUIRES: valid UTF-8.
std::ptrdiff_t non_ascii(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) >= 0xc0; });
}

// RFC 5322 atext, widened to every non-ASCII character by RFC 6532.
bool is_atext(char c) {
  constexpr std::string_view kSpecials = "!#$%&'*+-/=?^_`{|}~";
  return static_cast<unsigned char>(c) >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
         (c >= 'A' && c <= 'Z') || kSpecials.find(c) != std::string_view::npos;
}

// Atoms joined by single dots.
bool is_dot_atom(std::string_view text) {
  bool in_atom = false;
  for (const char c : text) {
    if (c == '.') {
      if (!in_atom) return false;
      in_atom = false;
    } else {
      if (!is_atext(c)) return false;
      in_atom = true;
    }
  }
  return in_atom;
}

// Simple mapping: one code point becomes one, whatever the locale, though not always in as many bytes (U+023A
// grows, U+0130 shrinks). What is not UTF-8 becomes U+FFFD.
std::string lower_case(std::string_view text) {
  std::string lower;
  lower.reserve(text.size());
  if (is_ascii(text)) {
    for (const char c : text) {
      lower.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    }
    return lower;
  }
  const auto* at = reinterpret_cast<const std::uint8_t*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    ucs4_t character;
    at += u8_mbtouc(&character, at, static_cast<std::size_t>(end - at));
    std::uint8_t encoded[6];
    const int length = u8_uctomb(encoded, uc_tolower(character), sizeof encoded);
    lower.append(reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(length));
  }
  return lower;
}

}  // namespace

std::optional<Email> Email::parse(std::string_view text) {
  const std::size_t at = text.find('@');
  if (at == std::string_view::npos) return std::nullopt;
  if (!is_dot_atom(text.substr(0, at)) || !is_dot_atom(text.substr(at + 1))) return std::nullopt;
  if (!is_utf8(text)) return std::nullopt;
  std::string normalized = lower_case(text);
  if (non_ascii(text) != non_ascii(normalized)) return std::nullopt;
  return Email(std::string(text), std::move(normalized));
}

bool Email::is_also_spelled(std::string_view other) const {
  return other == normalized_ || other == spelling_ || lower_case(other) == normalized_;
}

}  // namespace wallet_sync
