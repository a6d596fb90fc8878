// Memory for coroutine frames. A request makes a handful of them, all of a few sizes, so those that end are
// kept for the next request. REQUIRES: coroutines run on one thread of the process, the event loop's.
#pragma once

#include <array>
#include <cstddef>
#include <new>

namespace wallet_sync {

class FramePool {
 public:
  static void* allocate(std::size_t size) {
    Bucket* bucket = bucket_of(size);
    if (bucket == nullptr || bucket->first == nullptr) {
      return ::operator new(bucket != nullptr ? rounded(size) : size);
    }
    --bucket->kept;
    return take(*bucket);
  }

  static void release(void* frame, std::size_t size) {
    Bucket* bucket = bucket_of(size);
    if (bucket == nullptr || bucket->kept == kKept) {
      ::operator delete(frame);
      return;
    }
    ++bucket->kept;
    bucket->first = new (frame) Free{bucket->first};
  }

 private:
  struct Free {
    Free* next;
  };
  struct Bucket {
    Free* first;
    std::size_t kept;
  };
  static constexpr std::size_t kStep = 128;
  static constexpr std::size_t kSteps = 16;  // frames of up to 2 KiB
  static constexpr std::size_t kKept = 512;  // of each size

  static std::size_t rounded(std::size_t size) { return (size + kStep - 1) / kStep * kStep; }

  static Bucket* bucket_of(std::size_t size) {
#ifdef __SANITIZE_ADDRESS__
    static_cast<void>(size);
    return nullptr;  // a frame that is used after its end shall be found
#else
    const std::size_t index = (size - 1) / kStep;
    return index < kSteps ? &buckets[index] : nullptr;
#endif
  }

  static void* take(Bucket& bucket) {
    Free* frame = bucket.first;
    bucket.first = frame->next;
    return frame;
  }

  static inline std::array<Bucket, kSteps> buckets{};  // zero: nothing is kept yet
};

}  // namespace wallet_sync
