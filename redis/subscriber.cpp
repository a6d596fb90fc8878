#include "subscriber.hpp"

#include "backoff.hpp"

namespace wallet_sync {
namespace {

constexpr std::size_t kChannelsPerCommand = 512;
constexpr std::int64_t kHeartbeatMs = 10'000;

}  // namespace

Subscriber::Join::Join(Subscriber& subscriber, const AccountId& account)
    : Posted(subscriber.loop_), subscriber_(subscriber), channel_(subscriber.channels_[account.hex()]) {
  if (++channel_.wanted == 1 && !channel_.confirmed && channel_.unconfirmed == 0) {
    subscriber.subscribe(account.hex(), channel_);
  }
  if (!subscriber.connection_ && !subscriber.reconnect_->armed()) {
    subscriber.connect();
  }
}

Subscriber::Join::~Join() {
  if (queued_) {
    channel_.waiting.remove(this);
  }
}

bool Subscriber::Join::await_ready() const { return channel_.confirmed || subscriber_.known_down_; }

void Subscriber::Join::await_suspend(std::coroutine_handle<> caller) {
  caller_ = caller;
  queued_ = true;
  channel_.waiting.push_back(this);
  deadline_ = subscriber_.loop_.new_timer(TimerKind::deadline, [this] {
    channel_.waiting.remove(this);
    decide(false);
  });
  deadline_->arm(subscriber_.server_.connect_timeout_ms + subscriber_.server_.command_timeout_ms);
}

bool Subscriber::Join::await_resume() const { return caller_ ? confirmed_ : channel_.confirmed; }

void Subscriber::Join::decide(bool confirmed) {
  queued_ = false;
  confirmed_ = confirmed;
  deadline_->disarm();
  post();
}

Subscriber::Subscriber(EventLoop& loop, const Server& server, const Keyspace& keys, Monitor& monitor,
                       Listener& listener)
    : loop_(loop),
      server_(server),
      keys_(keys),
      monitor_(monitor),
      listener_(listener),
      reconnect_(loop.new_timer(TimerKind::background, [this] { connect(); })),
      heartbeat_(loop.new_timer(TimerKind::background, [this] { beat(); })) {}

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
  if (channel->second.confirmed && connection_) {
    connection_->push_command(Command("UNSUBSCRIBE", keys_.events_of(channel->first)));
  }
  channels_.erase(channel);
}

void Subscriber::connect() { connection_ = std::make_unique<Connection>(loop_, server_, monitor_, *this); }

void Subscriber::subscribe(const std::string& account, Channel& channel) {
  if (connection_ && connection_->ready()) {
    ++channel.unconfirmed;
    connection_->push_command(Command("SUBSCRIBE", keys_.events_of(account)));
  }
}

void Subscriber::on_ready(Connection& connection) {
  beat_confirmed_ = true;
  unconfirmed_after_loss_ = 1 + channels_.size();
  Command command("SUBSCRIBE", keys_.heartbeat());
  std::size_t count = 1;
  for (auto& [account, channel] : channels_) {
    channel.unconfirmed = 1;
    command.add(keys_.events_of(account));
    if (++count == kChannelsPerCommand) {
      connection.push_command(command);
      command = Command("SUBSCRIBE");
      count = 0;
    }
  }
  if (count > 0) {
    connection.push_command(command);
  }
  heartbeat_->arm(kHeartbeatMs);
}

void Subscriber::on_lost(Connection& connection) {
  const bool was_up = std::exchange(subscribed_, false);
  monitor_.warn("lost the subscriptions at Redis " + server_.name() + ": " + connection.reason());
  gap_ = gap_ || was_up;
  connection_.reset();
  heartbeat_->disarm();
  known_down_ = !was_up;
  for (auto channel = channels_.begin(); channel != channels_.end();) {
    const auto current = channel++;
    current->second.confirmed = false;
    current->second.unconfirmed = 0;
    if (known_down_) {
      decide(current->second, false);
    }
    drop_if_unwanted(current);
  }
  if (was_up) {
    connect();
  } else {
    reconnect_->arm(next_backoff(backoff_ms_));
  }
}

// ["subscribe" | "unsubscribe", channel, number] or ["message", channel, payload]
void Subscriber::on_push(Connection& connection, const Reply& push) {
  if (push.is_error()) {
    connection.lose(push.text);
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
    known_down_ = false;
    backoff_ms_ = 0;
    on_confirmed({});
    return;
  }
  const std::string account(keys_.account_of_events(name));
  if (kind == "subscribe") {
    on_confirmed(account);
  } else if (kind == "message") {
    const std::string& payload = push.elements[2].text;
    if (payload == kPasswordChanged) {
      listener_.on_password_change(account);
    } else if (const auto sequence = to_integer(payload); sequence && *sequence > 0) {
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
      drop_if_unwanted(found);
    }
  }
  if (unconfirmed_after_loss_ > 0 && --unconfirmed_after_loss_ == 0 && gap_) {
    gap_ = false;
    monitor_.notice("subscribed again at Redis " + server_.name());
    listener_.on_gap();
  }
}

void Subscriber::decide(Channel& channel, bool confirmed) {
  while (!channel.waiting.empty()) {
    Join* first = channel.waiting.front();
    channel.waiting.pop_front();
    first->decide(confirmed);
  }
}

void Subscriber::beat() {
  if (!connection_ || !connection_->ready()) {
    return;
  }
  if (!beat_confirmed_) {
    connection_->lose("no answer to the heartbeat");
    return;
  }
  beat_confirmed_ = false;
  connection_->push_command(Command("SUBSCRIBE", keys_.heartbeat()));
  heartbeat_->arm(kHeartbeatMs);
}

}  // namespace wallet_sync
