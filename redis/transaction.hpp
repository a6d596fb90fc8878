// WATCH → read → decide → MULTI … EXEC, in two round trips, for as many attempts as it takes.
//
// A change is described, not driven: what to look at, and a function from what was seen to a decision. The
// runner owns the connection, so that it may come to put several accounts' changes into one EXEC without any
// change to the descriptions.
//
//   EXEC says      it means                                     then
//   array          all of it ran                                the decided outcome
//   nil            a watched key changed since WATCH            look again, decide again
//   error          nothing ran (EXECABORT, READONLY, OOM, …)    refused
//   (no answer)    it ran, or not                               look again; decide knows it may be reading
//   its
//                                                               own write
#pragma once

#include <functional>
#include <utility>

#include "command.hpp"
#include "link.hpp"
#include "monitor.hpp"
#include "pool.hpp"
#include "reply.hpp"
#include "result.hpp"
#include "task.hpp"

namespace wallet_sync {

// What to do about what was seen.
template <typename Outcome>
struct Decision {
  Outcome outcome;  // final if there is nothing to write, else reported once EXEC has run
  Commands writes;
};

class Transactions {
 public:
  Transactions(Pool& pool, Link& link, Monitor& monitor) : pool_(pool), link_(link), monitor_(monitor) {}

  // `look` is WATCH and then the reads; `decide` gets the replies to the reads, none of them an error, and
  // whether an earlier EXEC of this change lost its reply. It returns a Decision or StoreError::internal if
  // the data make no sense. What it refers to must outlive the Task.
  template <typename Outcome, typename Decide>
  Task<Result<Outcome>> run(Commands look, Decide decide) {
    monitor_.count(Counter::transactions);
    bool maybe_written = false;
    int lost_links = 0;
    const std::int64_t deadline = pool_.deadline();  // of all attempts together
    for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
      auto lease = co_await pool_.lease(deadline);
      if (!lease) {
        co_return failed(maybe_written ? StoreError::unknown : lease.error());
      }
      auto seen = check_look(*lease, co_await lease->connection().send(look, deadline));
      if (!seen) {
        // An idle connection may have gone stale; nothing was written with it. One that does not answer in
        // time is no reason to wait as long again.
        if (seen.error() == StoreError::unavailable && !lease->connection().timed_out() &&
            ++lost_links <= kMaxLostLinks) {
          continue;
        }
        co_return failed(maybe_written ? StoreError::unknown : seen.error());
      }
      Result<Decision<Outcome>> decision = decide(std::as_const(*seen), maybe_written);
      if (!decision || decision->writes.empty()) {
        leave(*lease);
        if (!decision) {
          co_return failed(decision.error());
        }
        co_return std::move(decision->outcome);
      }
      const Commands exec = framed(std::move(decision->writes));
      switch (check_exec(*lease, co_await lease->connection().send(exec, deadline))) {
        case Exec::committed: lease->release(); co_return std::move(decision->outcome);
        case Exec::refused: co_return failed(maybe_written ? StoreError::unknown : StoreError::refused);
        case Exec::broken: co_return failed(StoreError::internal);
        case Exec::raced:
          lease->release();
          monitor_.count(Counter::transaction_retries);
          break;
        case Exec::unknown:
          maybe_written = true;
          monitor_.count(Counter::outcomes_read_back);
          break;
      }
    }
    co_return failed(maybe_written ? StoreError::unknown : StoreError::contended);
  }

  // Counts the failure and passes it on.
  StoreError failed(StoreError error);

 private:
  enum class Exec { committed, raced, refused, broken, unknown };
  static constexpr int kMaxAttempts =
      128;  // each but the last: somebody else's change of this account succeeded
  static constexpr int kMaxLostLinks = 2;

  // The reads' replies, without WATCH's.
  Result<Replies> check_look(const Lease& lease, Result<Replies> replies);
  Exec check_exec(const Lease& lease, Result<Replies> replies);
  static Commands framed(Commands writes);
  static void leave(Lease& lease);

  Pool& pool_;
  Link& link_;
  Monitor& monitor_;
};

}  // namespace wallet_sync
