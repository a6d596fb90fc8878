// The version of what we keep in Redis (see keyspace.hpp). Whoever connects asks for it, in the trip in which
// it learns what the server is: data of a later version are not touched, neither read nor written. Whoever
// meets none, since the store is empty or older than this, writes it down.
//
// It rises with a change after which a build of before would read or write something wrong; a new field or
// key that such a build leaves alone is none.
#pragma once

#include <cstdint>
#include <string>

#include "reply.hpp"

namespace wallet_sync {

inline constexpr std::int64_t kSchemaVersion = 1;

// The reply to GET of the version: empty if we may go on, otherwise what is wrong and what to do. An ACL may
// forbid it: an error says nothing.
inline std::string wrong_schema(const Reply& version) {
  if (!version.is_text()) {
    return {};
  }
  const auto number = to_integer(version.text);
  if (number && *number <= kSchemaVersion) {
    return {};
  }
  return "it holds data of a newer wallet-sync, schema version " + loggable(version.text) +
         ", and this one knows " + std::to_string(kSchemaVersion) +
         "; upgrade wallet-sync, or write another prefix=";
}

}  // namespace wallet_sync
