// One connection and all it needs, for the suites that look at connections by themselves.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "connection.hpp"
#include "redis_fixture.hpp"

namespace wallet_sync {

// Asks, and keeps what comes.
class Asked final : public Receiver {
 public:
  bool answered() const { return replies_.has_value(); }
  bool lost() const { return lost_; }
  bool over() const { return answered() || lost(); }
  // REQUIRES: answered.
  const Replies& replies() const { return *replies_; }
  const Reply& reply(std::size_t index = 0) const { return replies_->at(index); }

 private:
  void on_replies(Connection&, Replies&& replies) override { replies_ = std::move(replies); }
  void on_no_replies() override { lost_ = true; }
  std::optional<Replies> replies_;
  bool lost_ = false;
};

struct LineOwner : Connection::Owner {
  void on_ready(Connection&) override { ++ready; }
  void on_lost(Connection& connection) override {
    ++lost;
    reason = connection.reason();
  }
  void on_push(Connection&, const Reply& push) override { pushes.push_back(push); }
  int ready = 0;
  int lost = 0;
  std::string reason;
  std::vector<Reply> pushes;
};

template <typename Loop>
struct BareLine {
  explicit BareLine(Server where) : server(std::move(where)) {
    connection = std::make_unique<Connection>(loop, server, monitor, owner, 0);
  }
  void ask(Asked& asked, const Commands& commands) { connection->ask(commands, asked); }

  Loop loop;
  TestMonitor monitor;
  LineOwner owner;
  Server server;
  std::unique_ptr<Connection> connection;
};

// To a real server.
struct Line : BareLine<LibeventLoop> {
  using BareLine::BareLine;
  bool settle() {
    return loop.run_until([&] { return owner.ready + owner.lost > 0; });
  }
  bool wait_for_loss() {
    return loop.run_until([&] { return owner.lost > 0; });
  }
  bool wait_for(const Asked& asked) {
    return loop.run_until([&] { return asked.over(); });
  }
  // One command's reply; nil if there is none.
  Reply reply_to(Command command) {
    Asked asked;
    ask(asked, {std::move(command)});
    return wait_for(asked) && asked.answered() ? asked.reply() : Reply{};
  }
};

}  // namespace wallet_sync
