// What nodes of a cluster say, as they say it.
#include <string>
#include <utility>

#include "cluster_map.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

const NodeAddress kAsked{"10.0.0.9", 7009, "nine.example.com"};

Reply text(std::string value) {
  Reply reply;
  reply.type = Reply::Type::text;
  reply.text = std::move(value);
  return reply;
}
Reply number(std::int64_t value) {
  Reply reply;
  reply.type = Reply::Type::integer;
  reply.integer = value;
  return reply;
}
Reply array(std::vector<Reply> elements) {
  Reply reply;
  reply.type = Reply::Type::array;
  reply.elements = std::move(elements);
  return reply;
}
Reply error(std::string value) {
  Reply reply = text(std::move(value));
  reply.type = Reply::Type::error;
  return reply;
}
Reply node(Reply host, std::int64_t port, std::vector<Reply> metadata = {}) {
  return array({std::move(host), number(port), text("07c37df"), array(std::move(metadata))});
}

void ranges_name_their_masters(void**) {
  const auto map = parse_slots(
      array({
          array({number(0), number(5460), node(text("10.0.0.1"), 7000), node(text("10.0.0.4"), 7003)}),
          array({number(5461), number(16382), node(text("10.0.0.2"), 7001)}),
          array({number(16383), number(16383), node(text("10.0.0.1"), 7000)}),
      }),
      kAsked);
  assert_true(map.has_value());
  assert_int_equal(map->ranges.size(), 3);
  assert_int_equal(map->nodes.size(), 3);
  assert_int_equal(map->ranges[0].first, 0);
  assert_int_equal(map->ranges[0].last, 5460);
  assert_int_equal(map->ranges[2].first, 16383);
  assert_int_equal(map->ranges[0].master, map->ranges[2].master);
  assert_text(map->nodes[map->ranges[0].master].host, "10.0.0.1");
  assert_int_equal(map->nodes[map->ranges[1].master].port, 7001);
  assert_int_equal(map->without_master(), 0);
}

void slots_without_a_master_are_counted(void**) {
  const auto gaps = parse_slots(
      array({
          array({number(1), number(8191), node(text("10.0.0.1"), 7000)}),
          array({number(8192), number(8193), node(text("one.example.com"), 7000)}),  // a name alone: left out
          array({number(8194), number(16383), node(text("10.0.0.2"), 7000)}),
      }),
      kAsked);
  assert_int_equal(gaps->without_master(), 3);
  const auto nothing = parse_slots(array({}), kAsked);
  assert_int_equal(nothing->without_master(), 16384);
}

void a_node_that_does_not_know_its_address_has_the_one_that_was_asked(void**) {
  for (const Reply& host : {Reply{}, text("")}) {
    const auto map = parse_slots(array({array({number(0), number(1), node(host, 7000)})}), kAsked);
    assert_text(map->nodes[0].host, "10.0.0.9");
    assert_int_equal(map->nodes[0].port, 7000);
    assert_text(map->nodes[0].tls_name, "nine.example.com");
  }
}

void a_host_name_counts_with_the_address_beside_it(void**) {
  const auto named = node(text("one.example.com"), 7000, {text("ip"), text("10.0.0.1")});
  const auto map = parse_slots(array({array({number(0), number(1), named})}), kAsked);
  assert_text(map->nodes[0].host, "10.0.0.1");
  assert_text(map->nodes[0].tls_name, "one.example.com");
  const auto nameless =
      parse_slots(array({array({number(0), number(1), node(text("two.example.com"), 7000)})}), kAsked);
  assert_true(nameless.has_value() && nameless->nodes.empty() && nameless->ranges.empty());
}

