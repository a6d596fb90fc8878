// Lists whose nodes are part of the objects they hold.
#include <memory>
#include <string>
#include <vector>

#include "intrusive_list.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

struct ByAge;
struct ByName;

struct Item : Hook<ByAge>, Hook<ByName> {
  explicit Item(char n, int a = 0) : name(n), age(a) {}
  bool queued() const { return Hook<ByAge>::linked(); }
  void leave() { Hook<ByAge>::unlink(); }
  char name;
  int age;
};
using Queue = List<Item, ByAge>;

std::string drain(Queue& queue) {
  std::string names;
  while (!queue.empty()) {
    names += queue.pop_front().name;
  }
  return names;
}

bool younger(const Item& one, const Item& other) { return one.age < other.age; }

void what_is_pushed_comes_out_in_order(void**) {
  Queue queue;
  assert_true(queue.empty());
  Item a('a');
  Item b('b');
  Item c('c');
  queue.push_back(b);
  queue.push_back(c);
  queue.push_front(a);
  assert_true(&queue.front() == &a);
  assert_text(drain(queue), "abc");
  assert_true(queue.empty());
  assert_false(a.queued() || b.queued() || c.queued());
}

void an_object_leaves_from_wherever_it_stands(void**) {
  for (const char leaving : {'a', 'b', 'c'}) {
    Queue queue;
    std::vector<std::unique_ptr<Item>> items;
    std::string others;
    for (const char name : {'a', 'b', 'c'}) {
      items.push_back(std::make_unique<Item>(name));
      queue.push_back(*items.back());
      others += name != leaving ? std::string(1, name) : "";
    }
    Item& item = *items[static_cast<std::size_t>(leaving - 'a')];
    item.leave();
    assert_false(item.queued());
    item.leave();
    assert_text(drain(queue), others);
  }
}

void an_object_that_is_destroyed_leaves_by_itself(void**) {
  Queue queue;
  auto a = std::make_unique<Item>('a');
  auto b = std::make_unique<Item>('b');
  queue.push_back(*a);
  queue.push_back(*b);
  a.reset();
  assert_true(&queue.front() == b.get());
  b.reset();
  assert_true(queue.empty());
}

void a_list_that_is_destroyed_lets_go_of_its_objects(void**) {
  Item a('a');
  Item b('b');
  {
    Queue queue;
    queue.push_back(a);
    queue.push_back(b);
  }
  assert_false(a.queued() || b.queued());
  Queue other;
  other.push_back(b);
  assert_text(drain(other), "b");
}

void an_object_may_be_in_a_list_of_each_tag(void**) {
  Queue by_age;
  List<Item, ByName> by_name;
  Item a('a');
  by_age.push_back(a);
  by_name.push_back(a);
  by_age.pop_front();
  assert_false(a.queued());
  assert_true(&by_name.front() == &a);
}

void it_is_sorted_from_the_back_and_equals_keep_their_order(void**) {
  Queue queue;
  std::vector<std::unique_ptr<Item>> items;
  const auto add = [&](char name, int age) {
    items.push_back(std::make_unique<Item>(name, age));
    queue.insert_from_back(*items.back(), younger);
  };
  add('d', 4);
  add('b', 2);
  add('e', 4);
  add('a', 1);
  add('c', 2);
  add('f', 9);
  assert_text(drain(queue), "abcdef");
}

// Those who wait all wait equally long: each newcomer's place is found by looking at one other.
void who_goes_last_anyway_is_compared_with_the_last_only(void**) {
  Queue queue;
  std::vector<std::unique_ptr<Item>> items;
  std::size_t comparisons = 0;
  for (int i = 0; i < 1000; ++i) {
    items.push_back(std::make_unique<Item>('x', i / 10));
    queue.insert_from_back(*items.back(), [&](const Item& one, const Item& other) {
      ++comparisons;
      return younger(one, other);
    });
  }
  assert_int_equal(comparisons, 999);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(what_is_pushed_comes_out_in_order),
      cmocka_unit_test(an_object_leaves_from_wherever_it_stands),
      cmocka_unit_test(an_object_that_is_destroyed_leaves_by_itself),
      cmocka_unit_test(a_list_that_is_destroyed_lets_go_of_its_objects),
      cmocka_unit_test(an_object_may_be_in_a_list_of_each_tag),
      cmocka_unit_test(it_is_sorted_from_the_back_and_equals_keep_their_order),
      cmocka_unit_test(who_goes_last_anyway_is_compared_with_the_last_only),
  };
  return cmocka_run_group_tests_name("intrusive list", tests, nullptr, nullptr);
}
