#include "event_loop.hpp"

namespace wallet_sync {

Posted::~Posted() {
  if (!posted_) {
    return;
  }
  (previous_ != nullptr ? previous_->next_ : loop_.first_) = next_;
  (next_ != nullptr ? next_->previous_ : loop_.last_) = previous_;
}

void Posted::post() {
  if (posted_) {
    return;
  }
  const bool was_empty = loop_.first_ == nullptr;
  posted_ = true;
  previous_ = loop_.last_;
  next_ = nullptr;
  (previous_ != nullptr ? previous_->next_ : loop_.first_) = this;
  loop_.last_ = this;
  if (was_empty) {
    loop_.wake();
  }
}

void EventLoop::run_posted() {
  while (Posted* item = first_) {
    first_ = item->next_;
    (first_ != nullptr ? first_->previous_ : last_) = nullptr;
    item->next_ = nullptr;
    item->posted_ = false;
    item->run();  // may destroy the item
  }
}

}  // namespace wallet_sync
