// E-mail addresses: what is one, and when two are the same account.
#include <string>
#include <string_view>

#include "cmocka.hpp"
#include "email.hpp"

using namespace std::literals;
using wallet_sync::Email;

namespace {

void one_bare_address_is_accepted_as_written(void**) {
  const std::string_view good[] = {"a@b",
                                   "abc@example.com",
                                   "first.last@example.com",
                                   "a.b.c.d@e.f.g.h",
                                   "A@B.C",
                                   "user+tag@example.com",
                                   "!#$%&'*+-/=?^_`{|}~@example.com",  // all of atext
                                   "a@!#$%&'*+-/=?^_`{|}~",            // on either side
                                   "a%b@example.com",
                                   "a@b%c",
                                   "1@2",
                                   "1.2@127.0.0.1",
                                   "-@-",
                                   "a@-b-.c",
                                   "a@localhost",
                                   "_@_",
                                   "j\xc3\xbcrgen@example.com",
                                   "a@b\xc3\xbc"
                                   "cher.example",
                                   "\xe7\x94\xa8\xe6\x88\xb7@\xe4\xbe\x8b.\xe6\xb5\x8b",
                                   "\xf0\x9f\x90\x8e@\xf0\x9f\x90\x8e",
                                   "\xf4\x8f\xbf\xbf@x",
                                   "\xc2\x80@x",
                                   "\xef\xbf\xbf@x",
                                   "=?utf-8?q?x?=@x"};
  for (const auto text : good) {
    const auto email = Email::parse(text);
    assert_row(email.has_value(), text);
    assert_row(email->spelling() == text, text);
  }
  const std::string longest = std::string(50'000, 'a') + "@" + std::string(40'000, 'b');
  assert_true(Email::parse(longest).has_value());
}

void anything_but_one_bare_address_is_refused(void**) {
  const std::string_view bad[] = {
      "", "@", "a", "a@", "@b", "a.b", "a@b@c", "a@@b", "@a@b",
      // dots
      ".a@b", "a.@b", "a..b@c", "a@.b", "a@b.", "a@b..c", ".@b", "a@.", "a@b.c.", "..@..",
      // blanks, around and inside
      " a@b", "a@b ", "\ta@b", "a@b\t", "a@b\n", "a@b\r\n", "\na@b", "a b@c", "a@b c", "a @b", "a@ b",
      "a@b\r\n c",
      // display name, angle brackets, comments, groups, lists
      "<a@b>", "A <a@b>", "\"A\" <a@b>", "A<a@b>", "a@b (A)", "(A)a@b", "a(A)@b", "a@(A)b", "g:a@b;", "g:;",
      "a@b,c@d", "a@b;c@d", "a@b,", "mailto:a@b",
      // quoted local part, domain literal, quoted pair
      "\"a\"@b", "\"a b\"@c", "\"a\".b@c", "\"\"@b", "a@[127.0.0.1]", "a@[IPv6:::1]", "a@[b]", "a\\b@c",
      "a@b\\",
      // what else is not atext
      "a[b@c", "a]b@c", "a,b@c", "a:b@c", "a;b@c", "a<b@c", "a>b@c", "a\"b@c", "a(b@c", "a)b@c", "a@b:25",
      // control characters
      "a\0b@c"sv, "a@b\0"sv, "\0@b"sv, "a\x01@b", "a@b\x1f", "a\x7f@b", "a@\x7f",
      // not UTF-8: stray, cut, overlong, surrogate, too big
      "\x80@b", "a@\xff", "a\xc3@b", "a@b\xc3", "a@b\xe2\x82", "a@b\xf0\x9f\x90", "\xc0\xaf@b", "a@\xc1\xa1",
      "\xe0\x80\xaf@b", "\xf0\x80\x80\xaf@b", "\xed\xa0\x80@b", "a@\xed\xbf\xbf", "\xf4\x90\x80\x80@b",
      "\xf8\x88\x80\x80\x80@b", "j\xfcrgen@example.com"};
  for (const auto text : bad) assert_row(!Email::parse(text).has_value(), text);
}

void every_ascii_character_is_judged_alike_in_both_parts(void**) {
  const std::string_view atext =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~";
  for (int c = 0; c < 128; ++c) {
    const std::string s(1, static_cast<char>(c));
    const bool allowed = atext.find(s) != std::string_view::npos;
    assert_row(Email::parse("a" + s + "a@b").has_value() == (allowed || s == "."), s);
    assert_row(Email::parse("a@b" + s + "b").has_value() == (allowed || s == "."), s);
    assert_row(Email::parse(s + "@b").has_value() == allowed, s);
    assert_row(Email::parse("a@" + s).has_value() == allowed, s);
  }
}

void the_lower_cased_address_is_the_account(void**) {
  const struct {
    std::string_view spelling, normalized;
  } rows[] = {{"abc@example.com", "abc@example.com"},
              {"AbC@Example.COM", "abc@example.com"},
              {"AZ[]@x", ""},  // refused; the neighbours of the letters in ASCII follow
              {"AZ^_`{|}~@X", "az^_`{|}~@x"},
              {"\xc3\x9c@\xc3\x84", "\xc3\xbc@\xc3\xa4"},                    // Ü Ä
              {"\xce\xa3\xce\x91\xce\xa3@x", "\xcf\x83\xce\xb1\xcf\x83@x"},  // no final sigma: simple mapping
              {"\xd0\x96@\xd0\xaf", "\xd0\xb6@\xd1\x8f"},                    // Cyrillic
              {"I@X", "i@x"},                                                // in every locale
              {"\xe2\x84\xab@x", "\xc3\xa5@x"},                              // Angstrom sign
              {"\xc8\xba@x", "\xe2\xb1\xa5@x"},                              // U+023A: two bytes become three
              {"\xe1\xba\x9e@x", "\xc3\x9f@x"},                              // capital sharp s
              {"\xc3\x9f@x", "\xc3\x9f@x"},                                  // no folding to ss
              {"\xc5\xbf@x", "\xc5\xbf@x"},                                  // long s is lower case already
              {"\xc7\x85@x", "\xc7\x86@x"},                                  // title case
              {"\xf0\x90\x90\x80@x", "\xf0\x90\x90\xa8@x"},                  // Deseret, beyond the BMP
              {"e\xcc\x81@x", "e\xcc\x81@x"},                                // no composition
              {"\xf0\x9f\x90\x8e@X", "\xf0\x9f\x90\x8e@x"}};
  for (const auto& row : rows) {
    const auto email = Email::parse(row.spelling);
    if (row.normalized.empty()) {
      assert_row(!email.has_value(), row.spelling);
      continue;
    }
    assert_row(email.has_value(), row.spelling);
    assert_text(email->normalized(), row.normalized);
    assert_text(email->spelling(), row.spelling);
  }
}

// Their lower case is an ASCII letter, so that the address of one owner would be the account of another:
// U+0130 (I with a dot) and U+212A (Kelvin sign).
void look_alikes_of_ascii_letters_are_refused(void**) {
  for (const std::string_view text :
       {"\xc4\xb0@x"sv, "mike@g\xc4\xb0thub.com"sv, "m\xc4\xb0ke@github.com"sv, "\xe2\x84\xaa@x"sv,
        "a@\xe2\x84\xaa"sv, "j\xc3\xbcrgen@g\xc4\xb0thub.com"sv,
        "\xe2\x84\xaa@b\xc3\xbc"
        "cher.example"sv}) {
    assert_row(!Email::parse(text).has_value(), text);
  }
  for (const std::string_view text : {"\xc4\xb1@x"sv, "\xc3\x84@x"sv, "\xe2\x84\xab@x"sv, "\xc5\xbf@x"sv}) {
    assert_row(Email::parse(text).has_value(), text);  // dotless i, A umlaut, Angstrom sign, long s
  }
}

// Every character there is: what differs from ASCII as it is written, differs from it as an account.
void no_address_beyond_ascii_is_the_account_of_one_within(void**) {
  for (std::uint32_t c = 0x80; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c < 0xE000) continue;
    std::string text;
    if (c < 0x800) {
      text = {static_cast<char>(0xC0 | c >> 6)};
    } else if (c < 0x10000) {
      text = {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63))};
    } else {
      text = {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 63)),
              static_cast<char>(0x80 | (c >> 6 & 63))};
    }
    text += static_cast<char>(0x80 | (c & 63));
    const auto email = Email::parse("a@" + text);
    if (email) {
      assert_row(static_cast<unsigned char>(email->normalized()[2]) >= 0x80, text);
    }
  }
}