void what_makes_no_sense_is_no_map(void**) {
  const Reply fine = node(text("10.0.0.1"), 7000);
  assert_false(parse_slots(error("ERR This instance has cluster support disabled"), kAsked).has_value());
  assert_false(parse_slots(text("0-5460"), kAsked).has_value());
  for (const Reply& entry :
       {array({number(0), number(16384), fine}), array({number(-1), number(5), fine}),
        array({number(7), number(6), fine}), array({number(0), text("5"), fine}),
        array({number(0), number(5)}), array({number(0), number(5), text("10.0.0.1:7000")}),
        array({number(0), number(5), node(text("10.0.0.1"), 0)}),
        array({number(0), number(5), node(text("10.0.0.1"), 65536)}), number(3)}) {
    assert_false(parse_slots(array({entry}), kAsked).has_value());
  }
  assert_true(parse_slots(array({}), kAsked).has_value());
}

// What would keep a worker busy, or make it connect to thousands.
void more_than_a_cluster_can_be_is_no_map(void**) {
  constexpr int kTooManyNodes = 5000;
  std::vector<Reply> many;
  for (int i = 0; i < kTooManyNodes; ++i) {
    many.push_back(array({number(i), number(i), node(text("10.0.0.1"), 1 + i)}));
  }
  assert_false(parse_slots(array(many), kAsked).has_value());
  many.resize(1000);
  assert_int_equal(parse_slots(array(many), kAsked)->nodes.size(), 1000);
  const Reply all = array({number(0), number(16383), node(text("10.0.0.1"), 7000)});
  assert_true(parse_slots(array({all}), kAsked).has_value());
  assert_false(parse_slots(array({all, all}), kAsked).has_value());
}

void the_epoch_and_the_state_are_found(void**) {
  const ClusterInfo fine = parse_cluster_info(
      "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_current_epoch:17\r\ncluster_my_epoch:"
      "2\r\n");
  assert_true(fine.ok);
  assert_int_equal(fine.epoch, 17);
  const ClusterInfo down = parse_cluster_info("cluster_state:fail\r\ncluster_current_epoch:x\r\n");
  assert_false(down.ok);
  assert_int_equal(down.epoch, 0);
  assert_false(parse_cluster_info("").ok);
}

void redirections_are_told_apart(void**) {
  const auto moved = redirection_of(error("MOVED 3999 10.0.0.3:6381"));
  assert_true(moved && moved->kind == Redirection::Kind::moved);
  assert_int_equal(moved->slot, 3999);
  assert_text(moved->where.host, "10.0.0.3");
  assert_int_equal(moved->where.port, 6381);
  const auto ask = redirection_of(error("ASK 16383 fd00::3:6381"));
  assert_true(ask && ask->kind == Redirection::Kind::ask);
  assert_text(ask->where.host, "fd00::3");
  const auto same_host = redirection_of(error("MOVED 3999 :6381"));
  assert_true(same_host && same_host->where.host.empty() && same_host->where.port == 6381);
  assert_true(redirection_of(error("TRYAGAIN Multiple keys request during rehashing of slot"))->kind ==
              Redirection::Kind::try_again);
  for (const char* other : {"MOVED", "MOVED 3999", "MOVED x 10.0.0.3:6381", "MOVED 16384 10.0.0.3:6381",
                            "MOVED 1 10.0.0.3", "MOVED 1 10.0.0.3:0", "MOVED 1 10.0.0.3:65536", "ASKING",
                            "READONLY You can't write", "CLUSTERDOWN Hash slot not served", ""}) {
    assert_row(!redirection_of(error(other)), other);
  }
  assert_false(redirection_of(text("MOVED 3999 10.0.0.3:6381")).has_value());
  assert_true(says_cluster_down(error("CLUSTERDOWN The cluster is down")));
  assert_false(says_cluster_down(error("ERR CLUSTERDOWN")));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(ranges_name_their_masters),
      cmocka_unit_test(slots_without_a_master_are_counted),
      cmocka_unit_test(a_node_that_does_not_know_its_address_has_the_one_that_was_asked),
      cmocka_unit_test(a_host_name_counts_with_the_address_beside_it),
      cmocka_unit_test(what_makes_no_sense_is_no_map),
      cmocka_unit_test(more_than_a_cluster_can_be_is_no_map),
      cmocka_unit_test(the_epoch_and_the_state_are_found),
      cmocka_unit_test(redirections_are_told_apart),
  };
  return cmocka_run_group_tests_name("cluster map", tests, nullptr, nullptr);
}
