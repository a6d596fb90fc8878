// Who gets a connection to an address, when the next attempt is made, and what ends all of them at once. The
// test plays the peers.
#include <memory>
#include <string>
#include <vector>

#include "manual_loop.hpp"
#include "node.hpp"
#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

const std::string kRoleQuestion =
    std::string(Command("ROLE").wire()) + std::string(Command("GET", "wsync:schema").wire());
constexpr std::string_view kMaster = "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n$1\r\n1\r\n";
constexpr std::string_view kReplica =
    "*5\r\n$5\r\nslave\r\n$9\r\nlocalhost\r\n:1\r\n$9\r\nconnected\r\n:1\r\n";

struct Lodger : Node::Tenant {
  explicit Lodger(Node& node, bool asks = true, bool wants_one = true)
      : Tenant(node, asks), wants(wants_one) {
    if (wants) {
      need();
    }
  }
  using Tenant::need;
  bool wanted() const override { return wants; }
  void on_up() override { ++ups; }
  void on_down() override { ++downs; }
  bool wants;
  int ups = 0;
  int downs = 0;
};

Server somewhere() {
  Server server;
  server.host = "192.0.2.1";
  server.connect_timeout_ms = 1000;
  server.command_timeout_ms = 2000;
  return server;
}

Reply error(std::string_view text) {
  Reply reply;
  reply.type = Reply::Type::error;
  reply.text = text;
  return reply;
}

// A node and tenants of it, each of which has got peer() number i at first.
struct House {
  explicit House(std::size_t lodgers) {
    for (std::size_t i = 0; i < lodgers; ++i) {
      tenants.push_back(std::make_unique<Lodger>(node));
    }
  }
  Lodger& tenant(std::size_t i) { return *tenants[i]; }
  Connection& connection(std::size_t i) { return *tenants[i]->connection(); }
  void greet_all() {
    for (std::size_t i = 0; i < loop.peers(); ++i) {
      if (!loop.peer(i).closed() && !loop.peer(i).has_greeted()) {
        loop.peer(i).greets();
      }
    }
  }
  // Lets time pass while all who are asked for their role are masters.
  void go_on(std::int64_t milliseconds) {
    for (std::int64_t passed = 0; passed < milliseconds; passed += 100) {
      loop.pass(100);
      for (std::size_t i = 0; i < loop.peers(); ++i) {
        if (loop.peer(i).heard() == kRoleQuestion) {
          loop.peer(i).says(kMaster);
        }
      }
    }
  }
  Peer& newest() { return loop.peer(loop.peers() - 1); }
  std::size_t ready() const {
    std::size_t count = 0;
    for (const auto& tenant : tenants) {
      count += tenant->connection() != nullptr ? 1U : 0U;
    }
    return count;
  }
  std::size_t known_down() const {
    std::size_t count = 0;
    for (const auto& tenant : tenants) {
      count += tenant->known_down() ? 1U : 0U;
    }
    return count;
  }
  // How long it takes until the next attempt.
  std::int64_t next_attempt() {
    const std::size_t before = loop.peers();
    std::int64_t waited = 0;
    while (loop.peers() == before && waited < 5000) {
      loop.pass(1);
      ++waited;
    }
    return waited;
  }

  ManualLoop loop;
  TestMonitor monitor;
  Server server = somewhere();
  Node node{loop, server, monitor};
  std::vector<std::unique_ptr<Lodger>> tenants;
};

void each_tenant_has_a_connection_of_its_own(void**) {
  House house(3);
  assert_int_equal(house.loop.peers(), 3);
  assert_int_equal(house.ready() + house.known_down(), 0);
  house.greet_all();
  assert_int_equal(house.ready(), 3);
  assert_true(&house.connection(0) != &house.connection(1));
  assert_int_equal(house.tenant(2).ups, 1);
}

void a_connection_that_is_lost_is_replaced_at_once(void**) {
  House house(2);
  house.greet_all();
  house.loop.peer(0).hangs_up();
  assert_int_equal(house.loop.peers(), 3);
  assert_int_equal(house.tenant(0).downs, 1);
  assert_int_equal(house.known_down(), 0);  // who waits goes on waiting
  house.newest().greets();
  assert_int_equal(house.ready(), 2);
  assert_int_equal(house.tenant(1).downs, 0);
}

