#include "event_loop.hpp"

namespace wallet_sync {

Posted::~Posted() {
  if (!posted_) {
    return;
  }
  EventLoop::Queue& queue = loop_.queue(phase_);
  (previous_ != nullptr ? previous_->next_ : queue.first) = next_;
  (next_ != nullptr ? next_->previous_ : queue.last) = previous_;
}

void Posted::post() {
  if (posted_) {
    return;
  }
  const bool announce =
      !loop_.running_ && loop_.within_turn_.first == nullptr && loop_.end_of_turn_.first == nullptr;
  EventLoop::Queue& queue = loop_.queue(phase_);
  posted_ = true;
  previous_ = queue.last;
  next_ = nullptr;
  (previous_ != nullptr ? previous_->next_ : queue.first) = this;
  queue.last = this;
  if (announce) {
    loop_.wake();
  }
}

Posted* EventLoop::take() {
  Queue& queue = within_turn_.first != nullptr ? within_turn_ : end_of_turn_;
  Posted* item = queue.first;
  if (item != nullptr) {
    queue.first = item->next_;
    (queue.first != nullptr ? queue.first->previous_ : queue.last) = nullptr;
    item->next_ = nullptr;
    item->posted_ = false;
  }
  return item;
}

void EventLoop::run_posted() {
  running_ = true;
  while (Posted* item = take()) {
    item->run();  // may destroy the item
  }
  running_ = false;
}

}  // namespace wallet_sync
