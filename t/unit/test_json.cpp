// Bodies in, replies out: what counts as one JSON object, and that texts survive byte for byte.
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>

#include "cmocka.hpp"
#include "json.hpp"

using namespace std::literals;
using namespace wallet_sync;

namespace {

constexpr FieldSpec kSpecs[] = {{"a", FieldType::text},
                                {"clientSaltSeed", FieldType::text},
                                {"sequence", FieldType::sequence},
                                {"version", FieldType::integer}};

ParsedObject parse(std::string_view body) { return parse_object(body, kSpecs); }

bool malformed(std::string_view body) { return !parse(body).well_formed; }

std::string text_of(std::string_view body) {
  const auto parsed = parse(body);
  return parsed.well_formed ? parsed.fields.text("a") : "malformed: " + std::string(body);
}

std::string utf8(std::uint32_t c) {
  const auto tail = [c](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), tail(0)};
  if (c < 0x10000) return {static_cast<char>(0xe0 | c >> 12), tail(6), tail(0)};
  return {static_cast<char>(0xf0 | c >> 18), tail(12), tail(6), tail(0)};
}

std::string escaped(std::uint32_t c, const char* format) {
  char text[16];
  if (c < 0x10000) {
    std::snprintf(text, sizeof text, format, c);
    return text;
  }
  return escaped(0xd800 + ((c - 0x10000) >> 10), format) + escaped(0xdc00 + ((c - 0x10000) & 0x3ff), format);
}

// Calls `check` with the code points in blocks; surrogates are none.
template <typename Check>
void for_all_code_points(Check check) {
  for (std::uint32_t block = 0; block < 0x110000; block += 0x800) {
    if (block != 0xd800) check(block, block + 0x800);
  }
}

void the_fields_of_an_object_are_read(void**) {
  const auto parsed = parse(R"({"a":"x","clientSaltSeed":"00ff","sequence":17,"version":-1})");
  assert_true(parsed.well_formed);
  assert_false(parsed.has_unknown);
  assert_text(parsed.unknown, "");
  assert_text(parsed.fields.text("a"), "x");
  assert_text(parsed.fields.text("clientSaltSeed"), "00ff");
  assert_int_equal(parsed.fields.sequence("sequence"), 17);
  assert_int_equal(parsed.fields.integer("version"), -1);
}

void blanks_are_allowed_between_tokens(void**) {
  const auto parsed =
      parse(" \t\r\n{ \t\r\n\"a\" \t\r\n: \t\r\n\"x\" \t\r\n, \t\r\n\"sequence\" : 1 \t\r\n} \t\r\n");
  assert_true(parsed.well_formed);
  assert_text(parsed.fields.text("a"), "x");
  assert_int_equal(parsed.fields.sequence("sequence"), 1);
}

void missing_null_and_empty_are_the_same(void**) {
  for (const auto body : {"{}"sv, R"({"a":null,"sequence":null,"version":null})"sv,
                          R"({"a":"","sequence":0,"version":0})"sv, R"({"version":-0})"sv}) {
    const auto parsed = parse(body);
    assert_row(parsed.well_formed && !parsed.has_unknown, body);
    assert_text(parsed.fields.text("a"), "");
    assert_int_equal(parsed.fields.sequence("sequence"), 0);
    assert_int_equal(parsed.fields.integer("version"), 0);
  }
}

void of_equal_names_the_last_counts(void**) {
  assert_text(text_of(R"({"a":"x","a":"y"})"), "y");
  assert_text(text_of(R"({"a":"x","A":"y"})"), "y");
  assert_text(text_of(R"({"A":"x","a":"y"})"), "y");
  assert_text(text_of(R"({"a":"xyz","a":""})"), "");
  assert_text(text_of(R"({"a":"x","a":null})"), "");
  assert_text(text_of(R"({"a":null,"a":"x"})"), "x");
  assert_int_equal(parse(R"({"sequence":1,"SEQUENCE":2})").fields.sequence("sequence"), 2);
  assert_int_equal(parse(R"({"sequence":1,"sequence":null})").fields.sequence("sequence"), 0);
  assert_true(malformed(R"({"a":1,"a":"x"})"));  // a wrong type stays wrong
  assert_true(malformed(R"({"a":"x","A":1})"));
}

