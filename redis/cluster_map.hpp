// What nodes of a Redis Cluster say of who serves which slot: CLUSTER SLOTS, CLUSTER INFO, redirections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "reply.hpp"
#include "server.hpp"

namespace wallet_sync {

struct SlotMap {
  struct Range {
    std::size_t first = 0;
    std::size_t last = 0;
    std::size_t master = 0;  // of `nodes`
  };
  std::vector<Range> ranges;
  std::vector<NodeAddress> nodes;  // each once, replicas too

  // How many of all slots it names no master for.
  std::size_t without_master() const;
};

// The reply to CLUSTER SLOTS. `asked`: whom, which counts where a node does not know its own address.
// nullopt: it makes no sense, or is more than a cluster can be. A node that is known by a name alone is left
// out: to resolve it would block.
std::optional<SlotMap> parse_slots(const Reply& reply, const NodeAddress& asked);

struct ClusterInfo {
  bool ok = false;  // it says that the cluster is
  std::int64_t epoch = 0;
};
// The reply to CLUSTER INFO.
ClusterInfo parse_cluster_info(std::string_view info);

// A node's word that a command is for another one, or for later. Nothing of the command ran.
struct Redirection {
  enum class Kind {
    moved,      // the slot is another node's
    ask,        // this command goes to another node, after ASKING, while the slot moves
    try_again,  // some of the keys are there, some are not, while the slot moves
  } kind = Kind::try_again;
  std::size_t slot = 0;
  NodeAddress where;  // of the first two; no host: the one who says so. The host may be a name
};
std::optional<Redirection> redirection_of(const Reply& reply);

// The slot is nobody's at the moment, or the node does not see enough of the others to serve.
bool says_cluster_down(const Reply& reply);

bool is_ip_address(const std::string& host);

}  // namespace wallet_sync
