// User ids that a cluster gives: each slot has a counter of its own, and the number it is at and the slot
// make the id. They begin where those of a single Redis do not come, so that accounts which come from one
// keep theirs, and stay below 2^53, which JSON's readers can tell apart.
#pragma once

#include <cstddef>
#include <cstdint>

#include "slots.hpp"
#include "store.hpp"

namespace wallet_sync {

inline constexpr UserId kFirstOfCluster = UserId{1} << 40;

// How many a slot has to give.
inline constexpr std::int64_t kMostOfASlot =
    ((UserId{1} << 53) - kFirstOfCluster) / static_cast<UserId>(kSlots) - 1;

inline UserId user_id_of(std::size_t slot, std::int64_t number) {
  return kFirstOfCluster + number * static_cast<UserId>(kSlots) + static_cast<UserId>(slot);
}

// Of an id that a cluster gave; REQUIRES: it is not below kFirstOfCluster.
inline std::size_t slot_of_user_id(UserId id) {
  return static_cast<std::size_t>((id - kFirstOfCluster) % static_cast<UserId>(kSlots));
}
inline std::int64_t number_of_user_id(UserId id) {
  return (id - kFirstOfCluster) / static_cast<UserId>(kSlots);
}

// Whether a cluster may have given it, and has many more to give after it.
inline bool is_of_cluster(UserId id) {
  return id >= kFirstOfCluster && number_of_user_id(id) <= kMostOfASlot / 2;
}

}  // namespace wallet_sync
