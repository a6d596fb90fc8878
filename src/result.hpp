// Result<T>: a value, or the reason why the store has none. Our stand-in for std::expected (C++23).
#pragma once

#include <utility>
#include <variant>

namespace wallet_sync {

// What became of an operation that did not succeed. It decides what the client is told and whether a retry
// is allowed; each is a 503 except `internal`, which is our own fault and a 500.
enum class StoreError {
  unavailable,   // Redis was not reached or did not answer; nothing was written
  overloaded,    // more is asked of Redis than it can do in time; nothing was written
  refused,       // Redis answered with an error (READONLY, OOM, LOADING, …); nothing was written
  unknown,       // the link broke after EXEC and reading back failed as well: it may have been written
  unreplicated,  // it was written, but fewer replicas than wanted have it so far
  contended,     // others changed the account each time we tried; nothing was written
  internal,      // the stored data is not what this server writes
};

template <typename T>
class [[nodiscard]] Result {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(StoreError error) : state_(std::in_place_index<1>, error) {}

  explicit operator bool() const { return state_.index() == 0; }
  // REQUIRES: *this holds a value.
  T& operator*() { return *std::get_if<0>(&state_); }
  const T& operator*() const { return *std::get_if<0>(&state_); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  // REQUIRES: *this holds an error.
  StoreError error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, StoreError> state_;
};

}  // namespace wallet_sync
