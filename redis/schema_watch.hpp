// Of a cluster: whether its data are of a schema version that we know (schema.hpp). The key is in one slot,
// so no connection can tell by itself: its master is asked, wherever the slot is or is moving to, as soon as
// the slots' masters are known and then twice a second.
//
// Until the answer is there nobody is served, and with a wrong one nobody is: no slot leads to its master
// then. What has been answered holds while that master is away, for it concerns only its own accounts; but
// once all masters have been away they may come back with other data, and are asked anew.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "command.hpp"
#include "event_loop.hpp"
#include "monitor.hpp"
#include "reply.hpp"
#include "result.hpp"
#include "server.hpp"
#include "task.hpp"
#include "waiter.hpp"

namespace wallet_sync {

struct Shard;
class Topology;

class SchemaWatch {
 public:
  enum class State { unknown, fine, wrong };

  // Asks nothing yet. The topology outlives it.
  SchemaWatch(Topology& topology, Deadlines& deadlines, const Server& server, Monitor& monitor);
  ~SchemaWatch();
  SchemaWatch(const SchemaWatch&) = delete;
  SchemaWatch& operator=(const SchemaWatch&) = delete;

  State state() const { return state_; }
  // Why the data are left alone; empty: they are not.
  const std::string& wrong() const { return wrong_; }

  // The slots' masters are known, or are others by now: asks, unless it asks already.
  void ask();
  // All masters are away.
  void forget();

 private:
  Task<bool> asked();
  // Asks the key's master, and follows where that leads. nullopt: nobody knows at the moment.
  Task<std::optional<Reply>> ask_master(Command command);
  void learn(const Reply& reply);
  void enter(State state);

  Topology& topology_;
  EventLoop& loop_;
  Monitor& monitor_;
  const bool marks_;
  const std::string key_;
  State state_ = State::unknown;
  std::string wrong_;
  std::string trouble_;  // why it is unknown, as was told last; empty: nothing was
  std::string last_mark_error_;
  std::unique_ptr<Timer> timer_;
  std::optional<Task<bool>> question_;
};

}  // namespace wallet_sync
