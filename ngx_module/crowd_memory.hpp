// Gives memory back to the system when a crowd has gone. The C library does so by itself only at the end of
// its heap, where something small of somebody who stays is always left: a worker would for ever be as large
// as in its worst moment.
#pragma once

#include <algorithm>
#include <cstddef>

#ifdef __GLIBC__  // known when a header of the library has been read
#include <malloc.h>
#endif

namespace wallet_sync {

class CrowdMemory {
 public:
  void enter() { most_ = std::max(most_, ++present_); }

  // Takes some milliseconds for each 100 MB that are given back, so it is done once, and only for a crowd.
  void leave() {
    --present_;
    if (most_ >= kCrowd && present_ <= most_ / kRest) {
      most_ = present_;
#ifdef __GLIBC__
      malloc_trim(0);
#endif
    }
  }

 private:
  static constexpr std::size_t kCrowd = 500;
  static constexpr std::size_t kRest = 8;

  std::size_t present_ = 0;
  std::size_t most_ = 0;  // since memory was given back
};

}  // namespace wallet_sync
