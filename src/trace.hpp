// What a request's line in the access log tells of its way.
//
// Whoever runs a request's coroutine does so within a TraceScope; whatever the coroutine awaits notes its
// request's Trace, and resumes the coroutine in it again. Coroutines that belong to no request run in none.
#pragma once

#include <cstdint>

namespace wallet_sync {

struct Trace {
  bool used_store = false;
  std::int64_t store_ms = 0;  // waited for the store, queues included
  unsigned retries = 0;       // attempts of its operations on the store beyond the first of each
};

// Coroutines run in one thread only.
inline Trace* current_trace = nullptr;

class TraceScope {
 public:
  explicit TraceScope(Trace* trace) : outer_(current_trace) { current_trace = trace; }
  ~TraceScope() { current_trace = outer_; }
  TraceScope(const TraceScope&) = delete;
  TraceScope& operator=(const TraceScope&) = delete;

 private:
  Trace* outer_;
};

}  // namespace wallet_sync
