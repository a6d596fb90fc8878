// Preloaded into an nginx under test: a process that waits in epoll_wait() for events writes down again and
// again how many bytes it has allocated, as malloc counts them, into a file that is named after its pid (see
// heap.py). Pages that are resident say something else: how many of them the holes between two blocks keep is
// chance.
//
// The file holds three numbers: how often was counted, those bytes, and how often C++ has asked for memory at
// all (operator new), which a module that keeps to its pools seldom does. Counted is only where the event
// loop is idle, so never in the middle of a change, and what has come meanwhile is not delayed. nginx' master
// has no event loop: it counts each time that it waits for a signal.

#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>

namespace {

constexpr int kIdleMs = 20;

struct Count {
  std::atomic<std::uint64_t> times;
  std::atomic<std::uint64_t> bytes;
  std::atomic<std::uint64_t> news;
};

std::atomic<std::uint64_t> news{0};

// Read when the program starts: nginx keeps no environment for its workers.
const std::string kDirectory = [] {
  const char* value = std::getenv("HEAP_DIRECTORY");
  return std::string(value != nullptr ? value : ".");
}();

Count* open_file(pid_t pid) {
  const std::string path = kDirectory + "/" + std::to_string(pid);
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || ftruncate(file, sizeof(Count)) != 0) {
    std::abort();
  }
  void* memory = mmap(nullptr, sizeof(Count), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (memory == MAP_FAILED) {
    std::abort();
  }
  return static_cast<Count*>(memory);
}

void count_heap() {
  static pid_t owner = 0;
  static Count* mine = nullptr;
  if (mine == nullptr || owner != getpid()) {  // a fork has its parent's
    owner = getpid();
    mine = open_file(owner);
  }
  const struct mallinfo2 heap = mallinfo2();
  mine->bytes = heap.uordblks + heap.hblkhd;
  mine->news = news.load();
  ++mine->times;
}

}  // namespace

void* operator new(std::size_t size) {
  ++news;
  if (void* memory = std::malloc(size)) {
    return memory;
  }
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

extern "C" int epoll_wait(int epoll, epoll_event* events, int size, int timeout) {
  static const auto kReal = reinterpret_cast<decltype(&epoll_wait)>(dlsym(RTLD_NEXT, "epoll_wait"));
  for (int left = timeout;;) {
    const int slice = left < 0 ? kIdleMs : std::min(left, kIdleMs);
    const int ready = kReal(epoll, events, size, slice);
    if (ready != 0 || slice == left) {
      return ready;
    }
    count_heap();
    left -= left < 0 ? 0 : slice;
  }
}

extern "C" int sigsuspend(const sigset_t* mask) {
  static const auto kReal = reinterpret_cast<decltype(&sigsuspend)>(dlsym(RTLD_NEXT, "sigsuspend"));
  count_heap();
  return kReal(mask);
}