void one_that_is_lost_as_soon_as_it_was_replaced_is_replaced_after_a_delay(void**) {
  House house(2);
  house.greet_all();
  house.loop.peer(0).hangs_up();
  house.newest().greets();
  house.loop.pass(400);
  house.newest().hangs_up();
  assert_int_equal(house.loop.peers(), 3);
  assert_true(house.tenant(0).known_down());
  assert_in_range(house.next_attempt(), 25, 51);
  assert_false(house.tenant(0).known_down());
}

void while_nobody_has_a_connection_one_tries_for_all(void**) {
  House house(4);
  for (std::size_t i = 0; i < 4; ++i) {
    house.loop.peer(i).refuses();
  }
  assert_int_equal(house.known_down(), 4);
  for (std::size_t attempts = 1; attempts <= 20; ++attempts) {
    house.next_attempt();
    assert_int_equal(house.loop.peers(), 4 + attempts);
    assert_int_equal(house.loop.open(), 1);
    assert_int_equal(house.known_down(), 4);  // nobody begins to hope
    house.newest().refuses();
  }
  house.next_attempt();
  house.newest().greets();
  assert_int_equal(house.loop.open(), 4);  // the others follow at once
  assert_int_equal(house.known_down(), 0);
  house.loop.peer(house.loop.peers() - 2).greets();
  house.loop.peer(house.loop.peers() - 3).greets();
  house.newest().greets();
  assert_int_equal(house.ready(), 4);
}

// With jitter, so that not all workers come back in the same millisecond.
void the_delay_doubles_up_to_half_a_second_and_starts_anew_after_a_success(void**) {
  House house(1);
  for (int round = 0; round < 2; ++round) {
    house.newest().refuses();
    for (const std::int64_t longest : {50, 100, 200, 400, 500, 500, 500}) {
      assert_in_range(house.next_attempt(), longest / 2, longest + 1);
      house.newest().refuses();
    }
    house.next_attempt();
    house.newest().greets();
    house.loop.pass(100);
    house.newest().hangs_up();  // replaced at once; that fails
  }
}

void each_reason_is_said_once_and_so_is_that_it_is_over(void**) {
  House house(4);
  house.greet_all();
  for (std::size_t i = 0; i < 4; ++i) {
    house.loop.peer(i).hangs_up();
  }
  for (std::size_t i = 4; i < 8; ++i) {
    house.loop.peer(i).refuses();
  }
  for (int i = 0; i < 10; ++i) {
    house.next_attempt();
    house.newest().refuses();
  }
  assert_int_equal(house.monitor.lines.size(), 2);
  assert_text(house.monitor.lines[0],
              "Redis at 192.0.2.1:6379 is not available: the server closed the connection");
  assert_text(house.monitor.lines[1], "Redis at 192.0.2.1:6379 is not available: Connection refused");
  house.next_attempt();
  house.newest().greets();
  house.greet_all();
  assert_int_equal(house.monitor.lines.size(), 3);
  assert_text(house.monitor.lines[2], "Redis at 192.0.2.1:6379 answers again");
}