void names_match_without_regard_to_ascii_case(void**) {
  for (const auto name : {"clientSaltSeed"sv, "clientsaltseed"sv, "CLIENTSALTSEED"sv, "cLIENTsALTsEED"sv,
                          R"(\u0063lient\u0053altSeed)"sv, R"(client\u0073alt\u0053eed)"sv}) {
    const auto parsed = parse("{\"" + std::string(name) + "\":\"x\"}");
    assert_row(parsed.well_formed && !parsed.has_unknown, name);
    assert_text(parsed.fields.text("clientSaltSeed"), "x");
  }
  for (const auto name : {"clientSaltSee"sv, "clientSaltSeedd"sv, " clientSaltSeed"sv, "client_salt_seed"sv,
                          "client\xc5\xbf"
                          "altSeed"sv,  // long s is an s only beyond ASCII
                          "@"sv, "!"sv, "\xc3\xa1"sv, ""sv}) {
    const auto parsed = parse("{\"" + std::string(name) + "\":\"x\"}");
    assert_row(parsed.well_formed && parsed.has_unknown, name);
    assert_text(parsed.unknown, name);
    assert_text(parsed.fields.text("clientSaltSeed"), "");
  }
}

void an_exact_name_goes_before_one_of_another_case(void**) {
  static constexpr FieldSpec kBoth[] = {{"Name", FieldType::text}, {"name", FieldType::text}};
  const auto parsed = parse_object(R"({"name":"lower","Name":"upper"})", kBoth);
  assert_text(parsed.fields.text("name"), "lower");
  assert_text(parsed.fields.text("Name"), "upper");
}

void the_first_unknown_field_in_the_text_is_told(void**) {
  const struct {
    std::string_view body, name;
  } rows[] = {{R"({"x":1})", "x"},
              {R"({"a":"1","x":1,"y":2})", "x"},
              {R"({"y":1,"x":2,"a":"z"})", "y"},
              {R"({"x":{"y":1,"a":2},"z":1})", "x"},
              {R"({"x":[{"y":1}],"z":1})", "x"},
              {R"({"":1,"z":1})", ""},
              {R"({"\u0000\"\\\ud83d\udc0e":1})", "\0\"\\\xf0\x9f\x90\x8e"sv},
              {R"({"a ":"1"})", "a "}};
  for (const auto& row : rows) {
    const auto parsed = parse(row.body);
    assert_row(parsed.well_formed && parsed.has_unknown, row.body);
    assert_text(parsed.unknown, row.name);
  }
}

void unknown_fields_may_hold_anything(void**) {
  for (const auto value :
       {"1"sv, "-1"sv, "0"sv, "-0"sv, "0.5"sv, "-1.25e-10"sv, "1E+400"sv, "1e99999999999999"sv, "true"sv,
        "false"sv, "null"sv, "\"\""sv, "[]"sv, "{}"sv, "[[],{}]"sv,
        R"({"a":1,"sequence":"x","version":[]})"sv, R"([1,"x",null,true,{"a":{"a":{}}}])"sv,
        "123456789012345678901234567890123456789012345678901234567890"sv, R"({"a":5,"a":5})"sv}) {
    const auto body = R"({"a":"kept","sequence":3,"x":)" + std::string(value) + R"(,"version":7})";
    const auto parsed = parse(body);
    assert_row(parsed.well_formed && parsed.has_unknown, value);
    assert_text(parsed.unknown, "x");
    assert_text(parsed.fields.text("a"), "kept");
    assert_int_equal(parsed.fields.sequence("sequence"), 3);
    assert_int_equal(parsed.fields.integer("version"), 7);
  }
}

