#include "subscriber.hpp"

#include <limits>
#include <utility>

#include "cluster_map.hpp"
#include "slots.hpp"

namespace wallet_sync {
namespace {

constexpr std::size_t kChannelsPerCommand = 512;
constexpr std::int64_t kHeartbeatMs = 10'000;

std::int64_t join_deadline(const Deadlines& deadlines, const Server& server) {
  return deadlines.now_ms() + server.connect_timeout_ms + server.command_timeout_ms;
}

// Empty: it is another message.
std::string_view why_revoked(std::string_view payload) {
  if (payload == kPasswordChanged) return "password changed";
  if (payload == kTokensRevoked) return "tokens revoked";
  if (payload == kAccountDeleted) return "account deleted";
  return {};
}

}  // namespace

Subscriber::Join::Join(Subscriber& subscriber, const AccountId& account)
    : Waiter(subscriber.deadlines_, join_deadline(subscriber.deadlines_, subscriber.node_.server())),
      subscriber_(subscriber),
      channel_(subscriber.channels_[account.hex()]) {
  if (++channel_.wanted == 1 && !channel_.confirmed && channel_.unconfirmed == 0) {
    subscriber.subscribe(account.hex(), channel_);
  }
  subscriber.need();
}

bool Subscriber::Join::await_ready() const {
  return channel_.confirmed || subscriber_.known_down() || subscriber_.refused_;
}

void Subscriber::Join::await_suspend(std::coroutine_handle<> caller) {
  Waiter::await_suspend(caller);
  channel_.waiting.push_back(*this);
}

void Subscriber::Join::on_deadline() {
  static_cast<Hook<Channel>&>(*this).unlink();
  wake();
}

Subscriber::Subscriber(Deadlines& deadlines, Node& node, const Keyspace& keys, Listener& listener,
                       Router* router)
    : Tenant(node, false),
      deadlines_(deadlines),
      node_(node),
      keys_(keys),
      listener_(listener),
      router_(router),
      heartbeat_(node.loop().new_timer(TimerKind::background, [this] { beat(); })) {}

Subscriber::~Subscriber() = default;

Subscriber::Join Subscriber::join(const AccountId& account) { return {*this, account}; }

void Subscriber::leave(const AccountId& account) {
  const auto found = channels_.find(account.hex());
  if (found != channels_.end()) {
    --found->second.wanted;
    drop_if_unwanted(found);
  }
}

// Not while a SUBSCRIBE is on its way: its confirmation would be taken for that of a later one.
void Subscriber::drop_if_unwanted(Channels::iterator channel) {
  if (channel->second.wanted > 0 || channel->second.unconfirmed > 0) {
    return;
  }
  if (channel->second.confirmed) {
    unsubscribe(channel->first);
  }
  channels_.erase(channel);
}

void Subscriber::subscribe(const std::string& account, Channel& channel) {
  if (connection() == nullptr) {
    return;
  }
  ++channel.unconfirmed;
  if (router_ != nullptr) {
    channel.last_asked = ++last_serial_;
    asked_.push_back({account, last_serial_});
  }
  connection()->push_command(
      Command(router_ != nullptr ? "SSUBSCRIBE" : "SUBSCRIBE", keys_.events_of(account)));
}

void Subscriber::unsubscribe(const std::string& account) {
  if (connection() == nullptr) {
    return;
  }
  if (router_ != nullptr) {
    asked_.push_back({account, 0});
  }
  connection()->push_command(
      Command(router_ != nullptr ? "SUNSUBSCRIBE" : "UNSUBSCRIBE", keys_.events_of(account)));
}

void Subscriber::on_up() {
  beat_confirmed_ = true;
  heartbeat_->arm(kHeartbeatMs);
  if (router_ != nullptr) {  // a command is of one slot
    connection()->push_command(Command("SUBSCRIBE", keys_.heartbeat()));
    for (auto& [account, channel] : channels_) {
      channel.unconfirmed = 0;
      subscribe(account, channel);
    }
    return;
  }
  unconfirmed_after_loss_ = 1 + channels_.size();
  Command command("SUBSCRIBE", keys_.heartbeat());
  std::size_t count = 1;
  for (auto& [account, channel] : channels_) {
    channel.unconfirmed = 1;
    command.add(keys_.events_of(account));
    if (++count == kChannelsPerCommand) {
      connection()->push_command(command);
      command = Command("SUBSCRIBE");
      count = 0;
    }
  }
  if (count > 0) {
    connection()->push_command(command);
  }
}

void Subscriber::on_down() {
  const bool was_up = std::exchange(subscribed_, false);
  gap_ = gap_ || (was_up && router_ == nullptr);
  heartbeat_->disarm();
  refused_ = !was_up;
  asked_.clear();
  for (auto channel = channels_.begin(); channel != channels_.end();) {
    const auto current = channel++;
    current->second.missed = current->second.missed || (router_ != nullptr && current->second.confirmed);
    current->second.confirmed = false;
    current->second.unconfirmed = 0;
    if (known_down() || refused_) {
      decide(current->second, false);
    }
    drop_if_unwanted(current);
  }
}

// ["subscribe" | "unsubscribe", channel, number] or ["message", channel, payload], or the same with an "s" in
// front.
void Subscriber::on_push(const Reply& push) {
  if (router_ != nullptr && (redirection_of(push) || says_cluster_down(push))) {
    on_sharded_error(push);
    return;
  }
  if (push.is_error()) {
    connection()->lose(loggable(push.text));
    return;
  }
  if (!push.is_array(3)) {
    return;
  }
  const std::string& kind = push.elements[0].text;
  const std::string& name = push.elements[1].text;
  if (kind == "subscribe" && name == keys_.heartbeat()) {
    beat_confirmed_ = true;
    subscribed_ = true;
    refused_ = false;
    on_confirmed({});
    return;
  }
  const std::string account(keys_.account_of_events(name));
  if (kind == "subscribe") {
    on_confirmed(account);
  } else if (kind == "ssubscribe") {
    if (asked_.empty() || asked_.front().serial == 0 || asked_.front().account != account) {
      connection()->lose("it confirms a subscription out of turn");
    } else if (answered() != channels_.end()) {
      on_confirmed(account);
    }
  } else if (kind == "sunsubscribe") {
    on_unsubscribed(account);
  } else if (kind == "message" || kind == "smessage") {
    const std::string& payload = push.elements[2].text;
    if (const std::string_view why = why_revoked(payload); !why.empty()) {
      listener_.on_revoked(account, why);
    } else if (const auto sequence = to_integer(payload);
               sequence && *sequence > 0 && *sequence <= std::numeric_limits<Sequence>::max()) {
      listener_.on_update(account, static_cast<Sequence>(*sequence));
    }
  }
}

void Subscriber::on_confirmed(const std::string& account) {
  if (const auto found = channels_.find(account); found != channels_.end()) {
    Channel& channel = found->second;
    if (channel.unconfirmed > 0) {
      --channel.unconfirmed;
    }
    channel.confirmed = channel.unconfirmed == 0;
    if (channel.confirmed) {
      decide(channel, true);
      channel.hops = 0;
      const bool missed = std::exchange(channel.missed, false) && channel.wanted > 0;
      drop_if_unwanted(found);
      if (missed) {
        listener_.on_missed(account);
      }
    }
  }
  if (unconfirmed_after_loss_ > 0 && --unconfirmed_after_loss_ == 0 && gap_) {
    gap_ = false;
    node_.monitor().notice("subscribed again at Redis " + node_.server().name());
    listener_.on_gap();
  }
}

// What has been asked first is answered.
Subscriber::Channels::iterator Subscriber::answered() {
  if (asked_.empty()) {
    return channels_.end();
  }
  const Asked asked = std::move(asked_.front());
  asked_.pop_front();
  const auto found = channels_.find(asked.account);
  const bool counts =
      found != channels_.end() && asked.serial != 0 && found->second.last_asked == asked.serial;
  return counts ? found : channels_.end();
}

void Subscriber::on_sharded_error(const Reply& error) {
  const auto redirection = redirection_of(error);
  if (asked_.empty() || (redirection && redirection->slot != slot_of_tag(asked_.front().account))) {
    return;  // to a SUNSUBSCRIBE that came too late
  }
  const auto found = answered();
  if (found == channels_.end()) {
    return;
  }
  Channel& channel = found->second;
  channel.unconfirmed = 0;
  if (channel.wanted == 0) {
    drop_if_unwanted(found);
    return;
  }
  if (!redirection) {
    decide(channel, false);
  }
  const std::string account = found->first;
  router_->on_left(*this, account, &error, ++channel.hops);
}

// We asked for it, or the slot has left.
void Subscriber::on_unsubscribed(const std::string& account) {
  if (!asked_.empty() && asked_.front().serial == 0 && asked_.front().account == account) {
    asked_.pop_front();
    return;
  }
  const auto found = channels_.find(account);
  if (found == channels_.end() || !found->second.confirmed) {
    return;  // the reply to what is on its way tells more
  }
  found->second.confirmed = false;
  found->second.missed = true;
  router_->on_left(*this, account, nullptr, 0);
}

std::vector<std::string> Subscriber::accounts() const {
  std::vector<std::string> accounts;
  accounts.reserve(channels_.size());
  for (const auto& [account, channel] : channels_) {
    accounts.push_back(account);
  }
  return accounts;
}

void Subscriber::move(const std::string& account, Subscriber& other) {
  auto moving = channels_.extract(account);
  Channel& channel = moving.mapped();
  channel.missed = channel.missed || channel.confirmed;
  if (channel.confirmed || channel.unconfirmed > 0) {
    unsubscribe(account);
  }
  channel.confirmed = false;
  channel.unconfirmed = 0;
  other.channels_.insert(std::move(moving));
  other.need();
  if (other.known_down()) {
    decide(channel, false);
  } else {
    other.subscribe(account, channel);
  }
}

void Subscriber::subscribe_again(const std::string& account) {
  const auto found = channels_.find(account);
  if (found != channels_.end() && !found->second.confirmed && found->second.unconfirmed == 0) {
    subscribe(account, found->second);
  }
}

void Subscriber::decide(Channel& channel, bool confirmed) {
  while (!channel.waiting.empty()) {
    Join& join = channel.waiting.pop_front();
    join.confirmed_ = confirmed;
    join.wake();
  }
}

void Subscriber::beat() {
  if (connection() == nullptr) {
    return;
  }
  if (!beat_confirmed_) {
    connection()->lose("no answer to the heartbeat");
    return;
  }
  beat_confirmed_ = false;
  connection()->push_command(Command("SUBSCRIBE", keys_.heartbeat()));
  heartbeat_->arm(kHeartbeatMs);
}

}  // namespace wallet_sync
