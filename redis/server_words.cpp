#include "server_words.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

namespace wallet_sync {
namespace {

constexpr std::string_view kSentinel = "sentinel://";
constexpr std::string_view kCluster = "cluster://";
constexpr int kRedisPort = 6379;
constexpr int kSentinelPort = 26379;
// What an int holds: more than any database or time that is meant, and all that epoll_wait and Redis take.
constexpr std::int64_t kMaxInt = std::numeric_limits<std::int32_t>::max();
// More connections of one kind than this are a mistake: a few carry everything.
constexpr std::int64_t kMostConnections = 64;

// A transaction of a cluster is of one account, so there have to be more of them at once.
constexpr std::size_t kLanesOfCluster = 8;

constexpr const char* kOfSentinels =
    "it with an address sentinel://NAME@host:port,host:port, or leave it out";

// -1 unless it is a number of digits alone.
std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end && text.front() != '-' ? value : -1;
}

bool is_count(std::int64_t value) { return value >= 1 && value <= kMostConnections; }

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

// The host of host:port, as it is written, without brackets.
std::string_view host_of(std::string_view address) {
  if (address.starts_with('[')) {
    return address.substr(1, address.find(']') - 1);
  }
  return address.substr(0, address.rfind(':'));
}

std::string no_address(std::string_view text, std::string_view kind, std::string_view why,
                       std::string_view hint) {
  std::string line = quoted(without_secret(text)) + " is no address of " + std::string(kind);
  if (!why.empty()) {
    line.append(": ").append(why);
  }
  return line.append("; write ").append(hint);
}

// What is wrong; empty: nothing. So are the next four.
std::string read_one(std::string_view text, WordsReader& reader, Server& server) {
  std::string why;
  auto address = text.find("://") == text.npos ? reader.resolve(text, kRedisPort, why) : std::nullopt;
  if (!address) {
    return no_address(
        text, "Redis", why,
        "host:port, an IP address, unix:/path/to/socket, sentinel://NAME@host:port,host:port or "
        "cluster://host:port,host:port");
  }
  server.unix_path = std::move(address->unix_path);
  server.host = std::move(address->host);
  server.port = address->port;
  return {};
}

std::string add_sentinel(std::string_view text, WordsReader& reader, Sentinels& sentinels) {
  std::string why;
  auto address = text.find("://") == text.npos ? reader.resolve(text, kSentinelPort, why) : std::nullopt;
  if (!address || !address->unix_path.empty()) {
    return no_address(text, "a sentinel", why, "host:port or an IP address");
  }
  // Most of them have to agree, so each counts once.
  const auto same = [&](const Sentinels::Address& other) {
    return other.host == address->host && other.port == address->port;
  };
  if (std::any_of(sentinels.addresses.begin(), sentinels.addresses.end(), same)) {
    return "the sentinel " + quoted(text) + " is there already; write each of them once";
  }
  sentinels.addresses.push_back({std::move(address->host), address->port, std::string(host_of(text))});
  return {};
}

std::string read_sentinels(std::string_view text, WordsReader& reader, Server& server) {
  const std::string_view named = text.substr(kSentinel.size());
  const std::size_t at = named.find('@');
  Sentinels sentinels;
  sentinels.master = named.substr(0, at);
  if (at == named.npos || sentinels.master.empty() || at + 1 == named.size()) {
    return quoted(without_secret(text)) +
           " lacks the master's name or the sentinels; write sentinel://NAME@host:port,host:port with the "
           "NAME "
           "of their \"sentinel monitor\"";
  }
  std::string_view rest = named.substr(at + 1);
  while (true) {
    const std::size_t comma = rest.find(',');
    if (std::string wrong = add_sentinel(rest.substr(0, comma), reader, sentinels); !wrong.empty()) {
      return wrong;
    }
    if (comma == rest.npos) {
      break;
    }
    rest.remove_prefix(comma + 1);
  }
  server.sentinels = std::move(sentinels);
  return {};
}

std::string read_cluster(std::string_view text, WordsReader& reader, Server& server) {
  std::string_view rest = text.substr(kCluster.size());
  while (true) {
    const std::size_t comma = rest.find(',');
    const std::string_view one = rest.substr(0, comma);
    std::string why;
    auto address = one.find("://") == one.npos ? reader.resolve(one, kRedisPort, why) : std::nullopt;
    if (!address || !address->unix_path.empty()) {
      return no_address(one, "a node of a cluster", why, "host:port or an IP address");
    }
    server.cluster.push_back({std::move(address->host), address->port, std::string(host_of(one))});
    if (comma == rest.npos) {
      break;
    }
    rest.remove_prefix(comma + 1);
  }
  server.lanes = kLanesOfCluster;
  return {};
}

std::string read_address(std::string_view text, WordsReader& reader, Server& server) {
  if (text.starts_with(kSentinel)) {
    return read_sentinels(text, reader, server);
  }
  return text.starts_with(kCluster) ? read_cluster(text, reader, server) : read_one(text, reader, server);
}

// replicas=number[,time]. What to write instead; null: the value is fine. So are the next ones.
const char* read_replicas(std::string_view value, bool fsync, Server& server) {
  if (server.replicas > 0) {
    return "replicas= or replicas_fsync=, once";
  }
  const std::size_t comma = value.find(',');
  const std::int64_t count = number(value.substr(0, comma));
  const auto time = comma != value.npos ? milliseconds_of(value.substr(comma + 1)) : 0;
  if (!is_count(count) || !time) {
    return "replicas=number or replicas=number,time with a number from 1 to 64, such as replicas=1,500ms";
  }
  server.replicas = static_cast<std::size_t>(count);
  server.replicas_fsync = fsync;
  server.replicas_timeout_ms = *time;
  return nullptr;
}

const char* read_time(std::string_view value, std::int64_t& time, const char* hint) {
  const auto parsed = milliseconds_of(value);
  time = parsed.value_or(time);
  return parsed ? nullptr : hint;
}

const char* read_count(std::string_view value, std::size_t& count, const char* hint) {
  count = static_cast<std::size_t>(number(value));
  return is_count(number(value)) ? nullptr : hint;
}

// The parameters of TLS, gathered until all are known.
struct TlsParameters {
  bool on = false;
  bool given = false;  // any but tls= itself
  Tls tls;
};

// `known` tells whether it is a parameter of TLS at all.
const char* read_tls_parameter(std::string_view word, TlsParameters& parameters, bool& known) {
  std::string_view value;
  known = true;
  if (named(word, "tls", value)) {
    parameters.on = value == "on";
    return value == "on" || value == "off" ? nullptr : "tls=on or tls=off";
  }
  for (const auto& [name, member] :
       {std::pair{"tls_ca_file", &Tls::ca_file}, std::pair{"tls_certificate", &Tls::certificate},
        std::pair{"tls_certificate_key", &Tls::certificate_key}, std::pair{"tls_name", &Tls::name}}) {
    if (named(word, name, value)) {
      parameters.tls.*member = value;
      parameters.given = true;
      return value.empty() ? "a value behind =" : nullptr;
    }
  }
  known = false;
  return nullptr;
}

// What is wrong with them as a whole; null: nothing.
const char* finish_tls(TlsParameters& parameters, Server& server, std::string_view address) {
  if (!parameters.on) {
    return parameters.given ? "has parameters of TLS, but not tls=on" : nullptr;
  }
  Tls& tls = parameters.tls;
  if (tls.certificate.empty() != tls.certificate_key.empty()) {
    return "needs both or none of tls_certificate=path and tls_certificate_key=path";
  }
  if (server.sentinels && !tls.name.empty()) {
    for (Sentinels::Address& sentinel : server.sentinels->addresses) {
      sentinel.tls_name = tls.name;
    }
  }
  const bool named_by_address = server.sentinels || !server.cluster.empty();
  if (tls.name.empty() && server.unix_path.empty() && !named_by_address) {
    tls.name = host_of(address);
  }
  if (tls.name.empty() && !named_by_address) {
    return "needs tls_name=name, the name that Redis' certificate carries";
  }
  server.tls = std::move(tls);
  return nullptr;
}

// One parameter. `value` is what stands behind its sign; `secret_wrong` is set if a secret could not be read.
const char* read_parameter(std::string_view word, WordsReader& reader, Server& server,
                           std::string_view& value, std::optional<std::string>& secret_wrong) {
  const auto read_secret = [&](std::string& secret) -> const char* {
    std::string why;
    if (!reader.read_secret(value, secret, why)) {
      secret_wrong = std::move(why);
    }
    return nullptr;
  };
  if (named(word, "user", value)) {
    server.user = value;
    return nullptr;
  }
  if (named(word, "password", value)) {
    server.password = value;
    return nullptr;
  }
  if (named(word, "password_file", value)) {
    return read_secret(server.password);
  }
  if (named(word, "sentinel_user", value)) {
    if (!server.sentinels) return kOfSentinels;
    server.sentinels->user = value;
    return nullptr;
  }
  if (named(word, "sentinel_password_file", value)) {
    return server.sentinels ? read_secret(server.sentinels->password) : kOfSentinels;
  }
  if (named(word, "database", value)) {
    const std::int64_t database = number(value);
    server.database = static_cast<int>(database);
    return database < 0 || database > kMaxInt ? "database=number, from 0 to 2147483647" : nullptr;
  }
  if (named(word, "links", value)) {
    return read_count(value, server.links, "links=number, from 1 to 64");
  }
  if (named(word, "lanes", value)) {
    return read_count(value, server.lanes, "lanes=number, from 1 to 64");
  }
  if (named(word, "pool", value)) {
    reader.warn(quoted(word) +
                " has no effect any more: a few connections carry all changes; leave it out, or write "
                "lanes=number");
    return nullptr;
  }
  if (named(word, "connect_timeout", value)) {
    return read_time(value, server.connect_timeout_ms, "connect_timeout=time, such as connect_timeout=1s");
  }
  if (named(word, "timeout", value)) {
    return read_time(value, server.command_timeout_ms, "timeout=time, such as timeout=2s");
  }
  if (named(word, "replicas", value) || named(word, "replicas_fsync", value)) {
    return read_replicas(value, word.starts_with("replicas_fsync"), server);
  }
  if (named(word, "prefix", value)) {
    server.key_prefix = value;
    return value.empty() || value.find_first_of("{}") != value.npos ? "prefix=text without braces" : nullptr;
  }
  return "user=, password=, password_file=, database=, links=, lanes=, connect_timeout=, timeout=, prefix=, "
         "replicas=, replicas_fsync=, tls=, tls_ca_file=, tls_certificate=, tls_certificate_key=, tls_name=, "
         "sentinel_user= or sentinel_password_file=";
}

}  // namespace

