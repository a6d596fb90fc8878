#include "readiness.hpp"

#include "trace.hpp"

namespace wallet_sync {

Readiness::Readiness(EventLoop& loop, RedisStore& store)
    : store_(store), timer_(loop.new_timer(TimerKind::background, [this] { ask(); })) {
  ask();
}

Readiness::~Readiness() = default;

Readiness::State Readiness::state() const {
  if (!store_.wrong_schema().empty()) {
    return State::wrong_schema;
  }
  return store_.known_down() ? State::unreachable : answer_;
}

void Readiness::ask() {
  timer_->arm(kIntervalMs);
  if (question_ && !question_->done()) {
    return;
  }
  question_.emplace(asked());
  const TraceScope nobodys(nullptr);
  question_->start();
}

Task<bool> Readiness::asked() {
  const auto takes = co_await store_.takes_writes();
  answer_ = !takes ? State::unreachable : *takes ? State::ready : State::refuses_writes;
  co_return true;
}

}  // namespace wallet_sync
