// Fields of a hash that are read together, and found in the reply by their names: NamedFields<"email",
// "verified">.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "command.hpp"
#include "reply.hpp"

namespace wallet_sync {

// A name as an argument of a template.
template <std::size_t Size>
struct FieldName {
  // Implicit, so that a literal is one.
  constexpr FieldName(const char (&name)[Size]) {  // NOLINT(google-explicit-constructor)
    std::copy_n(name, Size, text.begin());
  }
  constexpr std::string_view view() const { return {text.data(), Size - 1}; }
  std::array<char, Size> text;
};

template <FieldName... Names>
class NamedFields {
 public:
  static Command read(const auto& key) { return Command("HMGET", key, Names.view()...); }
  // The same for a CommandWriter or a CommandList.
  static void add_to(auto& commands, const auto& key) { commands.add("HMGET", key, Names.view()...); }

  // nullopt: not the reply to read(). It refers to the reply.
  static std::optional<NamedFields> of(const Reply& reply) {
    return reply.is_array(sizeof...(Names)) ? std::optional(NamedFields(reply)) : std::nullopt;
  }

  // Nil where there is no such field, or no hash.
  template <FieldName Name>
  const Reply& get() const {
    constexpr std::size_t kPlace = place_of(Name.view());
    static_assert(kPlace < sizeof...(Names), "it is none of the fields that are read");
    return reply_->elements[kPlace];
  }
  // Empty where there is none.
  template <FieldName Name>
  const std::string& text() const {
    return get<Name>().text;
  }
  template <FieldName Name>
  bool has() const {
    return !get<Name>().is_nil();
  }

 private:
  explicit NamedFields(const Reply& reply) : reply_(&reply) {}

  static constexpr std::size_t place_of(std::string_view name) {
    constexpr std::array<std::string_view, sizeof...(Names)> kNames = {Names.view()...};
    return static_cast<std::size_t>(std::find(kNames.begin(), kNames.end(), name) - kNames.begin());
  }

  const Reply* reply_;
};

}  // namespace wallet_sync