void a_known_field_of_the_wrong_type_is_malformed(void**) {
  for (const auto field :
       {R"("a":1)"sv,           R"("a":0)"sv,           R"("a":true)"sv,       R"("a":false)"sv,
        R"("a":{})"sv,          R"("a":[])"sv,          R"("a":["x"])"sv,      R"("a":{"a":"x"})"sv,
        R"("A":1)"sv,           R"("\u0061":1)"sv,      R"("sequence":"1")"sv, R"("sequence":"")"sv,
        R"("sequence":true)"sv, R"("sequence":[1])"sv,  R"("sequence":{})"sv,  R"("SEQUENCE":"1")"sv,
        R"("version":"1")"sv,   R"("version":false)"sv, R"("version":[])"sv,   R"("version":{})"sv}) {
    assert_row(malformed("{" + std::string(field) + "}"), field);
    assert_row(malformed("{\"unknown\":{\"x\":[1]}," + std::string(field) + "}"), field);
    assert_row(malformed("{" + std::string(field) + ",\"unknown\":1}"), field);
  }
}

void a_sequence_is_a_plain_integer_literal(void**) {
  const struct {
    std::string_view literal;
    std::uint32_t value;
  } rows[] = {
      {"0", 0}, {"1", 1}, {"9", 9}, {"10", 10}, {"2147483648", 2147483648}, {"4294967295", 4294967295}};
  for (const auto& row : rows) {
    const auto parsed = parse("{\"sequence\":" + std::string(row.literal) + "}");
    assert_row(parsed.well_formed, row.literal);
    assert_true(parsed.fields.sequence("sequence") == row.value);
  }
  for (const auto literal : {"-0"sv,
                             "-1"sv,
                             "+1"sv,
                             "1.0"sv,
                             "1.5"sv,
                             "0.0"sv,
                             "1e0"sv,
                             "1E0"sv,
                             "1e+1"sv,
                             "10e-1"sv,
                             "4294967296"sv,
                             "4294967297"sv,
                             "18446744073709551617"sv,
                             "01"sv,
                             "00"sv,
                             "1_000"sv,
                             "0x1"sv,
                             "1a"sv,
                             "99999999999999999999999999"sv,
                             "1e400"sv,
                             "NaN"sv,
                             "Infinity"sv}) {
    assert_row(malformed("{\"sequence\":" + std::string(literal) + "}"), literal);
  }
}

void an_integer_has_64_bits(void**) {
  const struct {
    std::string_view literal;
    std::int64_t value;
  } rows[] = {{"1", 1},
              {"-1", -1},
              {"4294967296", 4294967296},
              {"9223372036854775807", std::numeric_limits<std::int64_t>::max()},
              {"-9223372036854775808", std::numeric_limits<std::int64_t>::min()}};
  for (const auto& row : rows) {
    const auto parsed = parse("{\"version\":" + std::string(row.literal) + "}");
    assert_row(parsed.well_formed, row.literal);
    assert_true(parsed.fields.integer("version") == row.value);
  }
  for (const auto literal :
       {"1.0"sv, "1e0"sv, "-1.0"sv, "9223372036854775808"sv, "-9223372036854775809"sv, "01"sv}) {
    assert_row(malformed("{\"version\":" + std::string(literal) + "}"), literal);
  }
}

