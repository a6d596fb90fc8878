#include "manual_loop.hpp"

#include <algorithm>
#include <utility>

using wallet_sync::Stream;
using wallet_sync::Timer;
using wallet_sync::TimerKind;

// Our end.
class Peer::End final : public Stream {
 public:
  explicit End(Peer& peer) : peer_(peer) {}
  ~End() override { peer_.user_ = nullptr; }
  End(const End&) = delete;
  End& operator=(const End&) = delete;

  Read read(char* buffer, std::size_t capacity) override {
    const std::size_t size = peer_.to_be_read_.copy(buffer, capacity);
    peer_.to_be_read_.erase(0, size);
    if (size > 0) {
      return {Read::What::bytes, size};
    }
    return {peer_.ended_ ? Read::What::end : Read::What::nothing_yet};
  }
  void read_later() override { peer_.read_later_ = true; }
  std::size_t write(std::string_view bytes) override {
    const std::size_t taken = std::min(bytes.size(), peer_.room_);
    peer_.heard_.append(bytes.substr(0, taken));
    peer_.room_ -= peer_.room_ == SIZE_MAX ? 0 : taken;
    return taken;
  }
  std::string error() const override { return "the test said so"; }

 private:
  Peer& peer_;
};

class ManualLoop::ManualTimer final : public Timer {
 public:
  ManualTimer(ManualLoop& loop, TimerKind kind, std::function<void()> on_expiry)
      : loop_(loop), kind_(kind), on_expiry_(std::move(on_expiry)) {
    loop_.timers_.push_back(this);
  }
  ~ManualTimer() override { std::erase(loop_.timers_, this); }
  ManualTimer(const ManualTimer&) = delete;
  ManualTimer& operator=(const ManualTimer&) = delete;

  void arm(std::int64_t milliseconds) override {
    ++loop_.arms_;
    armed_ = true;
    due_ms_ = loop_.now_ms_ + std::max<std::int64_t>(milliseconds, 0);
  }
  void disarm() override { armed_ = false; }
  bool armed() const override { return armed_; }
  TimerKind kind() const { return kind_; }
  std::int64_t due_ms() const { return due_ms_; }
  void expire() {
    armed_ = false;
    on_expiry_();
  }

 private:
  ManualLoop& loop_;
  TimerKind kind_;
  std::function<void()> on_expiry_;
  bool armed_ = false;
  std::int64_t due_ms_ = 0;
};

ManualLoop::~ManualLoop() = default;

std::unique_ptr<Stream> ManualLoop::connect(const wallet_sync::Server&, Stream::User& user) {
  peers_.push_back(std::make_unique<Peer>(*this, user));
  return std::make_unique<Peer::End>(*peers_.back());
}

std::unique_ptr<Timer> ManualLoop::new_timer(TimerKind kind, std::function<void()> on_expiry) {
  return std::make_unique<ManualTimer>(*this, kind, std::move(on_expiry));
}

ManualLoop::ManualTimer* ManualLoop::next_to_expire(std::int64_t until_ms) const {
  ManualTimer* next = nullptr;
  for (ManualTimer* timer : timers_) {
    if (timer->armed() && timer->due_ms() <= until_ms &&
        (next == nullptr || timer->due_ms() < next->due_ms())) {
      next = timer;
    }
  }
  return next;
}

void ManualLoop::pass(std::int64_t milliseconds) {
  const std::int64_t until_ms = now_ms_ + milliseconds;
  run_posted();
  while (ManualTimer* timer = next_to_expire(until_ms)) {
    now_ms_ = std::max(now_ms_, timer->due_ms());
    timer->expire();
    run_posted();
  }
  now_ms_ = until_ms;
}

std::size_t ManualLoop::open() const {
  return static_cast<std::size_t>(
      std::count_if(peers_.begin(), peers_.end(), [](const auto& peer) { return !peer->closed(); }));
}

std::size_t ManualLoop::armed(TimerKind kind) const {
  return static_cast<std::size_t>(std::count_if(timers_.begin(), timers_.end(), [&](const auto* timer) {
    return timer->armed() && timer->kind() == kind;
  }));
}

void Peer::accepts() {
  if (user_ != nullptr) {
    user_->on_connected();
  }
  loop_.run_posted();
}

void Peer::refuses(std::string reason) {
  if (user_ != nullptr) {
    user_->on_failed(std::move(reason));
  }
  loop_.run_posted();
}

bool Peer::next_turn() {
  read_later_ = false;
  if (user_ != nullptr) {
    user_->on_readable();
  }
  loop_.run_posted();
  return read_later_;
}

void Peer::says(std::string_view bytes) {
  has_said(bytes);
  while (next_turn()) {
  }
}

void Peer::hangs_up() {
  ended_ = true;
  says("");
}

void Peer::greets() {
  greeted_ = true;
  accepts();
  heard_.clear();
  says(
      "*4\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n+PONG\r\n*3\r\n$"
      "6\r\nmaster\r\n:0\r\n*0\r\n$-1\r\n");
}

void Peer::allows(std::size_t bytes) {
  room_ = bytes;
  if (user_ != nullptr) {
    user_->on_writable();
  }
  loop_.run_posted();
}

std::string Peer::heard() { return std::exchange(heard_, {}); }
