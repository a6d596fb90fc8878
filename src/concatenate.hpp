// Texts that are put together in memory of which only the owner knows when it ends, such as a request's.
#pragma once

#include <initializer_list>
#include <memory_resource>
#include <string_view>

namespace wallet_sync {

// Lives as long as what `memory` gives.
inline std::string_view concatenate(std::pmr::memory_resource& memory,
                                    std::initializer_list<std::string_view> parts) {
  std::size_t size = 0;
  for (const std::string_view part : parts) {
    size += part.size();
  }
  char* const text = static_cast<char*>(memory.allocate(size, alignof(char)));
  char* end = text;
  for (const std::string_view part : parts) {
    end += part.copy(end, part.size());
  }
  return {text, size};
}

}  // namespace wallet_sync