void whatever_is_not_one_object_is_malformed(void**) {
  for (const auto body :
       {""sv, " "sv, "\n"sv, "null"sv, "true"sv, "false"sv, "1"sv, "-1.5e3"sv, "\"a\""sv, "[]"sv, "[{}]"sv,
        "[[]]"sv, "{"sv, "}"sv, "{}}"sv, "{{}}"sv, "{]"sv, "x"sv, "\0"sv, "{}\0"sv, "\0{}"sv,
        // behind the object
        "{}{}"sv, "{} {}"sv, "{}1"sv, "{},"sv, "{} x"sv, "{}]"sv, "{}\""sv, "{} \"x"sv, "{} \"x\""sv,
        "{} \"}"sv, "{}/"sv, "{}//"sv, "{}\v"sv, "{}\f"sv, "{}-"sv, "{} t"sv, "{} nul"sv, "{}\xc3"sv,
        "{}\xc2\xa0"sv, "{}\xef\xbb\xbf"sv, "{}\\"sv,
        // before it
        "\xef\xbb\xbf{}"sv, "\xef\xbb\xbf"sv, "\xfe\xff\0{\0}"sv, "\v{}"sv, "\f{}"sv, "\xc2\xa0{}"sv,
        "/**/{}"sv, "//x\n{}"sv, ",{}"sv, "\x1e{}"sv,
        // inside
        "{\"a\"}"sv, "{\"a\":}"sv, "{\"a\":,}"sv, "{:\"x\"}"sv, "{\"a\" \"x\"}"sv, "{\"a\":\"x\",}"sv,
        "{,\"a\":\"x\"}"sv, "{\"a\":\"x\",,\"x\":1}"sv, "{\"a\":\"x\" \"x\":1}"sv, "{\"a\"::\"x\"}"sv,
        "{\"a\":\"x\"]"sv, "{a:\"x\"}"sv, "{'a':'x'}"sv, "{\"a\":'x'}"sv, "{\"a\":x}"sv, "{1:\"x\"}"sv,
        "{null:\"x\"}"sv, "{[]:1}"sv, "{{}:1}"sv, "{\"a\":\"x\""sv, "{\"a\":\"x\","sv, "{\"a\":\"x"sv,
        "{\"a\":"sv, "{\"a\""sv, "{\"a"sv, "{\"a\":\"x\\\"}"sv, "{\"a\":/**/\"x\"}"sv, "{\"a\":\"x\"/**/}"sv,
        "{//x\n\"a\":\"x\"}"sv, "{\"a\":\"x\"}//"sv, "{\"a\":\v\"x\"}"sv, "{\f\"a\":\"x\"}"sv,
        "{\"a\":\xc2\xa0\"x\"}"sv, "{\"a\":\0\"x\"}"sv, "{\"a\":\"x\"\"y\"}"sv, "{\"a\":\\u0022x\"}"sv,
        "{\\u0022a\":\"x\"}"sv,
        // values of unknown fields
        "{\"x\":[1,]}"sv, "{\"x\":[,1]}"sv, "{\"x\":[1 2]}"sv, "{\"x\":[}"sv, "{\"x\":{]}"sv, "{\"x\":[1}"sv,
        "{\"x\":[1}]"sv, "{\"x\":{\"y\"}}"sv, "{\"x\":{\"y\":1,}}"sv, "{\"x\":{1}}"sv, "{\"x\":[\"y\":1]}"sv,
        "{\"x\":[1,,2]}"sv, "{\"x\":[]]}"sv, "{\"x\":{}}}"sv, "{\"x\":tru}"sv, "{\"x\":True}"sv,
        "{\"x\":TRUE}"sv, "{\"x\":truee}"sv, "{\"x\":nul}"sv, "{\"x\":nulll}"sv, "{\"x\":None}"sv,
        "{\"x\":undefined}"sv, "{\"x\":NaN}"sv, "{\"x\":Infinity}"sv, "{\"x\":-Infinity}"sv,
        "{\"x\":truefalse}"sv}) {
    assert_row(malformed(body), body);
  }
}