bool named(std::string_view argument, std::string_view name, std::string_view& value) {
  if (!argument.starts_with(name) || argument.size() <= name.size() || argument[name.size()] != '=') {
    return false;
  }
  value = argument.substr(name.size() + 1);
  return true;
}

std::string without_secret(std::string_view word) {
  if (const std::size_t sign = word.find('='); sign != std::string_view::npos) {
    return std::string(word.substr(0, sign + 1)) + "...";
  }
  const std::size_t at = word.rfind('@');
  return at != std::string_view::npos ? "..." + std::string(word.substr(at)) : std::string(word);
}

// As ngx_parse_time() does: each unit once, the larger ones first.
std::optional<std::int64_t> milliseconds_of(std::string_view text) {
  struct Unit {
    std::string_view name;
    std::int64_t ms;
  };
  constexpr std::int64_t kSecond = 1000;
  constexpr std::int64_t kDay = 24 * 3600 * kSecond;
  constexpr std::array<Unit, 8> kUnits = {{{"ms", 1},
                                           {"y", 365 * kDay},
                                           {"M", 30 * kDay},
                                           {"w", 7 * kDay},
                                           {"d", kDay},
                                           {"h", 3600 * kSecond},
                                           {"m", 60 * kSecond},
                                           {"s", kSecond}}};
  std::int64_t total = 0;
  std::int64_t before = std::numeric_limits<std::int64_t>::max();
  while (!text.empty()) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const std::int64_t value = digits > 0 ? number(text.substr(0, digits)) : -1;
    text.remove_prefix(digits);
    std::int64_t unit = kSecond;
    if (!text.empty()) {
      const auto found = std::find_if(kUnits.begin(), kUnits.end(),
                                      [&](const Unit& each) { return text.starts_with(each.name); });
      if (found == kUnits.end()) return std::nullopt;
      unit = found->ms;
      text.remove_prefix(found->name.size());
      text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    }
    if (value < 0 || value > kMaxInt / unit || unit >= before) return std::nullopt;
    before = unit;
    total += value * unit;
  }
  return total > 0 && total <= kMaxInt ? std::make_optional(total) : std::nullopt;
}