void a_tenant_that_wants_none_gets_none_until_it_says_so(void**) {
  House house(1);
  Lodger modest(house.node, false, false);
  house.greet_all();
  house.go_on(10'000);
  assert_int_equal(house.loop.peers(), 1);
  modest.wants = true;
  modest.need();
  modest.need();
  assert_int_equal(house.loop.peers(), 2);
  house.newest().greets();
  assert_int_equal(modest.ups, 1);
  modest.wants = false;
  house.newest().hangs_up();
  house.go_on(10'000);
  assert_int_equal(house.loop.peers(), 2);
}

void a_tenant_that_comes_while_the_address_is_down_knows_it_at_once(void**) {
  House house(1);
  Lodger late(house.node, false, false);
  house.loop.peer(0).refuses();
  late.wants = true;
  late.need();
  assert_true(late.known_down());
  assert_int_equal(house.loop.peers(), 1);
  house.next_attempt();
  house.newest().greets();
  assert_int_equal(house.loop.peers(), 3);
  assert_false(late.known_down());
}

// Behind a virtual address the others lead to the same server.
void the_first_error_of_a_server_that_is_no_master_ends_all_connections(void**) {
  for (const std::string_view text :
       {"READONLY You can't write against a read only replica.", "MASTERDOWN Link with MASTER is down",
        "LOADING Redis is loading the dataset in memory",
        "EXECABORT Transaction discarded because of: READONLY You can't write"}) {
    House house(3);
    house.loop.peer(0).greets();
    house.loop.peer(1).greets();
    house.loop.peer(2).accepts();  // it greets an old master
    house.node.doubt(house.connection(1), error(text));
    house.loop.run_posted();
    assert_row(house.loop.open() == 0, text);
    assert_row(house.ready() == 0 && house.known_down() == 3, text);
    house.next_attempt();
    assert_row(house.loop.open() == 1, text);
    house.newest().greets();
    house.greet_all();
    assert_row(house.ready() == 3, text);
    assert_row(house.connection(0).generation() == 1 && house.connection(2).generation() == 1, text);
  }
}

void an_error_of_the_command_or_the_moment_ends_no_connection(void**) {
  for (const std::string_view text :
       {"WRONGTYPE Operation against a key holding the wrong kind of value", "OOM command not allowed",
        "MISCONF Redis is configured to save RDB snapshots", "NOREPLICAS Not enough good replicas to write.",
        "CLUSTERDOWN The cluster is down", "ERR READONLY is not the first word",
        "EXECABORT Transaction discarded because of previous errors.",
        "NOPERM this user has no permissions"}) {
    House house(2);
    house.greet_all();
    house.node.doubt(house.connection(0), error(text));
    house.loop.run_posted();
    assert_row(house.ready() == 2, text);
  }
}

// 31 connections to a demoted master each answer READONLY: that ends one generation, not 31.
void errors_of_one_generation_end_only_that_one(void**) {
  House house(8);
  house.greet_all();
  std::vector<Connection*> old;
  for (std::size_t i = 0; i < 8; ++i) {
    old.push_back(&house.connection(i));
  }
  for (Connection* connection : old) {
    house.node.doubt(*connection, error("READONLY"));
  }
  house.loop.run_posted();
  house.next_attempt();
  house.newest().greets();
  house.greet_all();
  assert_int_equal(house.ready(), 8);
  assert_int_equal(house.connection(0).generation(), 1);
  assert_int_equal(house.monitor.counted(Counter::connections_lost), 8);
}

void each_connection_is_asked_for_its_role_about_twice_a_second(void**) {
  House house(2);
  Lodger subscribed(house.node, false);
  house.greet_all();
  int asked = 0;
  for (int ms = 0; ms < 5000; ms += 100) {
    house.loop.pass(100);
    for (std::size_t i = 0; i < 2; ++i) {
      if (house.loop.peer(i).heard() == kRoleQuestion) {
        ++asked;
        house.loop.peer(i).says(kMaster);
      }
    }
  }
  assert_in_range(asked, 18, 20);
  assert_text(house.loop.peer(2).heard(), "");  // it may not ask
  assert_int_equal(house.ready(), 2);
}

// A master that was demoted goes on serving reads, and nobody writes.
void a_role_that_is_no_masters_ends_all_connections(void**) {
  House house(2);
  Lodger subscribed(house.node, false);
  house.greet_all();
  house.loop.pass(500);
  house.loop.peer(1).says(std::string(kReplica) + "$-1\r\n");
  assert_int_equal(house.loop.open(), 0);
  assert_int_equal(house.known_down(), 2);
  assert_int_equal(house.monitor.lines_with("it is a replica, not a master"), 1);
  house.next_attempt();
  house.newest().accepts();
  house.newest().says("*0\r\n+PONG\r\n" + std::string(kReplica));
  assert_int_equal(house.ready(), 0);
  assert_int_equal(house.monitor.lines.size(), 1);
}

void a_server_that_loads_again_is_found_out_by_asking_for_its_role(void**) {
  House house(2);
  house.greet_all();
  house.loop.pass(500);
  for (int i = 0; i < 2; ++i) {
    house.loop.peer(0).says("-LOADING Redis is loading the dataset in memory\r\n");
  }
  assert_int_equal(house.loop.open(), 0);
}

void who_may_not_ask_for_the_role_takes_it_for_a_masters(void**) {
  House house(1);
  house.greet_all();
  for (int i = 0; i < 3; ++i) {
    house.loop.pass(500);
    house.loop.peer(0).says("-NOPERM this user has no permissions to run the 'role' command\r\n$-1\r\n");
  }
  assert_int_equal(house.ready(), 1);
}

void the_role_is_not_asked_for_again_before_it_was_answered(void**) {
  House house(1);
  house.greet_all();
  house.loop.pass(1900);
  assert_text(house.loop.peer(0).heard(), kRoleQuestion);
}

// The server is frozen: it would take each of them as long to find out.
void when_one_hears_nothing_those_go_too_that_have_heard_nothing_either(void**) {
  House house(3);
  Lodger subscribed(house.node, false);
  house.greet_all();
  house.loop.pass(500 + 1999);
  assert_int_equal(house.loop.open(), 4);
  house.loop.pass(1);
  assert_int_equal(house.loop.peers(), 4);  // none is replaced at once: it would only take as long again
  assert_int_equal(house.loop.open(), 0);
  assert_int_equal(house.known_down(), 3);
  assert_int_equal(house.tenant(2).downs, 1);
  house.next_attempt();
  assert_int_equal(house.loop.open(), 1);
}

void one_that_hears_nothing_does_not_end_those_that_do(void**) {
  House house(3);
  house.greet_all();
  for (int ms = 0; ms < 2500; ms += 500) {
    house.loop.pass(500);
    house.loop.peer(0).says(kMaster);
    house.loop.peer(2).says(kMaster);
  }
  assert_int_equal(house.ready(), 2);
  assert_true(house.tenant(1).connection() == nullptr);
}

void a_tenant_may_go_at_any_moment(void**) {
  for (int moment = 0; moment < 4; ++moment) {
    House house(2);
    if (moment > 0) house.loop.peer(0).accepts();
    if (moment > 1) house.greet_all();
    if (moment > 2) house.loop.pass(500);  // asked for its role
    house.tenants.erase(house.tenants.begin());
    assert_true(house.loop.peer(0).closed());
    house.greet_all();
    house.loop.pass(10);
    assert_int_equal(house.ready(), 1);
  }
}

void its_clocks_keep_no_worker_alive(void**) {
  House house(2);
  house.loop.peer(0).refuses();
  assert_int_equal(house.loop.armed(TimerKind::deadline), 0);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(each_tenant_has_a_connection_of_its_own),
      cmocka_unit_test(a_connection_that_is_lost_is_replaced_at_once),
      cmocka_unit_test(one_that_is_lost_as_soon_as_it_was_replaced_is_replaced_after_a_delay),
      cmocka_unit_test(while_nobody_has_a_connection_one_tries_for_all),
      cmocka_unit_test(the_delay_doubles_up_to_half_a_second_and_starts_anew_after_a_success),
      cmocka_unit_test(each_reason_is_said_once_and_so_is_that_it_is_over),
      cmocka_unit_test(a_tenant_that_wants_none_gets_none_until_it_says_so),
      cmocka_unit_test(a_tenant_that_comes_while_the_address_is_down_knows_it_at_once),
      cmocka_unit_test(the_first_error_of_a_server_that_is_no_master_ends_all_connections),
      cmocka_unit_test(an_error_of_the_command_or_the_moment_ends_no_connection),
      cmocka_unit_test(errors_of_one_generation_end_only_that_one),
      cmocka_unit_test(each_connection_is_asked_for_its_role_about_twice_a_second),
      cmocka_unit_test(a_role_that_is_no_masters_ends_all_connections),
      cmocka_unit_test(a_server_that_loads_again_is_found_out_by_asking_for_its_role),
      cmocka_unit_test(who_may_not_ask_for_the_role_takes_it_for_a_masters),
      cmocka_unit_test(the_role_is_not_asked_for_again_before_it_was_answered),
      cmocka_unit_test(when_one_hears_nothing_those_go_too_that_have_heard_nothing_either),
      cmocka_unit_test(one_that_hears_nothing_does_not_end_those_that_do),
      cmocka_unit_test(a_tenant_may_go_at_any_moment),
      cmocka_unit_test(its_clocks_keep_no_worker_alive),
  };
  return cmocka_run_group_tests_name("redis node", tests, nullptr, nullptr);
}
