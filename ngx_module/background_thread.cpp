#include "background_thread.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

namespace wallet_sync {
namespace {

constexpr int kNiceness = 5;
constexpr int kMaxNiceness = 19;
// The longest slice that Linux grants. Since 6.12, who wakes with a shorter one interrupts the running
// thread, though it may have just begun; before, SCHED_BATCH and the niceness have to do.
constexpr std::uint64_t kSliceNs = 100'000'000;

// sched_setattr(2), which the C library of Debian 12 has no declaration of; its first version.
struct Attributes {
  std::uint32_t size;
  std::uint32_t policy;
  std::uint64_t flags;
  std::int32_t nice;
  std::uint32_t priority;
  std::uint64_t runtime_ns;
  std::uint64_t deadline_ns;
  std::uint64_t period_ns;
};
static_assert(sizeof(Attributes) == 48);

bool set_attributes() {
#if defined(__linux__) && defined(SYS_sched_setattr)
  // Of the calling thread alone; worker_priority may have set the worker's.
  const int niceness = getpriority(PRIO_PROCESS, 0) + kNiceness;
  Attributes attributes{};
  attributes.size = sizeof attributes;
  attributes.policy = SCHED_BATCH;
  attributes.nice = std::min(niceness, kMaxNiceness);
  attributes.runtime_ns = kSliceNs;
  return syscall(SYS_sched_setattr, 0, &attributes, 0) == 0;
#else
  return false;
#endif
}

}  // namespace

void enter_background() {
  static thread_local const bool kDone = set_attributes();
  static_cast<void>(kDone);
}

}  // namespace wallet_sync
