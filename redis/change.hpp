// A change of one account: WATCH → read → decide → MULTI … EXEC. It is described, not driven: what to look
// at, and a function from what was seen to a decision. Lanes carry it out, many changes in one transaction.
//
//   EXEC says      it means                                     then
//   array          all of it ran                                the decided outcome; with replicas= once
//                                                               enough of them have it, else unreplicated
//   nil            a watched key changed since WATCH            look again, decide again
//   error          nothing ran (EXECABORT, READONLY, OOM, …)    refused
//   (no answer)    it ran, or not                               look again until the deadline; decide() knows
//                                                               that it may be reading its own write
#pragma once

#include <coroutine>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "command.hpp"
#include "intrusive_list.hpp"
#include "reply.hpp"
#include "result.hpp"
#include "token.hpp"
#include "waiter.hpp"

namespace wallet_sync {

class ChangeQueue;
struct BatchMember;

// What a change has to know before it decides. The keys are watched before they are read; all are of one
// account.
struct Look {
  std::vector<std::string> watch;
  Commands reads;          // HGET, HMGET, HGETALL, GET or TTL
  std::size_t weight = 0;  // bytes that it may come to write, about
};

// The replies to the reads, one each, none of them an error.
using Seen = std::span<const Reply>;

// What to do about what was seen.
template <typename Outcome>
struct Decision {
  Outcome outcome;  // final if there is nothing to write, else reported once EXEC has run
  Commands writes;  // HSET, HDEL, DEL, EXPIRE, PERSIST, PUBLISH
};

// The part of a change that the queue and the lanes work with. It waits no longer than its deadline, for all
// attempts together.
class Change : public Waiter, public Hook<ChangeQueue> {
 public:
  ~Change() override;
  Change(const Change&) = delete;
  Change& operator=(const Change&) = delete;

  const AccountId& account() const { return account_; }
  const Look& look() const { return look_; }
  // An EXEC of it lost its reply.
  bool maybe_written() const { return maybe_written_; }

  void await_suspend(std::coroutine_handle<> caller);

 protected:
  Change(ChangeQueue& queue, const AccountId& account, Look look);
  // Appends what to write to `writes`; nothing: the outcome stands. An error ends the change.
  virtual std::optional<StoreError> decide(Seen seen, Commands& writes) = 0;
  // Why it failed; nullopt: the outcome of the last decision is what happened.
  const std::optional<StoreError>& error() const { return error_; }

 private:
  friend class ChangeQueue;
  friend class Lane;
  void on_deadline() override;
  void finish(std::optional<StoreError> error = std::nullopt);

  ChangeQueue* queue_;
  AccountId account_;
  Look look_;
  int attempts_ = 0;
  int lost_connections_ = 0;
  bool maybe_written_ = false;
  BatchMember* member_ = nullptr;  // while a lane works on it
  std::optional<StoreError> error_;
};

// co_await gives Result<Outcome>. `Decide` is called with Seen and whether an earlier EXEC lost its reply; it
// returns Result<Decision<Outcome>>: StoreError::internal if the data make no sense.
template <typename Outcome, typename Decide>
class Decided final : public Change {
 public:
  Decided(ChangeQueue& queue, const AccountId& account, Look look, Decide decide)
      : Change(queue, account, std::move(look)), decide_(std::move(decide)) {}

  Result<Outcome> await_resume() {
    if (error()) {
      return *error();
    }
    return *std::move(outcome_);
  }

 private:
  std::optional<StoreError> decide(Seen seen, Commands& writes) override {
    Result<Decision<Outcome>> decision = decide_(seen, maybe_written());
    if (!decision) {
      return decision.error();
    }
    outcome_ = std::move(decision->outcome);
    writes = std::move(decision->writes);
    return std::nullopt;
  }

  Decide decide_;
  std::optional<Outcome> outcome_;
};

}  // namespace wallet_sync
