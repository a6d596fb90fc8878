#include "schema.hpp"

namespace wallet_sync {
namespace {

constexpr std::string_view kWrongType = "WRONGTYPE";
constexpr std::string_view kForbidden = "NOPERM";
constexpr std::size_t kShown = 32;  // of what is no version, which may be anything

std::string shown(std::string_view text) {
  std::string clean;
  for (const char c : text.substr(0, kShown)) {
    clean.push_back(c >= ' ' && c <= '~' && c != '"' ? c : '?');
  }
  return '"' + clean + (text.size() > kShown ? "\"..." : "\"");
}

}  // namespace

bool tells_schema(const Reply& reply) {
  return !reply.is_error() || reply.text.starts_with(kWrongType) || reply.text.starts_with(kForbidden);
}

std::string wrong_schema(const Reply& reply, std::string_view key) {
  if (reply.is_nil()) {
    return {};
  }
  const bool wrong_type = reply.is_error() && reply.text.starts_with(kWrongType);
  if (reply.is_error() && !wrong_type) {
    return "it does not tell its schema version: " + loggable(reply.text) + "; allow GET of " +
           std::string(key);
  }
  const std::string known = ", and this build knows version " + std::to_string(kSchemaVersion);
  const auto version = to_integer(reply.text);
  if (wrong_type || !version || *version < 1) {
    return "its key " + std::string(key) + " holds " + (wrong_type ? "no text" : shown(reply.text)) +
           " instead of a schema version" + known +
           "; upgrade the wallet-sync module and its tools here, or put the key right";
  }
  if (*version <= kSchemaVersion) {
    return {};
  }
  return "its data are of schema version " + std::to_string(*version) + known +
         "; upgrade the wallet-sync module and its tools here, or restore a backup of before";
}

}  // namespace wallet_sync
