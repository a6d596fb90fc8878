// Whoever waits is woken or gives up at his deadline, and one timer is enough for all.
#include <cstdint>
#include <memory>
#include <vector>

#include "manual_loop.hpp"
#include "waiter.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

// Its coroutine is the test: resuming it is noted.
struct Wait : Waiter {
  Wait(Deadlines& deadlines, std::int64_t patience_ms)
      : Waiter(deadlines, deadlines.now_ms() + patience_ms) {}
  using Waiter::done;
  using Waiter::wake;
  void on_deadline() override {
    gave_up_at_ms = now();
    wake();
  }
  std::int64_t now() const { return loop->now_ms(); }
  ManualLoop* loop = nullptr;
  std::int64_t gave_up_at_ms = 0;
};

// co_awaits the Wait it owns.
class Sleeper {
 public:
  Sleeper(Deadlines& deadlines, std::int64_t patience_ms) : wait_(deadlines, patience_ms) {
    wait_.loop = static_cast<ManualLoop*>(&deadlines.loop());
    routine_ = sleep(*this);
  }
  ~Sleeper() { routine_.handle.destroy(); }
  Sleeper(const Sleeper&) = delete;
  Sleeper& operator=(const Sleeper&) = delete;
  Wait& wait() { return wait_; }
  int resumed() const { return resumed_; }
  std::int64_t gave_up_at_ms() const { return wait_.gave_up_at_ms; }

 private:
  struct Routine {
    struct promise_type {
      Routine get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
      std::suspend_never initial_suspend() noexcept { return {}; }
      std::suspend_always final_suspend() noexcept { return {}; }
      void return_void() {}
      void unhandled_exception() noexcept { std::terminate(); }
    };
    std::coroutine_handle<promise_type> handle;
  };
  struct Awaiting {
    Wait& wait;
    bool await_ready() const noexcept { return wait.await_ready(); }
    void await_suspend(std::coroutine_handle<> caller) { wait.await_suspend(caller); }
    void await_resume() const noexcept {}
  };
  static Routine sleep(Sleeper& sleeper) {
    co_await Awaiting{sleeper.wait_};
    ++sleeper.resumed_;
  }

  Wait wait_;
  int resumed_ = 0;
  Routine routine_{};
};

using Sleepers = std::vector<std::unique_ptr<Sleeper>>;

void who_is_woken_goes_on_later_in_the_turn_and_once(void**) {
  ManualLoop loop;
  Deadlines deadlines(loop);
  Sleeper sleeper(deadlines, 100);
  sleeper.wait().wake();
  sleeper.wait().wake();
  assert_int_equal(sleeper.resumed(), 0);
  loop.run_posted();
  assert_int_equal(sleeper.resumed(), 1);
  loop.pass(1000);
  assert_int_equal(sleeper.resumed(), 1);
  assert_int_equal(sleeper.gave_up_at_ms(), 0);
}

void who_has_been_woken_before_he_waits_does_not_wait(void**) {
  ManualLoop loop;
  Deadlines deadlines(loop);
  Wait wait(deadlines, 100);
  wait.wake();
  assert_true(wait.await_ready());
}

