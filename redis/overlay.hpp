// Changes of one account that share a batch are decided one after the other, but all of them looked before
// any of them wrote. An Overlay holds what the accepted ones are going to write, and makes the next one's
// replies what they would be afterwards.
#pragma once

#include <span>

#include "command.hpp"
#include "reply.hpp"

namespace wallet_sync {

class Overlay {
 public:
  bool empty() const { return writes_.empty(); }
  void clear() { writes_.clear(); }
  void add(Commands writes);
  // `replies` are those to `reads`, one each. False: there is a command among them, or among the writes,
  // whose effect is not known here; then the replies are good for nothing.
  bool apply(const Commands& reads, std::span<Reply> replies) const;

 private:
  Commands writes_;
};

}  // namespace wallet_sync
