// What the targets share: how a property is stated, and how the bytes of one input become many values.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

// Each target is this one function, which libFuzzer calls with input after input; see replay.cpp for the
// other caller. It returns 0.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// What has to hold for every input. An input that breaks it is kept by libFuzzer.
#define PROPERTY(condition)                                                        \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                \
    }                                                                              \
  } while (0)

// Reads an input from its front. Behind the end there are zeros.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  std::uint8_t byte() { return static_cast<std::uint8_t>(take(1).empty() ? '\0' : last_); }
  // One of `count` possibilities.
  std::size_t choice(std::size_t count) { return byte() % count; }
  // Up to `size` bytes.
  std::string_view take(std::size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    last_ = taken.empty() ? '\0' : taken.back();
    return taken;
  }
  // A text of up to 255 bytes, its length in front.
  std::string_view text() { return take(byte()); }
  // Up to the delimiter, which is dropped; all if there is none.
  std::string_view until(char delimiter) {
    const std::string_view taken = rest_.substr(0, rest_.find(delimiter));
    rest_.remove_prefix(std::min(taken.size() + 1, rest_.size()));
    return taken;
  }

 private:
  std::string_view rest_;
  char last_ = '\0';
};
