// The hash slots of Redis Cluster (Redis Cluster specification, "Key distribution model").
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wallet_sync {

inline constexpr std::size_t kSlots = 16384;

// The slot of a key: of what stands between its first "{" and the next "}", unless that is nothing; else of
// the whole key.
std::size_t slot_of(std::string_view key);
// The same for what stands between the braces.
std::size_t slot_of_tag(std::string_view tag);

// The smallest number whose digits are a tag of that slot. It takes about 0.1 ms.
std::string tag_of_slot(std::size_t slot);

}  // namespace wallet_sync
