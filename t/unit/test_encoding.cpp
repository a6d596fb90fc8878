// Hexadecimal, base64 and UTF-8.
#include <string>
#include <string_view>

#include "cmocka.hpp"
#include "encoding.hpp"

using namespace std::literals;
using namespace wallet_sync;

namespace {

void bytes_become_lower_case_hex(void**) {
  assert_text(to_hex(""), "");
  assert_text(to_hex("\x00\x01\x7f\x80\xab\xff"sv), "00017f80abff");
}

void hex_of_either_case_is_read(void**) {
  assert_text(*from_hex(""), "");
  assert_text(*from_hex("00017f80abFFcD"), "\x00\x01\x7f\x80\xab\xff\xcd"sv);
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    assert_row(from_hex(to_hex(one)) == one, one);
  }
}

void broken_hex_is_refused(void**) {
  for (const auto text : {"0"sv, "000"sv, "0g"sv, "g0"sv, " 0"sv, "0 "sv, "-1"sv, "+1"sv, "0x"sv, "\0\0"sv,
                          "@@"sv, "``"sv, "//"sv, "::"sv, "GG"sv, "\xc3\xbc"sv}) {
    assert_row(!from_hex(text).has_value(), text);
  }
}

void hex_digits_are_told_from_other_characters(void**) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    const bool lower = "0123456789abcdef"sv.find(one) != std::string_view::npos;
    const bool upper = "ABCDEF"sv.find(one) != std::string_view::npos;
    assert_row(is_hex("00" + one + "00") == (lower || upper), one);
    assert_row(is_lower_hex("00" + one + "00") == lower, one);
    assert_row(is_lower_hex(std::string(31, 'f') + one + std::string(31, '0')) == lower, one);
  }
  assert_true(is_hex(""));
  assert_true(is_lower_hex(""));
}

void base64_is_read(void**) {
  const struct {
    std::string_view text, bytes;
  } rows[] = {{"", ""},
              {"Zg==", "f"},
              {"Zm8=", "fo"},
              {"Zm9v", "foo"},
              {"Zm9vYg==", "foob"},
              {"Zm9vYmE=", "fooba"},
              {"Zm9vYmFy", "foobar"},
              {"AAAA", "\0\0\0"sv},
              {"/+//", "\xff\xef\xff"},
              {"+/+/", "\xfb\xff\xbf"},
              // line ends are skipped wherever they stand
              {"\n", ""},
              {"\r\n\r\n", ""},
              {"Zg==\n", "f"},
              {"Zg==\r\n", "f"},
              {"\nZg==", "f"},
              {"Z\ng\r=\n=\n", "f"},
              {"Zm9v\nYmFy\n", "foobar"},
              {"Zm9\nv", "foo"},
              // unused bits are ignored
              {"Zh==", "f"},
              {"Zm9=", "fo"},
              {"//==", "\xff"}};
  for (const auto& row : rows) {
    const auto bytes = from_base64(row.text);
    assert_row(bytes.has_value(), row.text);
    assert_row(*bytes == row.bytes, row.text);
  }
}

void the_whole_base64_alphabet_counts(void**) {
  const std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    const auto value = alphabet.find(one);
    const auto read = from_base64("AAA" + one);
    const bool line_end = one == "\r" || one == "\n";
    if (value == std::string_view::npos && one != "=") {
      assert_row(!read.has_value(), one);  // with a line end three characters are left, one too few
      assert_row(from_base64("AAAA" + one).has_value() == line_end, one);
    } else if (one != "=") {
      assert_row(*read == std::string("\0\0", 2) + static_cast<char>(value), one);
    }
  }
}

void broken_base64_is_refused(void**) {
  for (const auto text : {
           "Z"sv,        "Zg"sv,      "Zg="sv,      "Zm8"sv,    "Zm9vY"sv,
           "Zm9vYg"sv,   "Zm9vYg="sv,  // padding required
           "="sv,        "=="sv,      "==="sv,      "===="sv,   "Z==="sv,
           "Z="sv,       "Zm9v="sv,   "Zm9v===="sv,  // but not more
           "Zm8=="sv,    "Zg==="sv,   "Zg=a"sv,     "Zg=\n"sv,  "Zg==Zg=="sv,
           "Zm8=Zm8="sv, "Zg==A"sv,   "Zg==="sv,    " Zg=="sv,  "Zg== "sv,
           "Z g=="sv,    "Zg==\t"sv,  "Zm9v\v"sv,   "Zm9v\0"sv,  // no other blanks
           "-_-_"sv,     "Zm9-"sv,    "Zm9_"sv,     "Zm9,"sv,   "Zm9v%3D"sv,
           "Zm9\xc3"sv  // no URL-safe alphabet
       }) {
    assert_row(!from_base64(text).has_value(), text);
  }
}

void strict_utf8_is_told_from_other_bytes(void**) {
  const std::string_view good[] = {"",
                                   "a",
                                   "\0"sv,
                                   "\x7f",
                                   "\xc2\x80",
                                   "\xdf\xbf",
                                   "\xe0\xa0\x80",
                                   "\xed\x9f\xbf",
                                   "\xee\x80\x80",
                                   "\xef\xbf\xbf",
                                   "\xf0\x90\x80\x80",
                                   "\xf4\x8f\xbf\xbf",
                                   "\xef\xbb\xbf"};
  const std::string_view bad[] = {"\x80",
                                  "\xbf",
                                  "\xc2",
                                  "\xc2\x41",
                                  "\xc2\xc2",
                                  "\xe2\x82",
                                  "\xe2\x82\x41",
                                  "\xf0\x9f\x90",
                                  "\xf0\x9f\x90\x41",
                                  "\xc0\x80",
                                  "\xc1\xbf",
                                  "\xe0\x80\x80",
                                  "\xe0\x9f\xbf",
                                  "\xf0\x80\x80\x80",
                                  "\xf0\x8f\xbf\xbf",  // overlong
                                  "\xed\xa0\x80",
                                  "\xed\xad\xbf",
                                  "\xed\xb0\x80",
                                  "\xed\xbf\xbf",
                                  "\xed\xa0\xbd\xed\xb0\x8e",  // surrogates
                                  "\xf4\x90\x80\x80",
                                  "\xf5\x80\x80\x80",
                                  "\xf8\x88\x80\x80\x80",
                                  "\xfc\x84\x80\x80\x80\x80",
                                  "\xfe",
                                  "\xff"};
  // ASCII before and behind, as it is skipped in words.
  for (std::size_t before = 0; before < 20; ++before) {
    for (const unsigned behind : {0U, 1U, 7U, 8U, 9U}) {
      for (const auto text : good) {
        assert_row(is_utf8(std::string(before, 'x').append(text).append(behind, 'x')), text);
      }
      for (const auto text : bad) {
        assert_row(!is_utf8(std::string(before, 'x').append(text).append(behind, 'x')), text);
      }
    }
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(bytes_become_lower_case_hex),
      cmocka_unit_test(hex_of_either_case_is_read),
      cmocka_unit_test(broken_hex_is_refused),
      cmocka_unit_test(hex_digits_are_told_from_other_characters),
      cmocka_unit_test(base64_is_read),
      cmocka_unit_test(the_whole_base64_alphabet_counts),
      cmocka_unit_test(broken_base64_is_refused),
      cmocka_unit_test(strict_utf8_is_told_from_other_bytes),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
