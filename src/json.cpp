#include "json.hpp"

#include <yajl/yajl_gen.h>
#include <yajl/yajl_parse.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>

#include "encoding.hpp"

namespace wallet_sync {
namespace {

constexpr std::size_t kMaxDepth = 10'000;

// yajl does not look at what its allocator returns: without memory we stop rather than misjudge a body.
void* checked(void* memory) {
  if (memory == nullptr) std::abort();
  return memory;
}
yajl_alloc_funcs allocator = {
    .malloc = [](void*, std::size_t size) { return checked(std::malloc(size)); },
    .realloc = [](void*, void* old, std::size_t size) { return checked(std::realloc(old, size)); },
    .free = [](void*, void* memory) { std::free(memory); },
    .ctx = nullptr,
};

bool equal_ignoring_ascii_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

// The UTF-16 unit of the \uXXXX at `at`; nullopt if there is none.
std::optional<unsigned> unicode_escape(std::string_view body, std::size_t at) {
  constexpr std::size_t kLength = 6;
  if (at + kLength > body.size() || body[at] != '\\' || body[at + 1] != 'u') return std::nullopt;
  unsigned unit = 0;
  const char* const end = body.data() + at + kLength;
  const auto [stop, error] = std::from_chars(end - 4, end, unit, 16);
  if (error != std::errc() || stop != end) return std::nullopt;
  return unit;
}

// yajl decodes an escaped lone surrogate to '?': the text would not come back as it was sent.
bool surrogates_are_paired(std::string_view body) {
  for (std::size_t at = body.find('\\'); at != std::string_view::npos; at = body.find('\\', at)) {
    const auto unit = unicode_escape(body, at);
    if (!unit) {
      at += 2;  // another escape, or a broken one that yajl refuses
      continue;
    }
    at += 6;
    if ((*unit & 0xf800) != 0xd800) continue;
    const auto second = unicode_escape(body, at);
    if (*unit >= 0xdc00 || !second || (*second & 0xfc00) != 0xdc00) return false;
    at += 6;
  }
  return true;
}

// Where yajl is laxer than RFC 8259. It takes vertical tab and form feed for blanks.
bool passes_checks_yajl_lacks(std::string_view body) {
  return body.find('\v') == std::string_view::npos && body.find('\f') == std::string_view::npos &&
         surrogates_are_paired(body) && is_utf8(body);
}

template <typename Integer>
bool read_integer(std::string_view literal, std::int64_t& number) {
  Integer value = 0;
  const char* const end = literal.data() + literal.size();
  const auto [stop, error] = std::from_chars(literal.data(), end, value);
  number = value;
  return error == std::errc() && stop == end;
}

}  // namespace

// The state of one yajl run. A callback that returns 0 ends the run: the body counts as malformed.
struct ObjectParser {
  using Value = Fields::Value;

  std::span<const FieldSpec> specs;
  ParsedObject result;
  std::size_t depth = 0;
  bool complete = false;  // never so for a scalar in place of the object
  // The field whose value comes next at depth 1; null if no spec names it.
  const FieldSpec* spec = nullptr;
  Value* value = nullptr;

  explicit ObjectParser(std::span<const FieldSpec> known) : specs(known) {
    result.fields.values_.reserve(known.size());
    for (const FieldSpec& field : known) {
      result.fields.values_.push_back(Value{.name = field.name, .text = {}, .number = 0});
    }
  }

  bool run(std::string_view body);

  void select(std::string_view name) {
    auto found = std::find_if(specs.begin(), specs.end(), [&](const FieldSpec& s) { return s.name == name; });
    if (found == specs.end()) {
      found = std::find_if(specs.begin(), specs.end(),
                           [&](const FieldSpec& s) { return equal_ignoring_ascii_case(s.name, name); });
    }
    if (found != specs.end()) {
      spec = &*found;
      value = &result.fields.values_[static_cast<std::size_t>(found - specs.begin())];
      return;
    }
    spec = nullptr;
    if (!result.has_unknown) {
      result.has_unknown = true;
      result.unknown = name;
    }
  }

  // Is the value that begins now the value of a known field?
  bool known() const { return depth == 1 && spec != nullptr; }

  int open() {
    if (known() || depth == kMaxDepth) return 0;
    ++depth;
    return 1;
  }
  int close() {
    --depth;
    complete = depth == 0;
    return 1;
  }

  static ObjectParser& of(void* context) { return *static_cast<ObjectParser*>(context); }

