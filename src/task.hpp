// Task<T>: a lazily started coroutine that yields one T.
//
// Ownership: the Task object owns the coroutine frame; destroying it while the coroutine is suspended
// destroys every local of the frame, so each awaitable must detach itself in its destructor.
// A coroutine takes its parameters by value, or by reference to something that outlives the Task.
// Exceptions do not cross a suspension point: one that escapes a coroutine ends the process (std::terminate);
// failures are values (see result.hpp). Allocation failure is the only thing that throws here.
#pragma once

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

#include "frame_pool.hpp"

namespace wallet_sync {

template <typename T>
class [[nodiscard]] Task {
 public:
  struct promise_type {
    std::optional<T> value;
    std::coroutine_handle<> continuation = std::noop_coroutine();
    void (*on_done)(void*) = nullptr;
    void* argument = nullptr;

    // NOLINTNEXTLINE(misc-new-delete-overloads): the delete is below, sized
    static void* operator new(std::size_t size) { return FramePool::allocate(size); }
    static void operator delete(void* frame, std::size_t size) { FramePool::release(frame, size); }

    Task get_return_object() { return Task(Handle::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    auto final_suspend() noexcept { return Resume{}; }
    template <typename U>
    void return_value(U&& result) {
      value.emplace(std::forward<U>(result));
    }
    void unhandled_exception() noexcept { std::terminate(); }
  };

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  ~Task() { reset(); }

  // Starts the coroutine of a Task that nobody awaits. Afterwards done() tells whether it has finished.
  void start() { handle_.resume(); }
  // REQUIRES: started and not done(). `on_done(argument)` is called once it is; it must not destroy the Task.
  void notify(void (*on_done)(void*), void* argument) {
    handle_.promise().on_done = on_done;
    handle_.promise().argument = argument;
  }
  bool done() const { return handle_ && handle_.done(); }
  // REQUIRES: done(), and called once.
  T take() { return std::move(*handle_.promise().value); }

  auto operator co_await() && noexcept {
    struct Awaiter {
      std::coroutine_handle<promise_type> callee;
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) noexcept {
        callee.promise().continuation = caller;
        return callee;
      }
      T await_resume() { return std::move(*callee.promise().value); }
    };
    return Awaiter{handle_};
  }

 private:
  using Handle = std::coroutine_handle<promise_type>;

  struct Resume {
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(Handle finished) noexcept {
      if (finished.promise().on_done != nullptr) {
        finished.promise().on_done(finished.promise().argument);
      }
      return finished.promise().continuation;
    }
    void await_resume() const noexcept {}
  };

  explicit Task(Handle handle) : handle_(handle) {}
  void reset() {
    if (handle_) {
      std::exchange(handle_, {}).destroy();
    }
  }

  Handle handle_;
};

}  // namespace wallet_sync
