// Commands outside transactions on their way through a cluster.
#include <algorithm>
#include <optional>
#include <utility>

#include "cluster_map.hpp"
#include "redis_store.hpp"

namespace wallet_sync {
namespace {

constexpr std::int64_t kFirstPauseMs = 4;
constexpr std::int64_t kLongestPauseMs = 64;

class Pause final : public Waiter {
 public:
  Pause(Deadlines& deadlines, std::int64_t milliseconds)
      : Waiter(deadlines, deadlines.now_ms() + milliseconds) {}
  void await_resume() const {}

 private:
  void on_deadline() override { wake(); }
};

bool is_transaction(const Commands& commands) { return commands.front().words().front() == "MULTI"; }

// The first reply that sends its command elsewhere; all.size(): none does.
std::size_t first_redirected(const Replies& all, std::optional<Redirection>& redirection) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    redirection = redirection_of(all[i]);
    if (redirection) {
      return i;
    }
  }
  return all.size();
}

}  // namespace

Task<Result<Replies>> RedisStore::ask(AccountId account, Commands commands, Repeat repeat) {
  return ask_of_slot(topology_.slot(account), std::move(commands), repeat);
}

Task<Result<Replies>> RedisStore::ask_of_key(std::string_view key, Commands commands, Repeat repeat) {
  return ask_of_slot(topology_.slot_of_key(key), std::move(commands), repeat);
}

Task<Result<Replies>> RedisStore::ask_of_slot(std::size_t slot, Commands commands, Repeat repeat) {
  Read read(topology_.of_slot(slot).links, std::move(commands), repeat);
  auto replies = co_await read;
  if (replies && elsewhere(*replies)) {
    co_return co_await settled(slot, read.take_commands(), *std::move(replies), read.deadline_ms());
  }
  co_return checked(topology_.of_slot(slot), std::move(replies));
}

// Nobody follows: see redis_store.hpp.
Task<Result<Replies>> RedisStore::ask_there(std::size_t slot, Commands commands) {
  auto replies = co_await Read(topology_.of_slot(slot).links, std::move(commands), Repeat::yes);
  if (replies && elsewhere(*replies)) {
    topology_.doubt();
    co_return StoreError::unavailable;
  }
  co_return checked(topology_.of_slot(slot), std::move(replies));
}

Task<Result<Replies>> RedisStore::settled(std::size_t slot, Commands commands, Replies replies,
                                          std::int64_t deadline_ms) {
  Result<Replies> last = std::move(replies);
  if (elsewhere(*last)) {
    last = co_await follow(slot, std::move(commands), *std::move(last), deadline_ms);
  }
  co_return checked(topology_.of_slot(slot), std::move(last));
}

bool RedisStore::elsewhere(const Replies& replies) const {
  std::optional<Redirection> ignored;
  return topology_.clustered() && (replies.empty() || first_redirected(replies, ignored) < replies.size());
}

Result<Replies> RedisStore::checked(const Shard& shard, Result<Replies> replies) {
  if (!replies) {
    return failed(replies.error());
  }
  for (const Reply& reply : *replies) {
    if (reply.is_error()) {
      if (says_cluster_down(reply)) {
        topology_.doubt();
      }
      monitor_.warn("Redis at " + shard.node.server().name() + " refuses: " + loggable(reply.text));
      return failed(StoreError::refused);
    }
  }
  return replies;
}

// Replies up to the first that was redirected stand; what follows it is asked again after it, for the order
// in which an account's keys are read matters. Of a transaction nothing has run. ASK is followed for the one
// command that met it: a key that has not arrived looks as if it did not exist.
Task<Result<Replies>> RedisStore::follow(std::size_t slot, Commands commands, Replies replies,
                                         std::int64_t deadline_ms) {
  const bool whole = is_transaction(commands);
  Shard* told_by = &topology_.of_slot(slot);
  Replies known;
  std::size_t asked_at = 0;  // the index of the command that replies.front() belongs to
  std::int64_t pause = 0;
  bool asking = false;
  while (true) {
    std::optional<Redirection> redirection;
    const std::size_t fine = first_redirected(replies, redirection);
    if (!whole || !redirection) {
      for (std::size_t i = asking ? 1 : 0; i < fine; ++i) {
        known.push_back(std::move(replies[i]));
      }
    }
    if (known.size() == commands.size()) {
      co_return known;
    }
    asked_at = known.size();
    Shard* where = nullptr;
    bool at_once = !redirection && !replies.empty();
    if (redirection && redirection->kind == Redirection::Kind::moved) {
      at_once = topology_.moved(*redirection, *told_by) && pause == 0;
    } else if (redirection && redirection->kind == Redirection::Kind::ask && !asking) {
      where = topology_.asked(*redirection, *told_by);
      at_once = where != nullptr;
    } else if (replies.empty()) {
      at_once = pause == 0;
    }
    asking = where != nullptr;
    if (!at_once || redirection) {
      pause = pause == 0 ? kFirstPauseMs : std::min(2 * pause, kLongestPauseMs);
    }
    if (!at_once) {
      co_await Pause(deadlines_, std::min(pause, deadline_ms - deadlines_.now_ms()));
    }
    if (deadlines_.now_ms() >= deadline_ms) {
      topology_.of_slot(slot).node.missed_deadline();  // told_by may be gone after the pause
      co_return StoreError::unavailable;
    }
    Commands again;
    if (asking) {
      again.emplace_back("ASKING");
      const std::size_t end = whole ? commands.size() : asked_at + 1;
      again.insert(again.end(), commands.begin() + static_cast<std::ptrdiff_t>(asked_at),
                   commands.begin() + static_cast<std::ptrdiff_t>(end));
    } else {
      where = &topology_.of_slot(slot);
      again.assign(commands.begin() + static_cast<std::ptrdiff_t>(asked_at), commands.end());
    }
    told_by = where;
    auto answer =
        co_await Read(where->links, std::move(again), whole ? Repeat::no : Repeat::yes, deadline_ms);
    if (!answer) {
      co_return answer.error();
    }
    replies = *std::move(answer);
  }
}

}  // namespace wallet_sync