  static int on_null(void* context) noexcept {
    auto& self = of(context);
    if (self.known()) {
      self.value->text.clear();
      self.value->number = 0;
    }
    return 1;
  }
  static int on_boolean(void* context, int) noexcept { return !of(context).known(); }
  static int on_number(void* context, const char* text, std::size_t length) noexcept {
    auto& self = of(context);
    if (!self.known()) return 1;
    switch (self.spec->type) {
      case FieldType::sequence: return read_integer<std::uint32_t>({text, length}, self.value->number);
      case FieldType::integer: return read_integer<std::int64_t>({text, length}, self.value->number);
      case FieldType::text: break;
    }
    return 0;
  }
  static int on_string(void* context, const unsigned char* text, std::size_t length) noexcept {
    auto& self = of(context);
    if (!self.known()) return 1;
    if (self.spec->type != FieldType::text) return 0;
    self.value->text.assign(reinterpret_cast<const char*>(text), length);
    return 1;
  }
  static int on_key(void* context, const unsigned char* text, std::size_t length) noexcept {
    auto& self = of(context);
    if (self.depth == 1) self.select({reinterpret_cast<const char*>(text), length});
    return 1;
  }
  static int on_open_map(void* context) noexcept { return of(context).open(); }
  static int on_open_array(void* context) noexcept { return of(context).depth > 0 && of(context).open(); }
  static int on_close(void* context) noexcept { return of(context).close(); }
};

bool ObjectParser::run(std::string_view body) {
  static constexpr yajl_callbacks kCallbacks = {
      .yajl_null = on_null,
      .yajl_boolean = on_boolean,
      .yajl_integer = nullptr,
      .yajl_double = nullptr,
      .yajl_number = on_number,  // the literal itself, so that 1.0 is not taken for 1
      .yajl_string = on_string,
      .yajl_start_map = on_open_map,
      .yajl_map_key = on_key,
      .yajl_end_map = on_close,
      .yajl_start_array = on_open_array,
      .yajl_end_array = on_close,
  };
  const std::unique_ptr<yajl_handle_t, decltype(&yajl_free)> handle(yajl_alloc(&kCallbacks, &allocator, this),
                                                                    &yajl_free);
  yajl_config(handle.get(), yajl_dont_validate_strings, 1);  // is_utf8 is stricter and has looked already
  // yajl overlooks an unterminated string behind the object: we look at what follows ourselves.
  yajl_config(handle.get(), yajl_allow_trailing_garbage, 1);
  const auto* const text = reinterpret_cast<const unsigned char*>(body.data());
  if (yajl_parse(handle.get(), text, body.size()) != yajl_status_ok || !complete) return false;
  return body.find_first_not_of(" \t\r\n", yajl_get_bytes_consumed(handle.get())) == std::string_view::npos;
}

const Fields::Value& Fields::find(std::string_view name) const {
  static const Value kAbsent;
  const auto found =
      std::find_if(values_.begin(), values_.end(), [&](const Value& v) { return v.name == name; });
  assert(found != values_.end());
  return found != values_.end() ? *found : kAbsent;
}

const std::string& Fields::text(std::string_view name) const { return find(name).text; }

std::uint32_t Fields::sequence(std::string_view name) const {
  return static_cast<std::uint32_t>(find(name).number);
}

std::int64_t Fields::integer(std::string_view name) const { return find(name).number; }

ParsedObject parse_object(std::string_view body, std::span<const FieldSpec> specs) {
  if (!passes_checks_yajl_lacks(body)) return {};
  ObjectParser parser(specs);
  if (!parser.run(body)) return {};
  parser.result.well_formed = true;
  return std::move(parser.result);
}

// In blocks without a branch, which the compiler turns into vector instructions.
bool is_plain(std::string_view text) {
  constexpr std::size_t kBlock = 64;
  constexpr std::size_t kLanes = 16;
  const auto special = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    // A control character, which is below 0x20, or '"', which is 0x22: one comparison for both.
    const bool control_or_quote = static_cast<unsigned char>(byte ^ 2U) <= 0x20;
    return static_cast<unsigned char>(static_cast<unsigned>(control_or_quote) |
                                      static_cast<unsigned>(byte == '\\'));
  };
  while (text.size() >= kBlock) {
    std::array<unsigned char, kLanes> found;
    for (std::size_t i = 0; i < kLanes; ++i) {
      found[i] = static_cast<unsigned char>(special(text[i]) | special(text[i + kLanes]) |
                                            special(text[i + 2 * kLanes]) | special(text[i + 3 * kLanes]));
    }
    static constexpr std::array<unsigned char, kLanes> kNone{};
    if (found != kNone) {
      return false;
    }
    text.remove_prefix(kBlock);
  }
  return std::none_of(text.begin(), text.end(), [&](char c) { return special(c) != 0; });
}

namespace {

// Most texts stand between quotes as they are; yajl escapes the others.
void append_quoted(std::string& out, std::string_view text) {
  if (is_plain(text)) {
    out.append("\"").append(text).append("\"");
    return;
  }
  const std::unique_ptr<yajl_gen_t, decltype(&yajl_gen_free)> gen(yajl_gen_alloc(&allocator), &yajl_gen_free);
  const yajl_print_t append = [](void* to, const char* bytes, std::size_t size) noexcept {
    static_cast<std::string*>(to)->append(bytes, size);
  };
  yajl_gen_config(gen.get(), yajl_gen_print_callback, append, &out);
  yajl_gen_string(gen.get(), reinterpret_cast<const unsigned char*>(text.data()), text.size());
}

}  // namespace

void JsonWriter::begin_member(std::string_view name) {
  if (out_.size() > 1) {
    out_.push_back(',');
  }
  append_quoted(out_, name);
  out_.push_back(':');
}

JsonWriter& JsonWriter::text(std::string_view name, std::string_view value) {
  constexpr std::size_t kRoom = 256;  // for escapes and for the small fields that follow
  out_.reserve(out_.size() + name.size() + value.size() + kRoom);
  begin_member(name);
  append_quoted(out_, value);
  return *this;
}

JsonWriter& JsonWriter::number(std::string_view name, std::int64_t value) {
  begin_member(name);
  out_.append(std::to_string(value));
  return *this;
}

JsonWriter& JsonWriter::boolean(std::string_view name, bool value) {
  begin_member(name);
  out_.append(value ? "true" : "false");
  return *this;
}

std::string JsonWriter::finish() {
  out_.push_back('}');
  return std::move(out_);
}

}  // namespace wallet_sync
