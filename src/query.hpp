// The query string of a GET (application/x-www-form-urlencoded, as Go's net/url reads it).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wallet_sync {

// The first value of the parameter `name`, percent-decoded and with '+' as a blank; nullopt if there is
// none. A pair with a broken escape or with a ';' in it is skipped. A value that stands there as it is lies
// in `query`, another one in `decoded`.
std::optional<std::string_view> query_parameter(std::string_view query, std::string_view name,
                                                std::string& decoded);

}  // namespace wallet_sync
