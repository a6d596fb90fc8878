#include "change.hpp"

#include "change_queue.hpp"

namespace wallet_sync {

Change::Change(ChangeQueue& queue, const AccountId& account, Look look)
    : Waiter(queue.deadlines(), queue.deadline()), queue_(&queue), account_(account), look_(std::move(look)) {
  ++queue.users_;
}

Change::~Change() {
  if (member_ != nullptr) {
    member_->change = nullptr;  // what it has sent runs all the same
  }
  queue_->leave(*this);
  --queue_->users_;
}

void Change::await_suspend(std::coroutine_handle<> caller) {
  Waiter::await_suspend(caller);
  queue_->enter(*this);
}

void Change::on_deadline() {
  queue_->node_.missed_deadline();
  // With its writes on the way it was not written only if EXEC says so, and nobody waits for that any more.
  const bool unknown = maybe_written_ || (member_ != nullptr && member_->writes > 0);
  finish(unknown ? StoreError::unknown : StoreError::unavailable);
}

void Change::finish(std::optional<StoreError> error) {
  if (member_ != nullptr) {
    std::exchange(member_, nullptr)->change = nullptr;
  }
  queue_->leave(*this);
  note_retries(attempts_ > 1 ? static_cast<unsigned>(attempts_ - 1) : 0);
  error_ = error;
  if (error) {
    queue_->failed(*error);
  }
  wake();
}

}  // namespace wallet_sync
