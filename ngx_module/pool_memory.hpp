// A pool of nginx as C++ asks for memory. What it gives lives as long as the pool.
#pragma once

#include <memory_resource>
#include <new>

#include "ngx.hpp"

namespace wallet_sync {

class PoolMemory final : public std::pmr::memory_resource {
 public:
  explicit PoolMemory(ngx_pool_t& pool) : pool_(pool) {}

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    void* memory = alignment == 1 ? ngx_pnalloc(&pool_, bytes) : ngx_palloc(&pool_, bytes);
    if (memory == nullptr || alignment > NGX_ALIGNMENT) {
      throw std::bad_alloc();
    }
    return memory;
  }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  ngx_pool_t& pool_;
};

}  // namespace wallet_sync
