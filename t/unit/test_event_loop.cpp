// What is posted runs in this turn: all of it once, in order, what ends the turn last.
#include <functional>
#include <memory>
#include <string>

#include "event_loop.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

class BareLoop : public EventLoop {
 public:
  std::unique_ptr<Stream> connect(const Server&, Stream::User&) override { return nullptr; }
  std::unique_ptr<Timer> new_timer(TimerKind, std::function<void()>) override { return nullptr; }
  std::int64_t now_ms() const override { return 0; }
  int wakes = 0;

 private:
  void wake() override { ++wakes; }
};

struct Note : Posted {
  Note(EventLoop& loop, std::function<void()> action, Phase phase = Phase::within_turn)
      : Posted(loop, phase), action_(std::move(action)) {}
  void run() override { action_(); }
  std::function<void()> action_;
};

void what_is_posted_runs_once_and_in_order(void**) {
  BareLoop loop;
  std::string order;
  Note a(loop, [&] { order += "a"; });
  Note b(loop, [&] { order += "b"; });
  b.post();
  a.post();
  b.post();
  assert_int_equal(loop.wakes, 1);
  loop.run_posted();
  loop.run_posted();
  assert_text(order, "ba");
}

void what_is_posted_meanwhile_runs_in_the_same_turn(void**) {
  BareLoop loop;
  std::string order;
  Note b(loop, [&] { order += "b"; });
  int times = 0;
  std::function<void()> again;
  Note a(loop, [&] { again(); });
  again = [&] {
    order += "a";
    if (++times < 3) a.post();
    b.post();
  };
  a.post();
  loop.run_posted();
  assert_text(order, "aabab");
  assert_int_equal(times, 3);
  assert_false(a.is_posted() || b.is_posted());
}

void destroying_something_posted_takes_it_back(void**) {
  BareLoop loop;
  std::string order;
  auto first = std::make_unique<Note>(loop, [&] { order += "1"; });
  auto middle = std::make_unique<Note>(loop, [&] { order += "2"; });
  auto last = std::make_unique<Note>(loop, [&] { order += "3"; });
  Note keeper(loop, [&] { order += "k"; });
  for (Note* note : {first.get(), middle.get(), &keeper, last.get()}) {
    note->post();
  }
  middle.reset();
  first.reset();
  last.reset();
  loop.run_posted();
  assert_text(order, "k");
  keeper.post();
  loop.run_posted();
  assert_text(order, "kk");
}

void what_runs_may_destroy_itself_and_its_neighbour(void**) {
  BareLoop loop;
  std::string order;
  std::unique_ptr<Note> first, second;
  Note third(loop, [&] { order += "3"; });
  second = std::make_unique<Note>(loop, [&] { order += "2"; });
  first = std::make_unique<Note>(loop, [&] {
    order += "1";
    second.reset();
    first.reset();
  });
  first->post();
  second->post();
  third.post();
  loop.run_posted();
  assert_text(order, "13");
}

// What was answered together goes out together: the writes of a turn wait for all of its callbacks.
void what_ends_the_turn_runs_when_nothing_else_is_left(void**) {
  BareLoop loop;
  std::string order;
  Note end(
      loop, [&] { order += "e"; }, Phase::end_of_turn);
  Note b(loop, [&] { order += "b"; });
  Note a(loop, [&] {
    order += "a";
    b.post();
    end.post();
  });
  end.post();
  a.post();
  loop.run_posted();
  assert_text(order, "abe");
}

void what_the_end_of_a_turn_posts_runs_in_it_too(void**) {
  BareLoop loop;
  std::string order;
  Note within(loop, [&] { order += "w"; });
  Note last(
      loop, [&] { order += "l"; }, Phase::end_of_turn);
  Note end(
      loop,
      [&] {
        order += "e";
        within.post();
      },
      Phase::end_of_turn);
  end.post();
  last.post();
  loop.run_posted();
  assert_text(order, "ewl");
  assert_int_equal(loop.wakes, 1);
}

// From a timer or from init_process nothing else would run it: the loop has to be told.
void the_loop_is_woken_for_the_first_of_a_turn_whichever_its_phase(void**) {
  BareLoop loop;
  Note within(loop, [] {});
  Note end(
      loop, [] {}, Phase::end_of_turn);
  end.post();
  within.post();
  assert_int_equal(loop.wakes, 1);
  loop.run_posted();
  within.post();
  end.post();
  assert_int_equal(loop.wakes, 2);
  loop.run_posted();
}

void what_ends_the_turn_is_taken_back_when_it_is_destroyed(void**) {
  BareLoop loop;
  std::string order;
  auto gone = std::make_unique<Note>(
      loop, [&] { order += "g"; }, Phase::end_of_turn);
  Note end(
      loop, [&] { order += "e"; }, Phase::end_of_turn);
  gone->post();
  end.post();
  gone.reset();
  loop.run_posted();
  assert_text(order, "e");
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(what_is_posted_runs_once_and_in_order),
      cmocka_unit_test(what_is_posted_meanwhile_runs_in_the_same_turn),
      cmocka_unit_test(destroying_something_posted_takes_it_back),
      cmocka_unit_test(what_runs_may_destroy_itself_and_its_neighbour),
      cmocka_unit_test(what_ends_the_turn_runs_when_nothing_else_is_left),
      cmocka_unit_test(what_the_end_of_a_turn_posts_runs_in_it_too),
      cmocka_unit_test(the_loop_is_woken_for_the_first_of_a_turn_whichever_its_phase),
      cmocka_unit_test(what_ends_the_turn_is_taken_back_when_it_is_destroyed),
  };
  return cmocka_run_group_tests_name("event loop", tests, nullptr, nullptr);
}
