#include "subscribers.hpp"

#include <algorithm>

namespace wallet_sync {
namespace {

// For a moment two nodes may each say that a slot is the other's.
constexpr unsigned kHopsAtOnce = 2;
constexpr std::int64_t kLaterMs = 50;

}  // namespace

Subscribers::Subscribers(Topology& topology, Deadlines& deadlines, const Keyspace& keys,
                         Subscriber::Listener& listener)
    : topology_(topology),
      deadlines_(deadlines),
      keys_(keys),
      listener_(listener),
      later_timer_(deadlines.loop().new_timer(TimerKind::background, [this] { try_again(); })) {
  at(topology.first());
  topology.observe(this);
}

Subscribers::~Subscribers() { topology_.observe(nullptr); }

Subscriber& Subscribers::at(Shard& shard) {
  const auto found =
      std::find_if(places_.begin(), places_.end(), [&](const Place& place) { return place.shard == &shard; });
  if (found != places_.end()) {
    return *found->subscriber;
  }
  Subscriber::Router* router = topology_.clustered() ? this : nullptr;
  places_.push_back({&shard, std::make_unique<Subscriber>(deadlines_, shard.node, keys_, listener_, router)});
  return *places_.back().subscriber;
}

Subscriber* Subscribers::holder(const std::string& account) {
  const auto found = std::find_if(places_.begin(), places_.end(),
                                  [&](const Place& place) { return place.subscriber->has(account); });
  return found != places_.end() ? found->subscriber.get() : nullptr;
}

Subscriber::Join Subscribers::join(const AccountId& account) {
  Subscriber& home = at(topology_.of(account));
  if (topology_.clustered()) {
    if (Subscriber* holder = this->holder(account.hex()); holder != nullptr && holder != &home) {
      holder->move(account.hex(), home);
    }
  }
  return home.join(account);
}

void Subscribers::leave(const AccountId& account) {
  if (!topology_.clustered()) {
    places_.front().subscriber->leave(account);
  } else if (Subscriber* holder = this->holder(account.hex())) {
    holder->leave(account);
  }
}

std::size_t Subscribers::connected() const {
  return static_cast<std::size_t>(std::count_if(
      places_.begin(), places_.end(), [](const Place& place) { return place.subscriber->connected(); }));
}

void Subscribers::bring_home(Subscriber& subscriber, const std::string& account) {
  if (Subscriber& home = at(topology_.of(account)); &home != &subscriber) {
    subscriber.move(account, home);
  } else {
    subscriber.subscribe_again(account);
  }
}

void Subscribers::on_slots_moved() {
  // NOLINTNEXTLINE(modernize-loop-convert): there may come to be more
  for (std::size_t i = 0; i < places_.size(); ++i) {
    Subscriber& subscriber = *places_[i].subscriber;
    for (const std::string& account : subscriber.accounts()) {
      if (&topology_.of(account) != places_[i].shard) {
        bring_home(subscriber, account);
      }
    }
  }
}

bool Subscribers::leaves(Shard& shard) {
  const auto found =
      std::find_if(places_.begin(), places_.end(), [&](const Place& place) { return place.shard == &shard; });
  if (found == places_.end()) {
    return true;
  }
  if (!found->subscriber->idle()) {
    return false;
  }
  places_.erase(found);
  return true;
}

void Subscribers::on_left(Subscriber& subscriber, const std::string& account, const Reply* error,
                          unsigned hops) {
  const auto place = std::find_if(places_.begin(), places_.end(),
                                  [&](const Place& p) { return p.subscriber.get() == &subscriber; });
  bool later = hops > kHopsAtOnce;
  if (error != nullptr) {
    const auto redirection = redirection_of(*error);
    if (redirection && redirection->kind == Redirection::Kind::moved) {
      later = !topology_.moved(*redirection, *place->shard) || later;
    } else {
      topology_.doubt();
      later = true;
    }
  }
  if (!later) {
    bring_home(subscriber, account);
    return;
  }
  later_.push_back(account);
  if (!later_timer_->armed()) {
    later_timer_->arm(kLaterMs);
  }
}

void Subscribers::try_again() {
  for (const std::string& account : std::exchange(later_, {})) {
    if (Subscriber* holder = this->holder(account)) {
      bring_home(*holder, account);
    }
  }
}

}  // namespace wallet_sync
