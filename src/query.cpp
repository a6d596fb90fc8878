#include "query.hpp"

#include <algorithm>
#include <cstddef>

#include "encoding.hpp"

namespace wallet_sync {
namespace {

// nullopt for a '%' that two hexadecimal digits do not follow.
std::optional<std::string> unescape(std::string_view text) {
  if (text.find('+') == std::string_view::npos && text.find('%') == std::string_view::npos) {
    return std::string(text);
  }
  std::string plain;
  plain.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      plain.push_back(' ');
    } else if (text[i] == '%') {
      const auto byte = from_hex(text.substr(i + 1, 2));
      if (!byte || byte->empty()) return std::nullopt;
      plain += *byte;
      i += 2;
    } else {
      plain.push_back(text[i]);
    }
  }
  return plain;
}

}  // namespace

std::optional<std::string> query_parameter(std::string_view query, std::string_view name) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty() || pair.find(';') != std::string_view::npos) continue;

    const std::size_t equals = std::min(pair.size(), pair.find('='));
    if (unescape(pair.substr(0, equals)) != name) continue;
    auto value = unescape(pair.substr(std::min(pair.size(), equals + 1)));
    if (value) return value;
  }
  return std::nullopt;
}

}  // namespace wallet_sync