void malformed_numbers_are_malformed_in_unknown_fields_too(void**) {
  for (const auto literal : {"01"sv,  "-01"sv, "00"sv,   "-"sv,     "+"sv,     "+1"sv,    "--1"sv,
                             "1."sv,  "-1."sv, "1.e1"sv, ".5"sv,    "-.5"sv,   "1e"sv,    "1E"sv,
                             "1e+"sv, "1e-"sv, "1.5e"sv, "1e1.5"sv, "1.2.3"sv, "0x10"sv,  "1f"sv,
                             "1 2"sv, "0b1"sv, "0o7"sv,  "1e1e1"sv, "- 1"sv,   "1,000"sv, "\xef\xbc\x91"sv}) {
    assert_row(malformed("{\"x\":" + std::string(literal) + "}"), literal);
    assert_row(malformed("{\"x\":[" + std::string(literal) + "]}"), literal);
  }
}

void malformed_strings_are_malformed_wherever_they_stand(void**) {
  const std::string_view bad[] = {
      // escapes
      "\\", "\\x", "\\a", "\\v", "\\0", "\\'", "\\ ", "\\U0041", "\\N", "\\B", "\\u", "\\u0", "\\u00",
      "\\u004", "\\u004g", "\\u-041", "\\u+041", "\\u 041", "\\u0x41", "\\u00 4", "\\\n", "\\\xc3\xbc",
      "\\u{41}",
      // surrogates that are no pair
      "\\ud800", "\\uD83D", "\\udbff", "\\udc00", "\\uDFFF", "\\ud83dx", "\\ud83d \\udc0e", "\\ud83d\\n",
      "\\ud83d\\\\", "\\udc0e\\ud83d", "\\udc0e\\udc0e", "\\ud83d\\ud83d", "\\ud83d\\u0041",
      "\\ud83d\\ud83d\\udc0e", "\\ud83d\\udc0e\\udc0e", "\\ud83d\\udc0", "\\ud83d\\xdc0e", "\\ud83d\\\\udc0e",
      "\\ud83d\\ue000", "\\ud83d\\udbff", "\\\\\\ud83d",
      // bytes that are not UTF-8
      "\x80", "\xff", "\xc3", "\xc3x", "\xe2\x82", "\xf0\x9f\x90", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf",
      "\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xed\xb0\x80", "\xed\xa0\xbd\xed\xb0\x8e", "\xf4\x90\x80\x80",
      "\xf8\x88\x80\x80\x80", "j\xfcrgen"};
  const auto refused_everywhere = [](const std::string& text) {
    assert_row(malformed("{\"a\":\"" + text + "\"}"), text);
    assert_row(malformed("{\"a\":\"some more text " + text + " and more\"}"), text);
    assert_row(malformed("{\"a\":\"\",\"" + text + "\":1}"), text);
    assert_row(malformed("{\"x\":\"" + text + "\"}"), text);
    assert_row(malformed("{\"x\":[{\"" + text + "\":1}]}"), text);
    assert_row(malformed("{\"x\":{\"y\":[\"" + text + "\"]}}"), text);
  };
  for (const auto text : bad) refused_everywhere(std::string(text));
  for (char c = 0; c < 0x20; ++c) refused_everywhere(std::string(1, c));
}

void escapes_are_decoded(void**) {
  assert_text(text_of(R"({"a":"\"\\\/\b\f\n\r\t"})"), "\"\\/\b\f\n\r\t");
  assert_text(text_of(R"({"a":"\u0041\u00e9\u20ac\ud83d\udc0e\uD83D\uDC0E"})"),
              "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x8e\xf0\x9f\x90\x8e");
  assert_text(text_of(R"({"a":"x\u0000y\u0000"})"), "x\0y\0"sv);
  assert_text(text_of(R"({"a":"\\ud83d"})"), "\\ud83d");  // an escaped backslash, then plain text
  assert_text(text_of(R"({"a":"\\\\u0041\\\u0041"})"), "\\\\u0041\\A");
  assert_text(text_of(R"({"a":"\u005cu0041"})"), "\\u0041");  // decoded once
  assert_text(text_of(R"({"a":"\ud800\udc00\udbff\udfff"})"), "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
  assert_text(text_of("{\"a\":\"\x7f/'<>&\xe2\x80\xa8\"}"), "\x7f/'<>&\xe2\x80\xa8");
  assert_text(text_of("{\"a\":\"\xef\xbb\xbf\"}"), "\xef\xbb\xbf");  // inside a text it is a character
}

