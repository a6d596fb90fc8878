#include "cluster_map.hpp"

#include <arpa/inet.h>

#include <map>
#include <utility>

#include "slots.hpp"

namespace wallet_sync {
namespace {

constexpr std::int64_t kMaxPort = 0xffff;
// Redis' own clusters end at about a thousand. Each master would be connected to.
constexpr std::size_t kMostNodes = 4096;

// [host, port, id, [name, value, …]]. What is preferred comes first; the address may stand among the rest.
std::optional<NodeAddress> endpoint_of(const Reply& node, const NodeAddress& asked) {
  if (node.type != Reply::Type::array || node.elements.size() < 2 ||
      node.elements[1].type != Reply::Type::integer || node.elements[1].integer <= 0 ||
      node.elements[1].integer > kMaxPort) {
    return std::nullopt;
  }
  NodeAddress endpoint;
  endpoint.host = node.elements[0].text;
  endpoint.port = static_cast<int>(node.elements[1].integer);
  if (is_ip_address(endpoint.host)) {
    return endpoint;
  }
  if (endpoint.host.empty()) {
    endpoint.host = asked.host;
    endpoint.tls_name = asked.tls_name;
    return endpoint;
  }
  endpoint.tls_name = endpoint.host;
  endpoint.host.clear();
  const std::size_t metadata = 3;
  if (node.elements.size() > metadata) {
    const auto& about = node.elements[metadata].elements;
    for (std::size_t i = 0; i + 1 < about.size(); i += 2) {
      if (about[i].text == "ip" && is_ip_address(about[i + 1].text)) {
        endpoint.host = about[i + 1].text;
      }
    }
  }
  return endpoint;
}

// Places in SlotMap::nodes, by host and port.
using Places = std::map<std::pair<std::string, int>, std::size_t>;

std::size_t place_of(Places& places, std::vector<NodeAddress>& nodes, NodeAddress node) {
  const auto [found, fresh] = places.try_emplace({node.host, node.port}, nodes.size());
  if (fresh) {
    nodes.push_back(std::move(node));
  }
  return found->second;
}

std::string_view next_word(std::string_view& text) {
  const std::size_t end = text.find(' ');
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end == text.npos ? text.size() : end + 1);
  return word;
}

}  // namespace

bool is_ip_address(const std::string& host) {
  in6_addr ignored;
  return inet_pton(AF_INET, host.c_str(), &ignored) == 1 || inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

std::size_t SlotMap::without_master() const {
  std::size_t with = 0;
  for (const Range& range : ranges) {
    with += range.last - range.first + 1;
  }
  return kSlots - with;  // parse_slots() takes no more than there are
}

std::optional<SlotMap> parse_slots(const Reply& reply, const NodeAddress& asked) {
  if (reply.type != Reply::Type::array) {
    return std::nullopt;
  }
  SlotMap map;
  Places places;
  std::int64_t slots = 0;
  for (const Reply& entry : reply.elements) {
    if (entry.type != Reply::Type::array || entry.elements.size() < 3 ||
        entry.elements[0].type != Reply::Type::integer || entry.elements[1].type != Reply::Type::integer) {
      return std::nullopt;
    }
    const std::int64_t first = entry.elements[0].integer;
    const std::int64_t last = entry.elements[1].integer;
    if (first < 0 || last < first || last >= static_cast<std::int64_t>(kSlots)) {
      return std::nullopt;
    }
    slots += last - first + 1;
    for (std::size_t i = 2; i < entry.elements.size(); ++i) {
      const auto endpoint = endpoint_of(entry.elements[i], asked);
      if (!endpoint) {
        return std::nullopt;
      }
      if (endpoint->host.empty()) {
        continue;
      }
      const std::size_t node = place_of(places, map.nodes, *endpoint);
      if (i == 2) {
        map.ranges.push_back({static_cast<std::size_t>(first), static_cast<std::size_t>(last), node});
      }
    }
    if (slots > static_cast<std::int64_t>(kSlots) || map.nodes.size() > kMostNodes) {
      return std::nullopt;
    }
  }
  return map;
}

ClusterInfo parse_cluster_info(std::string_view info) {
  constexpr std::string_view kEpoch = "cluster_current_epoch:";
  ClusterInfo parsed;
  while (!info.empty()) {
    const std::size_t end = info.find("\r\n");
    const std::string_view line = info.substr(0, end);
    if (line == "cluster_state:ok") {
      parsed.ok = true;
    } else if (line.starts_with(kEpoch)) {
      parsed.epoch = to_integer(line.substr(kEpoch.size())).value_or(0);
    }
    info.remove_prefix(end == info.npos ? info.size() : end + 2);
  }
  return parsed;
}

std::optional<Redirection> redirection_of(const Reply& reply) {
  if (!reply.is_error()) {
    return std::nullopt;
  }
  std::string_view rest = reply.text;
  const std::string_view word = next_word(rest);
  Redirection redirection;
  if (word == "TRYAGAIN") {
    return redirection;
  }
  if (word != "MOVED" && word != "ASK") {
    return std::nullopt;
  }
  redirection.kind = word == "MOVED" ? Redirection::Kind::moved : Redirection::Kind::ask;
  const auto slot = to_integer(next_word(rest));
  const std::string_view where = next_word(rest);
  const std::size_t colon = where.rfind(':');
  const std::int64_t port =
      colon != where.npos ? to_integer(where.substr(colon + 1)).value_or(0) : std::int64_t{0};
  if (!slot || *slot < 0 || *slot >= static_cast<std::int64_t>(kSlots) || port <= 0 || port > kMaxPort) {
    return std::nullopt;
  }
  redirection.slot = static_cast<std::size_t>(*slot);
  redirection.where.host = where.substr(0, colon);
  redirection.where.port = static_cast<int>(port);
  return redirection;
}

bool says_cluster_down(const Reply& reply) {
  return reply.is_error() && reply.text.starts_with("CLUSTERDOWN");
}

}  // namespace wallet_sync