std::optional<Server> read_server(std::span<const std::string_view> words, WordsReader& reader,
                                  std::string& wrong) {
  Server server;
  TlsParameters tls;
  const std::string_view address = words.front();
  wrong = read_address(address, reader, server);
  if (!wrong.empty()) {
    return std::nullopt;
  }
  for (const std::string_view word : words.subspan(1)) {
    std::string_view value;
    std::optional<std::string> secret_wrong;
    bool of_tls = false;
    const char* wanted = read_tls_parameter(word, tls, of_tls);
    if (!of_tls) {
      wanted = read_parameter(word, reader, server, value, secret_wrong);
    } else {
      value = word.substr(word.find('=') + 1);
    }
    if (secret_wrong) {
      wrong = *std::move(secret_wrong);
      return std::nullopt;
    }
    if (wanted != nullptr) {
      const bool unknown = !of_tls && value.empty();
      wrong = "invalid parameter " + quoted(unknown ? without_secret(word) : std::string(word)) + "; write " +
              wanted;
      return std::nullopt;
    }
  }
  if (!server.cluster.empty() && server.database != 0) {
    wrong = "a cluster has no databases; leave out database=" + std::to_string(server.database);
    return std::nullopt;
  }
  if (const char* complaint = finish_tls(tls, server, address)) {
    wrong = quoted(address) + " " + complaint;
    return std::nullopt;
  }
  if (server.replicas_timeout_ms == 0) {
    server.replicas_timeout_ms = std::max<std::int64_t>(server.command_timeout_ms / 2, 1);
  }
  if (server.replicas > 0 && server.replicas_timeout_ms >= server.command_timeout_ms) {
    wrong =
        "the time for replicas has to be less than timeout; write a longer timeout=time, or "
        "replicas=number,time with less than " +
        std::to_string(server.command_timeout_ms) + "ms";
    return std::nullopt;
  }
  return server;
}

}  // namespace wallet_sync
