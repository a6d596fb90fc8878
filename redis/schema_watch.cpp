#include "schema_watch.hpp"

#include <utility>

#include "cluster_map.hpp"
#include "keyspace.hpp"
#include "schema.hpp"
#include "slots.hpp"
#include "topology.hpp"
#include "trace.hpp"

namespace wallet_sync {
namespace {

constexpr std::int64_t kIntervalMs = 500;
constexpr std::int64_t kHurriedIntervalMs = 50;  // while nobody is served because nothing is known
constexpr int kMostHops = 4;

}  // namespace

SchemaWatch::SchemaWatch(Topology& topology, Deadlines& deadlines, const Server& server, Monitor& monitor)
    : topology_(topology),
      loop_(deadlines.loop()),
      monitor_(monitor),
      marks_(server.marks_schema),
      key_(Keyspace(server.key_prefix).schema()),
      timer_(loop_.new_timer(TimerKind::background, [this] { ask(); })) {}

SchemaWatch::~SchemaWatch() = default;

void SchemaWatch::ask() {
  if (question_ && !question_->done()) {
    return;
  }
  timer_->arm(kIntervalMs);
  const TraceScope nobodys(nullptr);
  question_.emplace(asked());
  question_->start();
}

void SchemaWatch::forget() {
  if (state_ == State::fine) {
    enter(State::unknown);
  }
}

Task<bool> SchemaWatch::asked() {
  auto reply = co_await ask_master(Command("GET", key_));
  std::string trouble = "does not tell it";
  if (reply && !tells_schema(*reply)) {  // the cluster is down, or its master loads or is none any more
    topology_.doubt();
    trouble = "says " + loggable(reply->text);
    reply.reset();
  }
  if (reply) {
    learn(*reply);
    if (reply->is_nil() && marks_) {
      reply = co_await ask_master(schema_mark(key_));
      if (reply && reply->is_error() && std::exchange(last_mark_error_, reply->text) != reply->text) {
        monitor_.warn("the cluster refuses the schema version: " + loggable(reply->text));
      }
    }
  } else if (state_ == State::unknown) {
    if (std::exchange(trouble_, trouble) != trouble) {
      monitor_.warn("nobody is served until " + key_ + " is known: the cluster's master of its slot " +
                    trouble);
    }
    topology_.give_up_waiting();
  }
  timer_->arm(state_ == State::unknown ? kHurriedIntervalMs : kIntervalMs);
  co_return true;
}

// Requests go where slots lead; this goes to where they would lead.
Task<std::optional<Reply>> SchemaWatch::ask_master(Command command) {
  const std::size_t slot = slot_of(key_);
  Shard* shard = &topology_.master_of(slot);
  bool asking = false;
  for (int hop = 0; hop < kMostHops; ++hop) {
    Commands commands;
    if (asking) {
      commands.emplace_back("ASKING");
    }
    commands.push_back(command);
    auto replies = co_await Read(shard->links, std::move(commands), Repeat::yes);
    if (!replies) {
      co_return std::nullopt;
    }
    const auto redirection = replies->empty() ? std::nullopt : redirection_of(replies->back());
    if (!replies->empty() && !redirection) {
      co_return std::move(replies->back());
    }
    asking = redirection && redirection->kind == Redirection::Kind::ask;
    if (asking) {
      shard = topology_.asked(*redirection, *shard);
      if (shard == nullptr) {
        co_return std::nullopt;
      }
      continue;
    }
    if (redirection) {
      topology_.moved(*redirection, *shard);
    }
    shard = &topology_.master_of(slot);
  }
  co_return std::nullopt;
}

void SchemaWatch::learn(const Reply& reply) {
  std::string wrong = wrong_schema(reply, key_);
  if (!wrong.empty() && wrong != wrong_) {
    monitor_.error("the cluster is not available: " + wrong);
  } else if (wrong.empty() && !wrong_.empty()) {
    monitor_.notice("the cluster's data are of a schema version that is known again");
  }
  if (!std::exchange(trouble_, "").empty()) {
    monitor_.notice(key_ + " is known by now");
  }
  wrong_ = std::move(wrong);
  enter(wrong_.empty() ? State::fine : State::wrong);
}

void SchemaWatch::enter(State state) {
  if (std::exchange(state_, state) != state) {
    topology_.schema_changed();
  }
}

}  // namespace wallet_sync