void every_code_point_survives_the_round_trip(void**) {
  for_all_code_points([](std::uint32_t from, std::uint32_t to) {
    std::string text;
    for (auto c = from; c < to; ++c) text += utf8(c);
    const auto body = JsonWriter().text("a", text).finish();
    assert_row(text_of(body) == text, body);
    assert_row(JsonWriter().text("a", text_of(body)).finish() == body, body);
  });
}

void every_code_point_may_be_sent_as_an_escape(void**) {
  for_all_code_points([](std::uint32_t from, std::uint32_t to) {
    std::string text, upper, lower;
    for (auto c = from; c < to; ++c) {
      text += utf8(c);
      upper += escaped(c, "\\u%04X");
      lower += escaped(c, "\\u%04x");
    }
    assert_row(text_of("{\"a\":\"" + upper + "\"}") == text, upper);
    assert_row(text_of("{\"a\":\"" + lower + "\"}") == text, lower);
    assert_row(text_of("{\"\\u0061\":\"" + lower + "\"}") == text, lower);
  });
}

std::string nested(std::string_view open, std::string_view inmost, std::string_view close, int times) {
  std::string body = "{\"x\":";
  for (int i = 0; i < times; ++i) body += open;
  body += inmost;
  for (int i = 0; i < times; ++i) body += close;
  return body + "}";
}