void an_address_is_recognized_in_any_spelling(void**) {
  const auto email = Email::parse("J\xc3\xbcrgen@Example.com");
  for (const std::string_view text :
       {"J\xc3\xbcrgen@Example.com"sv, "j\xc3\xbcrgen@example.com"sv, "J\xc3\x9cRGEN@EXAMPLE.COM"sv}) {
    assert_row(email->is_also_spelled(text), text);
  }
  for (const std::string_view text :
       {""sv, "jurgen@example.com"sv, "j\xc3\xbcrgen@example.co"sv, "j\xc3\xbcrgen@example.com "sv, "\xff"sv,
        "j\xc3\xbcrgen@example.com\0"sv}) {
    assert_row(!email->is_also_spelled(text), text);
  }
  assert_true(Email::parse("ann@example.com")->is_also_spelled("ann@example.com"));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(one_bare_address_is_accepted_as_written),
      cmocka_unit_test(anything_but_one_bare_address_is_refused),
      cmocka_unit_test(every_ascii_character_is_judged_alike_in_both_parts),
      cmocka_unit_test(the_lower_cased_address_is_the_account),
      cmocka_unit_test(look_alikes_of_ascii_letters_are_refused),
      cmocka_unit_test(no_address_beyond_ascii_is_the_account_of_one_within),
      cmocka_unit_test(an_address_is_recognized_in_any_spelling),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
