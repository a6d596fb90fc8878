#include "link.hpp"

namespace wallet_sync {

class Link::Arrival : private Posted {
 public:
  explicit Arrival(Link& link) : Posted(link.loop_), link_(link) {}
  ~Arrival() override {
    if (queued_) {
      link_.arrivals_.remove(this);
    }
  }
  Arrival(const Arrival&) = delete;
  Arrival& operator=(const Arrival&) = delete;
  bool await_ready() const noexcept {
    return link_.known_down_ || (link_.connection_ && link_.connection_->ready());
  }
  void await_suspend(std::coroutine_handle<> caller) {
    caller_ = caller;
    queued_ = true;
    link_.arrivals_.push_back(this);
  }
  void await_resume() const noexcept {}
  void decided() {
    queued_ = false;
    post();
  }

 private:
  void run() override { caller_.resume(); }
  Link& link_;
  bool queued_ = false;
  std::coroutine_handle<> caller_;
};

Link::Link(EventLoop& loop, const Server& server, Monitor& monitor)
    : loop_(loop),
      server_(server),
      monitor_(monitor),
      reconnect_(loop.new_timer(TimerKind::background, [this] { connect(); })) {
  connect();
}

Link::~Link() = default;

Task<Result<Replies>> Link::request(Commands commands) {
  co_await Arrival(*this);
  if (!connection_ || !connection_->ready()) {
    co_return StoreError::unavailable;
  }
  auto replies = co_await connection_->send(commands);
  if (replies) {
    for (const Reply& reply : *replies) {
      doubt(reply);
    }
  }
  co_return replies;
}

void Link::doubt(const Reply& reply) {
  if (!reply.is_error() || !connection_ || !connection_->ready()) {
    return;
  }
  for (const std::string_view sign : {"READONLY", "MASTERDOWN", "LOADING"}) {
    if (reply.text.find(sign) != reply.text.npos) {
      connection_->lose(reply.text);
      return;
    }
  }
}

void Link::connect() { connection_ = std::make_unique<Connection>(loop_, server_, monitor_, *this); }

void Link::on_ready(Connection&) {
  if (known_down_) {
    monitor_.notice("Redis at " + server_.name() + " answers again");
  }
  up_ = true;
  known_down_ = false;
  backoff_ms_ = 0;
  last_reason_.clear();
  decide_arrivals();
}

void Link::on_lost(Connection& connection) {
  const bool was_up = std::exchange(up_, false);
  if (connection.reason() != last_reason_) {  // once per reason, not once per attempt
    last_reason_ = connection.reason();
    monitor_.warn("Redis at " + server_.name() + " is not available: " + last_reason_);
  }
  const bool frozen = connection.timed_out();
  connection_.reset();
  const std::int64_t now = loop_.now_ms();
  if (was_up && !frozen && now - reconnected_at_ms_ >= kMaxBackoffMs) {
    reconnected_at_ms_ = now;
    connect();  // it may be just this connection; requests wait for this one attempt
    return;
  }
  known_down_ = true;
  reconnect_->arm(next_backoff(backoff_ms_));
  decide_arrivals();
}

void Link::decide_arrivals() {
  while (!arrivals_.empty()) {
    Arrival* arrival = arrivals_.front();
    arrivals_.pop_front();
    arrival->decided();
  }
}

}  // namespace wallet_sync
