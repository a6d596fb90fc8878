// cmocka for C++: include it after every other header, as its `fail` is a macro.
#pragma once

#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

extern "C" {
#include <cmocka.h>
}

// Printable form of a table row, so that a failure tells which one it was.
inline std::string printable(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string shown;
  for (const char c : text.substr(0, 120)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) {
      shown.push_back(c);
    } else {
      shown += {'<', kDigits[byte >> 4], kDigits[byte & 15], '>'};
    }
  }
  return shown;
}

#define assert_row(condition, row)                                                                          \
  do {                                                                                                      \
    if (!(condition)) {                                                                                     \
      print_error("%s:%d: not so: %s, for [%s]\n", __FILE__, __LINE__, #condition, printable(row).c_str()); \
      fail();                                                                                               \
    }                                                                                                       \
  } while (0)

#define assert_text(actual, expected)                                                              \
  do {                                                                                             \
    const std::string actual_text(actual), expected_text(expected);                                \
    if (actual_text != expected_text) {                                                            \
      print_error("%s:%d: [%s] is not [%s]\n", __FILE__, __LINE__, printable(actual_text).c_str(), \
                  printable(expected_text).c_str());                                               \
      fail();                                                                                      \
    }                                                                                              \
  } while (0)
