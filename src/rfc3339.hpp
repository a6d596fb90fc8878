// Times in replies: RFC 3339 in UTC, whole seconds.
#pragma once

#include <string>

#include "store.hpp"

namespace wallet_sync {

std::string rfc3339(UnixTime time);

}  // namespace wallet_sync
