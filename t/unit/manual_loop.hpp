// The event loop of redis/ without events: time passes when a test says so, and each stream leads to a Peer,
// which the test plays. For what depends on moments that a real server does not offer twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "event_loop.hpp"

class ManualLoop;

// The far end of a stream. Whatever it does takes one turn of the loop.
class Peer {
 public:
  Peer(ManualLoop& loop, wallet_sync::Stream::User& user) : loop_(loop), user_(&user) {}
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  virtual ~Peer() = default;

  void accepts();
  void refuses(std::string reason = "Connection refused");
  void says(std::string_view bytes);
  // The same, but nobody has been told yet that there is something to read.
  void has_said(std::string_view bytes) { to_be_read_ += bytes; }
  // Our end is told that there is something to read; true: it asks to be told once more.
  bool next_turn();
  void hangs_up();
  // Accepts, and answers a greeting without AUTH and SELECT as a master does.
  void greets();
  bool has_greeted() const { return greeted_; }
  // From now on takes no more than so many bytes; allows(more) goes on.
  void allows(std::size_t bytes);

  bool closed() const { return user_ == nullptr; }
  // What has been sent to it since the last call.
  std::string heard();

 private:
  friend class ManualLoop;
  class End;
  ManualLoop& loop_;
  wallet_sync::Stream::User* user_;  // null: the stream is closed
  std::string to_be_read_;
  bool ended_ = false;
  bool read_later_ = false;
  bool greeted_ = false;
  std::string heard_;
  std::size_t room_ = SIZE_MAX;
};

class ManualLoop : public wallet_sync::EventLoop {
 public:
  ManualLoop() = default;
  ManualLoop(const ManualLoop&) = delete;
  ManualLoop& operator=(const ManualLoop&) = delete;
  ~ManualLoop() override;

  std::unique_ptr<wallet_sync::Stream> connect(const wallet_sync::Server& server,
                                               wallet_sync::Stream::User& user) override;
  std::unique_ptr<wallet_sync::Timer> new_timer(wallet_sync::TimerKind kind,
                                                std::function<void()> on_expiry) override;
  std::int64_t now_ms() const override { return now_ms_; }

  // Lets time pass: each timer that expires meanwhile has a turn of its own, at its moment.
  void pass(std::int64_t milliseconds);
  // As when the process was stopped: the clock is late when anything runs again.
  void stand_still(std::int64_t milliseconds) { now_ms_ += milliseconds; }

  // One for each connect() so far, the oldest first.
  Peer& peer(std::size_t index) { return *peers_.at(index); }
  std::size_t peers() const { return peers_.size(); }
  // Streams that are not yet closed.
  std::size_t open() const;
  // How many timers run, and how often one has been started.
  std::size_t armed(wallet_sync::TimerKind kind) const;
  std::size_t arms() const { return arms_; }

 private:
  class ManualTimer;
  void wake() override {}
  ManualTimer* next_to_expire(std::int64_t until_ms) const;

  std::int64_t now_ms_ = 1'000'000;
  std::size_t arms_ = 0;
  std::vector<ManualTimer*> timers_;
  std::vector<std::unique_ptr<Peer>> peers_;
};
