// The words of wallet_sync_redis, as a process without nginx reads them. What nginx says of them is tested
// with nginx.
#include <string>
#include <string_view>
#include <vector>

#include "cmocka.hpp"
#include "server_words.hpp"

using namespace wallet_sync;

namespace {

// Knows one name, and one file.
struct Reader final : WordsReader {
  std::optional<Address> resolve(std::string_view text, int default_port, std::string& why) override {
    if (text == "unix:/r.sock") return Address{"/r.sock", {}, 0};
    if (text.starts_with("redis")) return Address{{}, "10.0.0.1", text == "redis" ? default_port : 7000};
    if (text.starts_with("other")) return Address{{}, "10.0.0.2", default_port};
    why = "host not found";
    return std::nullopt;
  }
  bool read_secret(std::string_view path, std::string& secret, std::string& why) override {
    secret = path == "/secret" ? "s3cret" : "";
    why = "no secret there";
    return !secret.empty();
  }
  void warn(const std::string& line) override { warnings.push_back(line); }
  std::vector<std::string> warnings;
};

std::optional<Server> read(std::vector<std::string_view> words, std::string& wrong) {
  Reader reader;
  return read_server(words, reader, wrong);
}

Server good(std::vector<std::string_view> words) {
  std::string wrong;
  const auto server = read(std::move(words), wrong);
  assert_row(server.has_value(), wrong);
  return *server;
}

std::string complaint(std::vector<std::string_view> words) {
  std::string wrong;
  assert_false(read(std::move(words), wrong).has_value());
  return wrong;
}

void addresses_are_resolved(void**) {
  assert_text(good({"redis"}).name(), "10.0.0.1:6379");
  assert_text(good({"redis:7000"}).name(), "10.0.0.1:7000");
  assert_text(good({"unix:/r.sock"}).name(), "unix:/r.sock");
  assert_text(complaint({"nobody"}),
              "\"nobody\" is no address of Redis: host not found; write host:port, an IP address, "
              "unix:/path/to/socket, sentinel://NAME@host:port,host:port or cluster://host:port,host:port");
}

void sentinels_are_all_there(void**) {
  const Server server = good({"sentinel://wallets@redis,other", "sentinel_user=u", "tls=on"});
  assert_text(server.sentinels->master, "wallets");
  assert_int_equal(server.sentinels->addresses.size(), 2);
  assert_text(server.sentinels->addresses[1].host, "10.0.0.2");
  assert_int_equal(server.sentinels->addresses[1].port, 26379);
  assert_text(server.sentinels->addresses[1].tls_name, "other");
  assert_text(server.sentinels->user, "u");
  assert_true(complaint({"sentinel://wallets@redis,redis"}).find("once") != std::string::npos);
  assert_true(complaint({"sentinel://redis"}).find("lacks the master's name") != std::string::npos);
}

void nodes_of_a_cluster_are_all_there(void**) {
  const Server server = good({"cluster://redis,other", "tls=on"});
  assert_int_equal(server.cluster.size(), 2);
  assert_text(server.cluster[0].host, "10.0.0.1");
  assert_int_equal(server.cluster[0].port, 6379);
  assert_text(server.cluster[1].tls_name, "other");
  assert_text(server.tls->name, "");
  assert_true(server.host.empty());
  assert_true(server.lanes > Server{}.lanes);
  assert_int_equal(good({"cluster://redis", "lanes=3"}).lanes, 3);
  assert_true(complaint({"cluster://redis,"}).find("a node of a cluster") != std::string::npos);
  assert_true(complaint({"cluster://unix:/r.sock"}).find("host:port") != std::string::npos);
  assert_true(complaint({"cluster://redis", "database=1"}).find("leave out database=1") != std::string::npos);
}

void parameters_say_what_they_say(void**) {
  const Server server =
      good({"redis", "user=u", "password_file=/secret", "database=3", "links=4", "lanes=5", "timeout=3s",
            "connect_timeout=250ms", "prefix=p", "replicas_fsync=2,1s", "tls=on", "tls_name=n"});
  assert_text(server.user, "u");
  assert_text(server.password, "s3cret");
  assert_int_equal(server.database, 3);
  assert_int_equal(server.links, 4);
  assert_int_equal(server.lanes, 5);
  assert_int_equal(server.command_timeout_ms, 3000);
  assert_int_equal(server.connect_timeout_ms, 250);
  assert_text(server.key_prefix, "p");
  assert_int_equal(server.replicas, 2);
  assert_true(server.replicas_fsync);
  assert_int_equal(server.replicas_timeout_ms, 1000);
  assert_text(server.tls->name, "n");
}

void what_cannot_be_is_refused_with_what_to_write(void**) {
  const std::vector<std::pair<std::string_view, std::string_view>> table{
      {"lanes=0", "write lanes=number"},      {"database=-1", "write database=number"},
      {"timeout=0", "write timeout=time"},    {"prefix={", "write prefix=text without braces"},
      {"tls=yes", "write tls=on or tls=off"}, {"replicas=1,2s", "less than timeout"},
      {"tls_name=n", "but not tls=on"},       {"sentinel_user=u", "sentinel://NAME@"},
      {"colour=red", "write user="},          {"password_file=/none", "no secret there"}};
  for (const auto& [word, expected] : table) {
    assert_row(complaint({"redis", word}).find(expected) != std::string::npos, word);
  }
}

void no_complaint_shows_a_secret(void**) {
  for (const std::string_view word : {"passwort=s3cret", "auth=s3cret", "user:s3cret@other"}) {
    assert_row(complaint({"redis", word}).find("s3cret") == std::string::npos, word);
  }
  assert_true(complaint({"redis://:s3cret@other"}).find("s3cret") == std::string::npos);
}

void times_are_read_as_nginx_reads_them(void**) {
  const std::vector<std::pair<std::string_view, std::int64_t>> table{{"1", 1000},
                                                                     {"500ms", 500},
                                                                     {"2s", 2000},
                                                                     {"1h30m", 5'400'000},
                                                                     {"1m 1s", 61'000},
                                                                     {"1s500ms", 1500},
                                                                     {"24d", 2'073'600'000},
                                                                     {"1w", 604'800'000},
                                                                     {"2147483647ms", 2'147'483'647},
                                                                     {"", 0},
                                                                     {"0", 0},
                                                                     {"s", 0},
                                                                     {"1x", 0},
                                                                     {"1s1h", 0},
                                                                     {"1s1s", 0},
                                                                     {"-1s", 0},
                                                                     {"25d", 0},
                                                                     {"1y", 0},
                                                                     {"106751991167d", 0},
                                                                     {"2147483648ms", 0},
                                                                     {"1.5s", 0},
                                                                     {" 1s", 0}};
  for (const auto& [text, expected] : table) {
    assert_row(milliseconds_of(text).value_or(0) == expected, text);
  }
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(addresses_are_resolved),
      cmocka_unit_test(sentinels_are_all_there),
      cmocka_unit_test(nodes_of_a_cluster_are_all_there),
      cmocka_unit_test(parameters_say_what_they_say),
      cmocka_unit_test(what_cannot_be_is_refused_with_what_to_write),
      cmocka_unit_test(no_complaint_shows_a_secret),
      cmocka_unit_test(times_are_read_as_nginx_reads_them),
  };
  return cmocka_run_group_tests_name("server words", tests, nullptr, nullptr);
}
