#include "waiter.hpp"

#include <algorithm>

namespace wallet_sync {
namespace {

// A timer that comes this late tells that the process stood still. What everybody waits for may have arrived
// meanwhile, so it is read before anyone is told that it did not come.
constexpr std::int64_t kLateMs = 100;
constexpr std::int64_t kGraceMs = 20;

}  // namespace

Deadlines::Deadlines(EventLoop& loop)
    : loop_(loop), timer_(loop.new_timer(TimerKind::deadline, [this] { expire(); })) {}

// Nearly always the last: most wait equally long.
void Deadlines::add(Waiter& waiter) {
  waiters_.insert_from_back(
      waiter, [](const Waiter& one, const Waiter& other) { return one.deadline_ms_ < other.deadline_ms_; });
  if (!timer_->armed() || waiter.deadline_ms_ < armed_for_ms_) {
    watch();
  }
}

// The timer is not moved when the first one goes, which is the usual case; it finds out when it expires.
void Deadlines::remove(Waiter& waiter) {
  if (!waiter.linked()) {
    return;
  }
  waiter.unlink();
  if (waiters_.empty()) {
    timer_->disarm();  // a worker that quits would wait for it
  }
}

void Deadlines::watch() {
  late_ = false;
  armed_for_ms_ = waiters_.front().deadline_ms_;
  timer_->arm(std::max<std::int64_t>(armed_for_ms_ - loop_.now_ms(), 1));
}

void Deadlines::expire() {
  const std::int64_t now = loop_.now_ms();
  if (!late_ && now - armed_for_ms_ > kLateMs) {
    late_ = true;
    timer_->arm(kGraceMs);
    return;
  }
  while (!waiters_.empty() && waiters_.front().deadline_ms_ <= now) {
    Waiter& first = waiters_.front();
    static_cast<Hook<Tag>&>(first).unlink();
    first.on_deadline();
  }
  if (!waiters_.empty()) {
    watch();
  }
}

void Waiter::wake() {
  if (done_) {
    return;
  }
  done_ = true;
  deadlines_.remove(*this);
  if (trace_ != nullptr) {
    trace_->used_store = true;
    trace_->store_ms += caller_ ? deadlines_.now_ms() - since_ms_ : 0;
  }
  if (caller_) {
    post();
  }
}

}  // namespace wallet_sync
