// A queue in one block of memory, which is used again and again: unlike std::deque's, it takes memory only
// when it is longer than ever before.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace wallet_sync {

template <typename T>
class Ring {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }
  // REQUIRES of these: not empty, or index < size(). 0 is the oldest.
  T& front() { return (*this)[0]; }
  T& operator[](std::size_t index) { return places_[(first_ + index) & (places_.size() - 1)]; }
  void pop_front() {
    first_ = (first_ + 1) & (places_.size() - 1);
    --size_;
  }
  void push_back(T item) {
    if (size_ == places_.size()) {
      grow();
    }
    (*this)[size_] = std::move(item);
    ++size_;
  }

 private:
  void grow() {
    constexpr std::size_t kAtFirst = 16;  // a power of two, always
    std::vector<T> larger(places_.empty() ? kAtFirst : 2 * places_.size());
    for (std::size_t i = 0; i < size_; ++i) {
      larger[i] = std::move((*this)[i]);
    }
    places_ = std::move(larger);
    first_ = 0;
  }

  std::vector<T> places_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace wallet_sync
