// A connection for changes. When it is free it takes what waits as one batch, in two trips:
//
//   WATCH all keys, all reads      every member decides, in order; those of one account each on what the one
//                                  before it leaves behind (see overlay.hpp)
//   MULTI, all writes, EXEC, WAIT  not sent if nobody writes; WAIT only if replicas are to have it
//                                  (then also after a transaction of no effect, for a write that was found)
//
// A batch of one is the plain transaction. Members decide for themselves and fail by themselves, but what
// they write runs in one piece, so an EXEC in vain is in vain for all: they are tried again in smaller
// batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "change_queue.hpp"
#include "connection.hpp"
#include "node.hpp"

namespace wallet_sync {

class Lane final : public Node::Tenant, private Receiver {
 public:
  Lane(ChangeQueue& queue, Node& node);
  ~Lane() override;
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  bool idle() const { return members_.empty() && connection() != nullptr; }
  std::size_t members() const { return members_.size(); }
  // REQUIRES: idle.
  void begin(std::vector<BatchMember> members);

 private:
  void on_up() override { queue_.lanes_changed(); }
  void on_down() override { queue_.lanes_changed(); }
  void on_replies(Connection& connection, Replies&& replies) override;
  void on_no_replies() override;

  bool answers_what_was_asked(const Replies& replies) const;
  void decide_all(Connection& connection, Replies& replies);
  // False: it does not go on with the others.
  bool decide(Connection& connection, BatchMember& member, std::span<Reply> seen, Commands& writes);
  void send_wait(Connection& connection);
  void executed(Connection& connection, const Replies& replies);
  void committed(const Reply& exec, bool replicated);
  void send_confirmation(Connection& connection);
  void confirmed(Connection& connection, const Replies& replies);
  bool replicated(Connection& connection, const Reply& wait);
  void confirm(bool replicated);
  bool redirected(const Reply& error);
  void refused(Connection& connection, const Replies& replies);
  void refuse(BatchMember& member, StoreError error);
  void refuse(BatchMember& member, const Reply& error);
  bool any_confirming() const;
  std::size_t accounts() const;
  void end();  // whoever is not answered is tried again

  ChangeQueue& queue_;
  Node& node_;
  std::vector<BatchMember> members_;
  enum class Stage { looking, executing, confirming } stage_ = Stage::looking;
  std::size_t answered_ = 0;
  std::int64_t begun_at_ms_ = 0;
};

}  // namespace wallet_sync
