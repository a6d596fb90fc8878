// Where Redis is and how it is spoken to: what the directive wallet_sync_redis says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace wallet_sync {

// How a stream to Redis is encrypted. The server's certificate is verified, always: its chain, and its name.
struct Tls {
  std::string ca_file;          // PEM; empty: the system's certificates
  std::string certificate;      // PEM, our own, for a Redis that asks for one; empty: none
  std::string certificate_key;  // PEM
  std::string name;             // the name its certificate has to carry, and that is asked for (SNI)
  bool operator==(const Tls&) const = default;
  bool same_files(const Tls& other) const {
    return ca_file == other.ca_file && certificate == other.certificate &&
           certificate_key == other.certificate_key;
  }
};

// A node of a cluster.
struct NodeAddress {
  std::string host;  // an IP address
  int port = 6379;
  std::string tls_name;  // see Tls::name; empty: the host
  bool operator==(const NodeAddress& other) const { return host == other.host && port == other.port; }
};

// Those who are asked which of several Redis is the master.
struct Sentinels {
  struct Address {
    std::string host;  // an IP address
    int port = 26379;
    std::string tls_name;  // see Tls::name
    bool operator==(const Address&) const = default;
  };
  std::string master;  // what they call it
  std::vector<Address> addresses;
  std::string user;  // of the sentinels, not of Redis; empty: the default user
  std::string password;
  bool operator==(const Sentinels&) const = default;
};

struct Server {
  std::string unix_path;  // or host and port
  std::string host;       // an IP address: to resolve a name would block
  int port = 6379;
  std::optional<Sentinels> sentinels;  // if set, host and port are what they say
  // Some nodes of a Redis Cluster, which know the others; empty: it is none.
  std::vector<NodeAddress> cluster;
  bool any_role = false;  // it is only asked about the cluster, which a replica knows as well
  std::optional<Tls> tls;
  bool is_sentinel = false;  // itself: it is connected to as one
  // Where there is no schema version (schema.hpp), ours is written. Not by tools, which may only be looking.
  bool marks_schema = false;

  std::string user;  // empty: the default user
  std::string password;
  int database = 0;

  std::size_t links = 2;  // connections for reads, per worker
  std::size_t lanes = 2;  // connections for changes, per worker
  std::int64_t connect_timeout_ms = 1000;
  // What a request waits for, at the longest; and how long a peer that owes an answer may be silent.
  std::int64_t command_timeout_ms = 2000;
  // A change is acknowledged when so many replicas have it, or have synced it to their disks; 0: none need
  // to.
  std::size_t replicas = 0;
  bool replicas_fsync = false;
  std::int64_t replicas_timeout_ms = 0;  // less than command_timeout_ms
  std::string key_prefix = "wsync";

  // For log lines: never with the password.
  std::string name() const {
    if (!unix_path.empty()) {
      return "unix:" + unix_path;
    }
    if (host.empty()) {
      return "an address yet unknown";
    }
    return (host.find(':') == host.npos ? host : "[" + host + "]") + ":" + std::to_string(port);
  }
  bool operator==(const Server&) const = default;
};

}  // namespace wallet_sync
