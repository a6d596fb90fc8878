#include "change_queue.hpp"

#include <algorithm>
#include <functional>
#include <string_view>

#include "lane.hpp"

namespace wallet_sync {
namespace {

constexpr std::size_t kMaxMembers = 64;
// What is written in one piece has to get through in time over a slow network, too.
constexpr std::size_t kMaxWeight = 512 * 1024;
// So many may wait whatever was measured: the measure is of the past.
constexpr std::size_t kAlwaysAdmitted = 128;

std::size_t hash_of(const AccountId& account) { return std::hash<std::string_view>()(account.view()); }

}  // namespace

std::size_t Contention::limit(const AccountId& account, std::int64_t now_ms) const {
  const std::size_t hash = hash_of(account);
  const Entry& entry = entries_[hash % kEntries];
  return entry.hash == hash && now_ms < entry.until_ms ? entry.limit : kMaxAccounts;
}

void Contention::lost(const AccountId& account, std::size_t accounts, std::int64_t now_ms) {
  const std::size_t hash = hash_of(account);
  entries_[hash % kEntries] = {hash, std::max<std::size_t>(accounts / 2, 1), now_ms + kRememberedMs};
}

void Contention::won(const AccountId& account, std::int64_t now_ms) {
  const std::size_t hash = hash_of(account);
  Entry& entry = entries_[hash % kEntries];
  if (entry.hash == hash && now_ms < entry.until_ms && entry.limit > 1) {
    entry.until_ms = 0;  // it was among the others, not the cause
  }
}

std::size_t ChangeQueue::AccountHash::operator()(const AccountId& account) const { return hash_of(account); }

ChangeQueue::ChangeQueue(Deadlines& deadlines, Node& node, Router* router)
    : Posted(deadlines.loop(), Phase::end_of_turn), deadlines_(deadlines), node_(node), router_(router) {
  if (router != nullptr) {
    hold_timer_ = deadlines.loop().new_timer(TimerKind::background, [this] { end_holds(); });
  }
  for (std::size_t i = 0; i < node.server().lanes; ++i) {
    lanes_.push_back(std::make_unique<Lane>(*this, node));
  }
}

ChangeQueue::~ChangeQueue() = default;

std::int64_t ChangeQueue::deadline() const { return deadlines_.now_ms() + node_.server().command_timeout_ms; }

std::size_t ChangeQueue::in_flight() const {
  std::size_t members = 0;
  for (const auto& lane : lanes_) {
    members += lane->members();
  }
  return members;
}

bool ChangeQueue::known_down() const {
  return std::all_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->known_down(); });
}

std::size_t ChangeQueue::connected() const {
  return static_cast<std::size_t>(std::count_if(
      lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->connection() != nullptr; }));
}

StoreError ChangeQueue::failed(StoreError error) {
  Monitor& monitor = node_.monitor();
  switch (error) {
    case StoreError::unavailable: monitor.count(Counter::store_unavailable); break;
    case StoreError::overloaded: monitor.count(Counter::store_overloaded); break;
    case StoreError::refused: monitor.count(Counter::store_refused); break;
    case StoreError::unknown: monitor.count(Counter::store_unknown); break;
    case StoreError::unreplicated: monitor.count(Counter::store_unreplicated); break;
    case StoreError::contended: monitor.count(Counter::store_contended); break;
    case StoreError::internal: monitor.count(Counter::store_internal); break;
  }
  return error;
}

WaitingAccount& ChangeQueue::account_of(const AccountId& account) {
  auto& entry = accounts_[account];
  if (!entry) {
    entry = std::make_unique<WaitingAccount>(account);
  }
  return *entry;
}

void ChangeQueue::forget_if_idle(WaitingAccount& account) {
  if (account.waiting.empty() && !account.busy) {
    accounts_.erase(AccountId(account.id));
  }
}

