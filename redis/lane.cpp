#include "lane.hpp"

#include <algorithm>
#include <utility>

#include "keyspace.hpp"
#include "overlay.hpp"

namespace wallet_sync {
namespace {

// Of one change: each attempt but the last was in vain because another change of the account succeeded.
constexpr int kMaxAttempts = 128;
// A connection may have gone stale; nothing was written with it.
constexpr int kMaxLostConnections = 2;

const Command& multi() {
  static const Command kCommand("MULTI");
  return kCommand;
}
const Command& exec() {
  static const Command kCommand("EXEC");
  return kCommand;
}

const Reply* first_error(std::span<const Reply> replies) {
  const auto found =
      std::find_if(replies.begin(), replies.end(), [](const Reply& r) { return r.is_error(); });
  return found != replies.end() ? &*found : nullptr;
}

// Whether these are replies to MULTI, commands and EXEC. Only what ran as it was sent may be acknowledged.
bool answers_transaction(std::span<const Reply> replies) {
  const Reply& result = replies.back();
  if (replies.front().is_error() || result.is_error()) {
    return true;
  }
  const auto queued = replies.subspan(1, replies.size() - 2);
  return replies.front().is_status("OK") &&
         std::all_of(queued.begin(), queued.end(), [](const Reply& r) { return r.is_status("QUEUED"); }) &&
         (result.is_nil() || result.is_array(queued.size()));
}

}  // namespace

Lane::Lane(ChangeQueue& queue, Node& node) : Tenant(node), queue_(queue), node_(node) { need(); }

Lane::~Lane() {
  for (const BatchMember& member : members_) {
    if (member.change != nullptr) {
      member.change->member_ = nullptr;
    }
  }
}

void Lane::begin(std::vector<BatchMember> members) {
  members_ = std::move(members);
  stage_ = Stage::looking;
  answered_ = 0;
  begun_at_ms_ = node_.loop().now_ms();
  node_.monitor().observe(Distribution::batch_changes, members_.size());
  Connection& connection = *this->connection();
  Command watch("WATCH");
  std::size_t replies = 1;
  for (BatchMember& member : members_) {
    member.change->member_ = &member;
    ++member.change->attempts_;
    replies += member.reads;
    for (const std::string& key : member.change->look().watch) {
      watch.add(key);
    }
  }
  connection.expect(replies, *this);
  connection.append(watch);
  for (const BatchMember& member : members_) {
    for (const Command& read : member.change->look().reads) {
      connection.append(read);
    }
  }
}

// To WATCH and the reads; to a transaction and perhaps WAIT.
bool Lane::answers_what_was_asked(const Replies& replies) const {
  if (stage_ == Stage::looking) {
    return replies.front().is_error() || replies.front().is_status("OK");
  }
  std::span<const Reply> rest(replies);
  if (node_.server().replicas > 0) {
    const Reply& wait = rest.back();
    if (!wait.is_error() && wait.type != Reply::Type::integer && !wait.is_array(2)) {
      return false;
    }
    rest = rest.first(rest.size() - 1);
  }
  return answers_transaction(rest);
}

void Lane::on_replies(Connection& connection, Replies&& replies) {
  if (!answers_what_was_asked(replies)) {
    connection.lose("it answers a change with something else");
    on_no_replies();
    return;
  }
  switch (stage_) {
    case Stage::looking: decide_all(connection, replies); return;
    case Stage::executing: executed(connection, replies); break;
    case Stage::confirming: confirmed(connection, replies); break;
  }
  end();
}

void Lane::decide_all(Connection& connection, Replies& replies) {
  if (replies.front().is_error()) {  // nothing is watched
    refused(connection, replies);
    connection.tell(Command("UNWATCH"));
    end();
    return;
  }
  Overlay overlay;
  const WaitingAccount* account = nullptr;
  std::size_t writes = 0;
  std::size_t at = 1;
  for (BatchMember& member : members_) {
    const std::span<Reply> seen(replies.data() + at, member.reads);
    at += member.reads;
    if (std::exchange(account, member.account) != member.account) {
      overlay.clear();
    }
    if (member.change == nullptr || (!overlay.empty() && !overlay.apply(member.change->look().reads, seen))) {
      continue;
    }
    member.waits_for_exec = !overlay.empty();
    Commands its_writes;
    if (!decide(connection, member, seen, its_writes) || its_writes.empty()) {
      continue;
    }
    if (writes == 0) {
      connection.append(multi());
    }
    for (const Command& write : its_writes) {
      connection.append(write);
    }
    member.writes = its_writes.size();
    writes += its_writes.size();
    overlay.add(std::move(its_writes));
  }
  if (connection.lost()) {  // a reply told that the server is no master: nothing of this has been sent
    end();
    return;
  }
  const bool waits = node_.server().replicas > 0;
  if (writes == 0) {
    // The next batch goes after it, so nobody needs to wait for the answer.
    connection.tell(Command("UNWATCH"));
    if (!any_confirming()) {
      end();
      return;
    }
    stage_ = Stage::confirming;
    send_confirmation(connection);
    return;
  }
  stage_ = Stage::executing;
  connection.append(exec());
  connection.expect(writes + (waits ? 3 : 2), *this);
  if (waits) {
    send_wait(connection);
  }
}

// It holds up this connection only, for less than the peer may be silent. It waits for all that Redis had
// written when this connection wrote last.
void Lane::send_wait(Connection& connection) {
  const Server& server = node_.server();
  connection.append(server.replicas_fsync ? Command("WAITAOF", 0, server.replicas, server.replicas_timeout_ms)
                                          : Command("WAIT", server.replicas, server.replicas_timeout_ms));
}

// What others wrote is waited for only after a write of our own (Redis 7.0 took a read as well). This one
// leaves nothing behind, and is in the slot of the account.
void Lane::send_confirmation(Connection& connection) {
  const auto member =
      std::find_if(members_.begin(), members_.end(), [](const auto& one) { return one.confirming; });
  const std::string key = Keyspace::confirmation(member->change->look().watch.front());
  connection.expect(5, *this);
  connection.append(multi());
  connection.append(Command("INCR", key));
  connection.append(Command("DEL", key));
  connection.append(exec());
  send_wait(connection);
}

void Lane::confirmed(Connection& connection, const Replies& replies) {
  const Reply* error = first_error(std::span(replies).first(replies.size() - 1));
  if (error == nullptr) {
    confirm(replicated(connection, replies.back()));
    return;
  }
  if (redirected(*error)) {
    return;
  }
  node_.monitor().warn("Redis at " + node_.server().name() + " refuses to write: " + loggable(error->text));
  node_.doubt(connection, *error);
  if (!says_no_more_here(*error)) {
    confirm(false);
  }
}

bool Lane::replicated(Connection& connection, const Reply& wait) {
  const Server& server = node_.server();
  const std::int64_t have = wait.is_array(2) ? wait.elements[1].integer : wait.integer;
  const bool enough = !wait.is_error() && have >= static_cast<std::int64_t>(server.replicas);
  if (wait.is_error()) {
    node_.doubt(connection, wait);
  }
  if (!enough && !std::exchange(queue_.short_of_replicas_, true)) {
    node_.monitor().warn("Redis at " + server.name() + " stored a change that " +
                         (wait.is_error() ? "it did not replicate: " + loggable(wait.text)
                                          : std::to_string(have) + " of " + std::to_string(server.replicas) +
                                                " replicas have in time"));
  } else if (enough && std::exchange(queue_.short_of_replicas_, false)) {
    node_.monitor().notice("Redis at " + server.name() + " has enough replicas again");
  }
  return enough;
}

// Those who may have written before, and found that they need not now: what they found has to be safe as
// well.
void Lane::confirm(bool replicated) {
  for (BatchMember& member : members_) {
    if (!member.confirming || member.change == nullptr) {
      continue;
    }
    if (replicated) {
      ++answered_;
      member.change->finish();
    } else {
      refuse(member, StoreError::unknown);
    }
  }
}

bool Lane::decide(Connection& connection, BatchMember& member, std::span<Reply> seen, Commands& writes) {
  if (const Reply* error = first_error(seen)) {
    if (queue_.redirected(*member.account, *error)) {
      --member.change->attempts_;
      return false;
    }
    node_.monitor().warn("Redis at " + node_.server().name() + " refuses to read: " + loggable(error->text));
    node_.doubt(connection, *error);
    refuse(member, *error);
    return false;
  }
  if (const auto error = member.change->decide(seen, writes)) {
    refuse(member, *error);
    return false;
  }
  if (writes.empty() && !member.waits_for_exec) {
    if (member.change->maybe_written() && node_.server().replicas > 0) {
      member.confirming = true;
      return false;
    }
    ++answered_;
    member.change->finish();
    return false;
  }
  return true;
}

void Lane::executed(Connection& connection, const Replies& replies) {
  const bool waits = node_.server().replicas > 0;
  const Reply& result = replies[replies.size() - (waits ? 2 : 1)];
  const bool written = result.type == Reply::Type::array;
  const bool safe = !waits || !written || replicated(connection, replies.back());
  if (replies.front().is_error()) {  // no MULTI: what followed ran by itself
    node_.monitor().warn("Redis at " + node_.server().name() +
                         " refuses transactions: " + loggable(replies.front().text));
    for (BatchMember& member : members_) {
      refuse(member, StoreError::internal);
    }
  } else if (result.is_nil()) {
    const std::int64_t now = node_.loop().now_ms();
    const std::size_t together = accounts();
    for (BatchMember& member : members_) {
      queue_.contention_.lost(member.account->id, together, now);
      member.writes = 0;
    }
    node_.monitor().count(Counter::transaction_retries);
  } else if (written) {
    committed(result, safe);
    confirm(safe);
  } else {
    refused(connection, replies);
  }
}

void Lane::committed(const Reply& exec, bool replicated) {
  const std::int64_t now = node_.loop().now_ms();
  std::size_t at = 0;
  for (BatchMember& member : members_) {
    const auto results = std::span(exec.elements).subspan(std::min(at, exec.elements.size()));
    const Reply* error = first_error(results.first(std::min(member.writes, results.size())));
    at += member.writes;
    queue_.contention_.won(member.account->id, now);
    if (member.change == nullptr) {
      continue;
    }
    if (error != nullptr) {  // Redis does not roll back: a key of another type stands where ours should
      node_.monitor().warn("Redis at " + node_.server().name() +
                           " applied a transaction in part: " + loggable(error->text));
      refuse(member, StoreError::internal);
    } else if (member.writes > 0 && !replicated) {
      refuse(member, StoreError::unreplicated);
    } else if (member.waits_for_exec && !replicated && member.change->maybe_written()) {
      refuse(member, StoreError::unknown);
    } else if (member.writes > 0 || member.waits_for_exec) {
      ++answered_;
      member.change->finish();
    }
  }
}

// By a cluster, where all are of one account: they are tried again where they have to be.
bool Lane::redirected(const Reply& error) {
  if (!queue_.redirected(*members_.front().account, error)) {
    return false;
  }
  for (BatchMember& member : members_) {
    member.writes = 0;
    if (member.change != nullptr) {
      --member.change->attempts_;
    }
  }
  return true;
}

// Nothing ran. What concerns one member's command only is found out by trying each alone.
void Lane::refused(Connection& connection, const Replies& replies) {
  const Reply& error = *first_error(replies);  // the reason stands where it was queued, EXECABORT at the end
  if (redirected(error)) {
    return;
  }
  node_.monitor().warn("Redis at " + node_.server().name() + " refuses to write: " + loggable(error.text));
  node_.doubt(connection, error);
  const bool all = says_no_writes(error);
  const bool alone = accounts() == 1;
  const std::int64_t now = node_.loop().now_ms();
  for (BatchMember& member : members_) {
    const bool concerned = stage_ != Stage::executing || member.writes > 0;
    member.writes = 0;
    if (concerned && (all || alone)) {
      refuse(member, error);
    } else {
      queue_.contention_.lost(member.account->id, 1, now);
    }
  }
}

// What became of an earlier EXEC a server that is no master cannot tell; its successor can.
void Lane::refuse(BatchMember& member, const Reply& error) {
  const bool read_back_later =
      member.change != nullptr && member.change->maybe_written() && says_no_more_here(error);
  if (!read_back_later) {
    refuse(member, StoreError::refused);
  }
}

void Lane::refuse(BatchMember& member, StoreError error) {
  if (member.change != nullptr) {
    ++answered_;
    member.change->finish(member.change->maybe_written() && error == StoreError::refused ? StoreError::unknown
                                                                                         : error);
  }
}

void Lane::on_no_replies() {
  for (BatchMember& member : members_) {
    if (member.change == nullptr) {
      continue;
    }
    if (stage_ == Stage::executing && member.writes > 0) {
      member.change->maybe_written_ = true;
      node_.monitor().count(Counter::outcomes_read_back);
    } else if (!member.change->maybe_written() && ++member.change->lost_connections_ > kMaxLostConnections) {
      refuse(member, StoreError::unavailable);
    }
  }
  end();
}

bool Lane::any_confirming() const {
  return std::any_of(members_.begin(), members_.end(), [](const auto& member) { return member.confirming; });
}

std::size_t Lane::accounts() const {
  std::size_t different = 0;
  const WaitingAccount* account = nullptr;
  for (const BatchMember& member : members_) {
    different += std::exchange(account, member.account) != member.account ? 1U : 0U;
  }
  return different;
}

void Lane::end() {
  stage_ = Stage::looking;
  std::vector<BatchMember> members = std::exchange(members_, {});
  for (std::size_t i = members.size(); i-- > 0;) {  // backwards, so that the order stays
    BatchMember& member = members[i];
    Change* change = std::exchange(member.change, nullptr);
    if (change == nullptr) {
      continue;
    }
    change->member_ = nullptr;
    if (change->attempts_ < kMaxAttempts || change->maybe_written()) {
      queue_.again(*change, *member.account);
    } else {
      change->finish(StoreError::contended);
    }
  }
  const WaitingAccount* account = nullptr;
  for (const BatchMember& member : members) {
    if (std::exchange(account, member.account) != member.account) {
      queue_.release(*member.account);
    }
  }
  queue_.finished(answered_, node_.loop().now_ms() - begun_at_ms_);
}

}  // namespace wallet_sync
