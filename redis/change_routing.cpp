// Changes in a cluster: where they go when a node says that another one has their slot, and when they are
// tried again while it moves.
#include <algorithm>

#include "change_queue.hpp"
#include "cluster_map.hpp"

namespace wallet_sync {
namespace {

constexpr std::int64_t kFirstPauseMs = 4;
constexpr std::int64_t kLongestPauseMs = 64;
// A redirection this long after the last one has nothing to do with it.
constexpr std::int64_t kForgottenMs = 1000;

}  // namespace

bool ChangeQueue::redirected(WaitingAccount& account, const Reply& error) {
  const bool down = says_cluster_down(error);
  if (router_ == nullptr || (!down && !redirection_of(error))) {
    return false;
  }
  const std::int64_t now = deadlines_.now_ms();
  const bool again = now - account.held_until_ms < kForgottenMs;
  const bool at_once = router_->redirected(account.id, error) && !again;
  account.pause_ms =
      again ? std::min(std::max(2 * account.pause_ms, kFirstPauseMs), kLongestPauseMs) : kFirstPauseMs;
  account.held_until_ms = at_once ? now : now + account.pause_ms;
  return !down;
}

bool ChangeQueue::sent_away(WaitingAccount& account) {
  ChangeQueue& other = router_->queue_of(account.id);
  if (&other != this) {
    hand_over(account, other);
    return true;
  }
  const std::int64_t now = deadlines_.now_ms();
  if (account.held_until_ms <= now) {
    return false;
  }
  held_.insert_from_back(account, [](const WaitingAccount& one, const WaitingAccount& another) {
    return one.held_until_ms < another.held_until_ms;
  });
  if (&held_.front() == &account) {
    hold_timer_->arm(account.held_until_ms - now);
  }
  return true;
}

void ChangeQueue::end_holds() {
  const std::int64_t now = deadlines_.now_ms();
  while (!held_.empty() && held_.front().held_until_ms <= now) {
    ready_.push_back(held_.pop_front());
  }
  if (!held_.empty()) {
    hold_timer_->arm(held_.front().held_until_ms - now);
  }
  post();
}

// In the order in which they wait. What is in a lane follows when it is released.
void ChangeQueue::hand_over(WaitingAccount& account, ChangeQueue& other) {
  account.unlink();
  WaitingAccount& there = other.account_of(account.id);
  there.held_until_ms = account.held_until_ms;
  there.pause_ms = account.pause_ms;
  while (!account.waiting.empty()) {
    Change& change = account.waiting.pop_front();
    --waiting_;
    --users_;
    change.queue_ = &other;
    ++other.users_;
    ++other.waiting_;
    there.waiting.push_back(change);
  }
  forget_if_idle(account);
  if (!there.busy && !there.linked() && !other.sent_away(there)) {
    other.ready_.push_back(there);
  }
  other.post();
}

void ChangeQueue::reroute() {
  std::vector<WaitingAccount*> moving;
  for (const auto& [id, account] : accounts_) {
    if (!account->busy && &router_->queue_of(id) != this) {
      moving.push_back(account.get());
    }
  }
  for (WaitingAccount* account : moving) {
    hand_over(*account, router_->queue_of(account->id));
  }
}

}  // namespace wallet_sync