void nesting_is_fine_to_10000_and_no_deeper(void**) {
  assert_false(malformed(nested("[", "", "]", 9'999)));
  assert_false(malformed(nested("[", "1", "]", 9'999)));
  assert_true(malformed(nested("[", "", "]", 10'000)));
  assert_false(malformed(nested("{\"x\":", "1", "}", 9'999)));
  assert_true(malformed(nested("{\"x\":", "1", "}", 10'000)));
  assert_false(malformed(nested("{\"x\":", "{}", "}", 9'998)));
  assert_true(malformed(nested("{\"x\":", "{}", "}", 9'999)));
  assert_true(malformed(nested("[", "", "]", 49'000)));
  assert_true(malformed(nested("[", "", "", 99'000)));
  assert_true(malformed(std::string(99'000, '{')));
  assert_true(malformed(std::string(99'000, '[')));
  // It is depth that counts, not the number of values.
  std::string wide = "{\"x\":[[]";
  for (int i = 0; i < 20'000; ++i) wide += ",[]";
  assert_false(malformed(wide + "]}"));
}

void fields_behind_a_deep_value_are_read(void**) {
  auto body = nested("[", "", "]", 9'999);
  body.pop_back();
  assert_text(text_of(body + ",\"a\":\"x\"}"), "x");
}

void a_large_text_survives(void**) {
  const std::string plain(99'000, 'x');
  assert_true(text_of("{\"a\":\"" + plain + "\"}") == plain);
  std::string mixed;
  while (mixed.size() < 90'000) mixed += "line\n\"quoted\" \\ \xf0\x9f\x90\x8e/\0"sv;
  assert_true(text_of(JsonWriter().text("a", mixed).finish()) == mixed);
}

void the_result_does_not_need_the_body(void**) {
  std::string body =
      R"({"a":"a text that is too long to be stored inside the string object","a long unknown name":1})";
  const auto parsed = parse(body);
  body.assign(body.size(), '#');
  assert_text(parsed.fields.text("a"), "a text that is too long to be stored inside the string object");
  assert_text(parsed.unknown, "a long unknown name");
}

void an_object_is_written_in_order_without_blanks(void**) {
  assert_text(JsonWriter().finish(), "{}");
  assert_text(JsonWriter().text("a", "x").number("n", 1).boolean("t", true).boolean("f", false).finish(),
              R"({"a":"x","n":1,"t":true,"f":false})");
  assert_text(JsonWriter().text("", "").text("x", {}).finish(), R"({"":"","x":""})");
  assert_text(JsonWriter().number("a", 0).number("b", -1).number("c", 4294967295).finish(),
              R"({"a":0,"b":-1,"c":4294967295})");
  assert_text(JsonWriter()
                  .number("max", std::numeric_limits<std::int64_t>::max())
                  .number("min", std::numeric_limits<std::int64_t>::min())
                  .finish(),
              R"({"max":9223372036854775807,"min":-9223372036854775808})");
}

void only_what_must_be_escaped_is_escaped(void**) {
  assert_text(JsonWriter().text("a", "\0\x01\x1f"sv).finish(), R"({"a":"\u0000\u0001\u001F"})");
  assert_text(JsonWriter().text("a", "\"\\\b\f\n\r\t").finish(), R"({"a":"\"\\\b\f\n\r\t"})");
  assert_text(JsonWriter().text("a", "/</b>&'\x7f\xe2\x80\xa8\xf0\x9f\x90\x8e").finish(),
              "{\"a\":\"/</b>&'\x7f\xe2\x80\xa8\xf0\x9f\x90\x8e\"}");
  assert_text(JsonWriter().text("\"\n\0"sv, "x").number("\t", 1).finish(), R"({"\"\n\u0000":"x","\t":1})");
}

// At each place of a text that is longer than a block.
void a_text_is_plain_if_it_needs_no_escape(void**) {
  for (const std::size_t size : {0U, 1U, 63U, 64U, 65U, 200U}) {
    const std::string plain(size, '\xe2');
    assert_true(is_plain(plain));
    for (std::size_t i = 0; i < size; ++i) {
      for (const char special : {'"', '\\', '\0', '\x1f', '\n'}) {
        std::string text = plain;
        text[i] = special;
        assert_row(!is_plain(text), text);
      }
      for (const char harmless : {' ', '\x7f', '/', '\xff', '!', '#'}) {
        std::string text = plain;
        text[i] = harmless;
        assert_row(is_plain(text), text);
      }
    }
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_fields_of_an_object_are_read),
      cmocka_unit_test(blanks_are_allowed_between_tokens),
      cmocka_unit_test(missing_null_and_empty_are_the_same),
      cmocka_unit_test(of_equal_names_the_last_counts),
      cmocka_unit_test(names_match_without_regard_to_ascii_case),
      cmocka_unit_test(an_exact_name_goes_before_one_of_another_case),
      cmocka_unit_test(the_first_unknown_field_in_the_text_is_told),
      cmocka_unit_test(unknown_fields_may_hold_anything),
      cmocka_unit_test(a_known_field_of_the_wrong_type_is_malformed),
      cmocka_unit_test(a_sequence_is_a_plain_integer_literal),
      cmocka_unit_test(an_integer_has_64_bits),
      cmocka_unit_test(whatever_is_not_one_object_is_malformed),
      cmocka_unit_test(malformed_numbers_are_malformed_in_unknown_fields_too),
      cmocka_unit_test(malformed_strings_are_malformed_wherever_they_stand),
      cmocka_unit_test(escapes_are_decoded),
      cmocka_unit_test(every_code_point_survives_the_round_trip),
      cmocka_unit_test(every_code_point_may_be_sent_as_an_escape),
      cmocka_unit_test(nesting_is_fine_to_10000_and_no_deeper),
      cmocka_unit_test(fields_behind_a_deep_value_are_read),
      cmocka_unit_test(a_large_text_survives),
      cmocka_unit_test(the_result_does_not_need_the_body),
      cmocka_unit_test(an_object_is_written_in_order_without_blanks),
      cmocka_unit_test(only_what_must_be_escaped_is_escaped),
      cmocka_unit_test(a_text_is_plain_if_it_needs_no_escape),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