void ChangeQueue::enter(Change& change) {
  node_.monitor().count(Counter::transactions);
  const std::int64_t now = deadlines_.now_ms();
  if (known_down()) {
    change.finish(StoreError::unavailable);
    return;
  }
  // Half of what it may take, so that the last one that is let in still has time to be served.
  if (waiting_ >= kAlwaysAdmitted &&
      throughput_.expected_ms(waiting_, now) > (change.deadline_ms() - now) / 2) {
    change.finish(StoreError::overloaded);
    return;
  }
  WaitingAccount& account = account_of(change.account());
  account.waiting.push_back(change);
  ++waiting_;
  if (!account.busy && !account.linked()) {
    ready_.push_back(account);
  }
  post();
}

void ChangeQueue::leave(Change& change) {
  if (!static_cast<Hook<ChangeQueue>&>(change).linked()) {
    return;
  }
  static_cast<Hook<ChangeQueue>&>(change).unlink();
  --waiting_;
  forget_if_idle(account_of(change.account()));
}

void ChangeQueue::again(Change& change, WaitingAccount& account) {
  account.waiting.push_front(change);
  ++waiting_;
}

void ChangeQueue::release(WaitingAccount& account) {
  account.busy = false;
  if (account.waiting.empty()) {
    forget_if_idle(account);
  } else if (router_ == nullptr || !sent_away(account)) {
    ready_.push_back(account);
  }
}

void ChangeQueue::finished(std::size_t changes, std::int64_t trip_ms) {
  constexpr double kWeight = 0.2;
  trip_ms_ += kWeight * (static_cast<double>(trip_ms) - trip_ms_);
  throughput_.finished(changes, waiting_ > 0, deadlines_.now_ms());
  post();
}

std::vector<BatchMember> ChangeQueue::take() {
  std::vector<BatchMember> members;
  const std::int64_t now = deadlines_.now_ms();
  // Half of what a change may take at most: a fresh one is always begun, or nothing would be measured again.
  const auto soonest =
      now + std::min(static_cast<std::int64_t>(trip_ms_), node_.server().command_timeout_ms / 2);
  std::size_t weight = 0;
  const auto full = [&] { return members.size() >= kMaxMembers || weight >= kMaxWeight; };
  std::size_t accounts = 0;
  std::size_t limit = router_ != nullptr ? 1 : Contention::kMaxAccounts;  // EXEC is of one slot
  while (!ready_.empty() && !full()) {
    WaitingAccount& account = ready_.front();
    limit = std::min(limit, contention_.limit(account.id, now));
    if (accounts == limit || (accounts > 0 && limit <= accounts)) {
      break;
    }
    ready_.pop_front();
    account.busy = true;
    const std::size_t before = members.size();
    while (!account.waiting.empty() && !full()) {
      Change& change = account.waiting.pop_front();
      --waiting_;
      if (change.deadline_ms() <= soonest && !change.maybe_written()) {
        change.finish(StoreError::overloaded);
      } else {
        members.push_back({&change, &account, change.look().reads.size()});
        weight += change.look().weight;
      }
    }
    if (members.size() == before) {
      account.busy = false;
      forget_if_idle(account);
    } else {
      ++accounts;
    }
  }
  return members;
}

// All but those that have to know what became of them, and may still find out.
void ChangeQueue::fail_waiting() {
  std::vector<Change*> failing;
  for (const auto& [id, account] : accounts_) {
    std::vector<Change*> staying;
    while (!account->waiting.empty()) {
      Change& change = account->waiting.pop_front();
      (change.maybe_written() ? staying : failing).push_back(&change);
    }
    for (Change* change : staying) {
      account->waiting.push_back(*change);
    }
  }
  waiting_ -= failing.size();
  for (Change* change : failing) {
    change->finish(StoreError::unavailable);
    forget_if_idle(account_of(change->account()));
  }
}

void ChangeQueue::run() {
  if (known_down()) {
    fail_waiting();
    return;
  }
  for (const auto& lane : lanes_) {
    if (ready_.empty()) {
      return;
    }
    if (lane->idle()) {
      if (auto members = take(); !members.empty()) {
        lane->begin(std::move(members));
      }
    }
  }
}

}  // namespace wallet_sync
