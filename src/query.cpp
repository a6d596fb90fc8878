#include "query.hpp"

#include <algorithm>
#include <cstddef>

#include "encoding.hpp"

namespace wallet_sync {
namespace {

// nullopt for a '%' that two hexadecimal digits do not follow.
std::optional<std::string_view> unescape(std::string_view text, std::string& decoded) {
  if (text.find('+') == std::string_view::npos && text.find('%') == std::string_view::npos) {
    return text;
  }
  decoded.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      decoded.push_back(' ');
    } else if (text[i] == '%') {
      const auto byte = from_hex(text.substr(i + 1, 2));
      if (!byte || byte->empty()) return std::nullopt;
      decoded += *byte;
      i += 2;
    } else {
      decoded.push_back(text[i]);
    }
  }
  return decoded;
}

}  // namespace

std::optional<std::string_view> query_parameter(std::string_view query, std::string_view name,
                                                std::string& decoded) {
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    if (pair.empty() || pair.find(';') != std::string_view::npos) continue;

    const std::size_t equals = std::min(pair.size(), pair.find('='));
    if (unescape(pair.substr(0, equals), decoded) != name) continue;
    const auto value = unescape(pair.substr(std::min(pair.size(), equals + 1)), decoded);
    if (value) return value;
  }
  return std::nullopt;
}

}  // namespace wallet_sync
