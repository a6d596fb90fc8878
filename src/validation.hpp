// The rules of PROTOCOL "Values" that are no type of their own.
#pragma once

#include <string_view>

#include "api.hpp"
#include "encoding.hpp"

namespace wallet_sync {

inline bool valid_password(Api api, std::string_view password) {
  return api == Api::v1 ? !password.empty() : password.size() >= 8;
}

inline bool valid_salt_seed(std::string_view seed) { return seed.size() == 64 && is_hex(seed); }

}  // namespace wallet_sync
