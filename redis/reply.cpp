#include "reply.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace wallet_sync {
namespace {

// By its first word; EXEC repeats the word of a refused command behind its own ("EXECABORT … READONLY …").
template <std::size_t N>
bool says(const Reply& error, const std::array<std::string_view, N>& words) {
  return error.is_error() && std::any_of(words.begin(), words.end(), [&](std::string_view word) {
           return error.text.starts_with(word) ||
                  (error.text.starts_with("EXECABORT") && error.text.find(word) != std::string::npos);
         });
}

}  // namespace

std::optional<std::int64_t> to_integer(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

std::string loggable(std::string_view error) {
  constexpr std::size_t kLongest = 160;
  error = error.substr(0, std::min(error.find_first_of("'`\"\r\n"), kLongest));
  while (error.ends_with(' ') || error.ends_with(',')) {
    error.remove_suffix(1);
  }
  std::string shown(error);
  std::replace_if(
      shown.begin(), shown.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return shown;
}

bool says_not_a_master(const Reply& error) {
  return says(error, std::array<std::string_view, 3>{"READONLY", "MASTERDOWN", "LOADING"});
}

bool says_no_more_here(const Reply& error) {
  return says_not_a_master(error) || says(error, std::array<std::string_view, 1>{"CLUSTERDOWN"});
}

bool is_replica(const Reply& role) {
  return role.type == Reply::Type::array && !role.elements.empty() && role.elements[0].text != "master";
}

bool says_no_writes(const Reply& error) {
  return says_not_a_master(error) ||
         says(error, std::array<std::string_view, 4>{"OOM", "MISCONF", "NOREPLICAS", "CLUSTERDOWN"});
}

}  // namespace wallet_sync