void each_gives_up_at_his_own_deadline(void**) {
  ManualLoop loop;
  Deadlines deadlines(loop);
  const std::int64_t begin = loop.now_ms();
  Sleepers sleepers;
  const std::vector<std::int64_t> patience{300, 100, 200, 100, 5000, 1};
  for (const std::int64_t ms : patience) {
    sleepers.push_back(std::make_unique<Sleeper>(deadlines, ms));
  }
  loop.pass(10'000);
  for (std::size_t i = 0; i < patience.size(); ++i) {
    assert_int_equal(sleepers[i]->gave_up_at_ms() - begin, patience[i]);
    assert_int_equal(sleepers[i]->resumed(), 1);
  }
}

void who_comes_later_with_less_patience_gives_up_first(void**) {
  ManualLoop loop;
  Deadlines deadlines(loop);
  Sleeper patient(deadlines, 1000);
  loop.pass(500);
  Sleeper hasty(deadlines, 50);
  loop.pass(60);
  assert_int_equal(hasty.resumed(), 1);
  assert_int_equal(patient.resumed(), 0);
  loop.pass(440);
  assert_int_equal(patient.resumed(), 1);
}

void who_is_destroyed_is_not_resumed(void**) {
  ManualLoop loop;
  Deadlines deadlines(loop);
  auto gone = std::make_unique<Sleeper>(deadlines, 100);
  auto woken = std::make_unique<Sleeper>(deadlines, 100);
  Sleeper stays(deadlines, 100);
  woken->wait().wake();
  woken.reset();  // between waking and its turn
  gone.reset();
  loop.pass(200);
  assert_int_equal(stays.resumed(), 1);
}

// A worker that quits waits for every timer of this kind.
void while_nobody_waits_no_timer_runs(void**) {
  ManualLoop loop;
  Deadlines deadlines(loop);
  assert_int_equal(loop.armed(TimerKind::deadline), 0);
  auto destroyed = std::make_unique<Sleeper>(deadlines, 100);
  Sleeper woken(deadlines, 200);
  assert_int_equal(loop.armed(TimerKind::deadline), 1);
  destroyed.reset();
  assert_int_equal(loop.armed(TimerKind::deadline), 1);
  woken.wait().wake();
  assert_int_equal(loop.armed(TimerKind::deadline), 0);
}

// 16,000 that come and go cost one timer, not a walk over all of them each time.
void a_crowd_that_comes_and_goes_moves_no_timer(void**) {
  ManualLoop loop;
  Deadlines deadlines(loop);
  Sleepers sleepers;
  for (int i = 0; i < 16'000; ++i) {
    sleepers.push_back(std::make_unique<Sleeper>(deadlines, 1000));
  }
  for (std::size_t i = 0; i + 1 < sleepers.size(); ++i) {
    sleepers[i]->wait().wake();
    loop.run_posted();
  }
  assert_int_equal(loop.arms(), 1);
  loop.pass(1000);
  assert_int_equal(sleepers.back()->resumed(), 1);
}

// What it waits for may have come while the process stood still. The events are handled before anyone is told
// that it did not come.
void after_the_process_stood_still_what_arrived_is_read_before_anyone_gives_up(void**) {
  ManualLoop loop;
  Deadlines deadlines(loop);
  Sleeper answered(deadlines, 1000);
  Sleeper unanswered(deadlines, 1000);
  loop.stand_still(5000);
  loop.pass(0);  // the timer is late
  assert_int_equal(answered.gave_up_at_ms(), 0);
  answered.wait().wake();  // by what the next look at the sockets finds
  loop.pass(100);
  assert_int_equal(answered.resumed(), 1);
  assert_int_equal(answered.gave_up_at_ms(), 0);
  assert_int_equal(unanswered.resumed(), 1);
  assert_true(unanswered.gave_up_at_ms() > 0);
}

void each_time_it_stood_still_counts(void**) {
  ManualLoop loop;
  Deadlines deadlines(loop);
  for (int i = 0; i < 3; ++i) {
    Sleeper answered(deadlines, 1000);
    loop.stand_still(5000);
    loop.pass(0);
    assert_int_equal(answered.gave_up_at_ms(), 0);
    answered.wait().wake();
    loop.run_posted();
    assert_int_equal(answered.resumed(), 1);
  }
}

void a_timer_that_is_a_little_late_ends_the_wait_at_once(void**) {
  ManualLoop loop;
  Deadlines deadlines(loop);
  Sleeper sleeper(deadlines, 1000);
  loop.stand_still(1050);
  loop.pass(0);
  assert_int_equal(sleeper.resumed(), 1);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(who_is_woken_goes_on_later_in_the_turn_and_once),
      cmocka_unit_test(who_has_been_woken_before_he_waits_does_not_wait),
      cmocka_unit_test(each_gives_up_at_his_own_deadline),
      cmocka_unit_test(who_comes_later_with_less_patience_gives_up_first),
      cmocka_unit_test(who_is_destroyed_is_not_resumed),
      cmocka_unit_test(while_nobody_waits_no_timer_runs),
      cmocka_unit_test(a_crowd_that_comes_and_goes_moves_no_timer),
      cmocka_unit_test(after_the_process_stood_still_what_arrived_is_read_before_anyone_gives_up),
      cmocka_unit_test(each_time_it_stood_still_counts),
      cmocka_unit_test(a_timer_that_is_a_little_late_ends_the_wait_at_once),
  };
  return cmocka_run_group_tests_name("redis waiter", tests, nullptr, nullptr);
}
