// The only door to nginx' headers, and the conversions at it.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

extern "C" {
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_http.h>
#include <ngx_thread_pool.h>
extern ngx_module_t ngx_thread_pool_module;  // no header of nginx declares it
}

namespace wallet_sync {

inline std::string_view to_view(const ngx_str_t& text) {
  return {reinterpret_cast<const char*>(text.data), text.len};
}

// The ngx_str_t does not own: `text` must outlive it.
inline ngx_str_t to_ngx(std::string_view text) {
  return {text.size(), reinterpret_cast<u_char*>(const_cast<char*>(text.data()))};
}

template <typename T>
void destroy_in_pool(void* data) {
  std::destroy_at(static_cast<T*>(data));
}

// A C++ object that lives and dies with the pool; null when there is no memory.
template <typename T, typename... Args>
T* make_in_pool(ngx_pool_t* pool, Args&&... args) {
  static_assert(alignof(T) <= NGX_ALIGNMENT, "a pool's memory is not aligned any better");
  ngx_pool_cleanup_t* cleanup = ngx_pool_cleanup_add(pool, sizeof(T));
  if (cleanup == nullptr) {
    return nullptr;
  }
  T* object = new (cleanup->data) T(std::forward<Args>(args)...);
  cleanup->handler = destroy_in_pool<T>;
  return object;
}

// The latest that was made so and that `wanted` is true of; null when there is none.
template <typename T, typename Wanted>
T* find_in_pool(const ngx_pool_t* pool, Wanted wanted) {
  for (ngx_pool_cleanup_t* cleanup = pool->cleanup; cleanup != nullptr; cleanup = cleanup->next) {
    if (cleanup->handler == &destroy_in_pool<T> && wanted(*static_cast<T*>(cleanup->data))) {
      return static_cast<T*>(cleanup->data);
    }
  }
  return nullptr;
}

}  // namespace wallet_sync
