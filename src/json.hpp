// JSON in and out by yajl, restricted to what the protocol needs: one flat object of known fields.
//
// Invariant: a value read by parse_object and written by JsonWriter is the same text byte for byte
// after decoding (NUL, quotes, non-BMP characters and all).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace wallet_sync {

// PROTOCOL "Values": what a field's JSON value may be. `null` stands for absent in each.
enum class FieldType {
  text,      // string
  sequence,  // integer literal 0 … 4294967295 without sign, fraction or exponent
  integer,   // integer literal that fits int64_t
};

struct FieldSpec {
  std::string_view name;
  FieldType type;
};

// The values of one parsed object. A missing field, null, "" and 0 are the same thing (PROTOCOL).
class Fields {
 public:
  // REQUIRES (all): `name` is one of the specs' names and has that type.
  const std::string& text(std::string_view name) const;
  std::uint32_t sequence(std::string_view name) const;
  std::int64_t integer(std::string_view name) const;

 private:
  friend struct ObjectParser;
  struct Value {
    std::string_view name;  // of the spec, which is static
    std::string text;
    std::int64_t number = 0;
  };
  const Value& find(std::string_view name) const;
  std::vector<Value> values_;
};

struct ParsedObject {
  bool well_formed = false;  // false: PROTOCOL's "not one JSON object", whatever the reason
  bool has_unknown = false;
  std::string unknown;  // the first field in the text that no spec names, decoded
  Fields fields;
};

// `specs` must be static: Fields keeps views of the names. Names match exactly or without regard to
// ASCII case; of equal names the last counts. Values of unknown fields are checked for syntax only.
ParsedObject parse_object(std::string_view body, std::span<const FieldSpec> specs);

// Whether the text stands between quotes as it is: it has no quote, no backslash and no control character.
bool is_plain(std::string_view text);

// Writes one flat object: JsonWriter().text("a", "x").number("n", 1).finish() is {"a":"x","n":1}.
// REQUIRES: texts are valid UTF-8 (all stored texts came in through parse_object).
class JsonWriter {
 public:
  JsonWriter& text(std::string_view name, std::string_view value);
  JsonWriter& number(std::string_view name, std::int64_t value);
  JsonWriter& boolean(std::string_view name, bool value);
  std::string finish();

 private:
  void begin_member(std::string_view name);
  std::string out_ = "{";
};

}  // namespace wallet_sync
