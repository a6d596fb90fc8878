// Jobs in a thread pool whose threads stand still until the test moves them.
#include <atomic>
#include <chrono>
#include <cstdarg>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "libevent_loop.hpp"
#include "task.hpp"
#include "thread_jobs.hpp"

// cmocka comes last: its macros hide what the others use.
#include "cmocka.hpp"

using wallet_sync::Task;
using wallet_sync::ThreadJobs;

namespace {

// nginx' side: a queue, and the list of tasks that are done, which leads through the tasks themselves.
std::vector<ngx_thread_task_t*> queue;
std::size_t room = 100;
std::size_t asked = 0;
ngx_thread_task_t* done_first = nullptr;
ngx_thread_task_t** done_last = &done_first;
std::function<void()> while_asleep;
std::vector<std::string> lines;

// As a thread of nginx' does it.
void run_next() {
  ngx_thread_task_t* task = queue.front();
  queue.erase(queue.begin());
  task->handler(task->ctx, nullptr);
  task->next = nullptr;
  *done_last = task;
  done_last = &task->next;
}

// As the worker does it when it is told of them.
void report_done() {
  ngx_thread_task_t* task = done_first;
  done_first = nullptr;
  done_last = &done_first;
  while (task != nullptr) {
    ngx_event_t* event = &task->event;
    task = task->next;
    event->handler(event);
  }
}

}  // namespace

int ngx_terminate = 0;

ngx_int_t ngx_thread_task_post(ngx_thread_pool_t*, ngx_thread_task_t* task) {
  ++asked;
  if (queue.size() >= room) {
    return NGX_ERROR;
  }
  queue.push_back(task);
  return NGX_OK;
}

void ngx_msleep(ngx_msec_t) {
  if (while_asleep) {
    while_asleep();
  }
}

void ngx_log_error(ngx_uint_t, ngx_log_t*, int, const char* format, ...) {
  va_list values;
  va_start(values, format);
  const char* text = va_arg(values, const char*);
  lines.emplace_back(text);
  va_end(values);
}

namespace {

int alive = 0;                    // Works
std::function<void()> in_thread;  // what a Work does besides

struct Count {
  Count() { ++alive; }
  Count(const Count&) { ++alive; }
  Count(Count&&) noexcept { ++alive; }
  ~Count() { --alive; }
  Count& operator=(const Count&) = delete;
  Count& operator=(Count&&) = delete;
};

struct Double {
  int number;
  Count count{};
  int operator()() const {
    if (in_thread) {
      in_thread();
    }
    return 2 * number;
  }
};
using Jobs = ThreadJobs<Double>;

Task<std::optional<int>> doubled(Jobs& jobs, int number) {
  Double work{number};
  co_return co_await jobs.run(std::move(work), 60'000);
}

struct Pool {
  explicit Pool(std::size_t max_jobs) : jobs(new Jobs(loop, nullptr, max_jobs, nullptr, "doubling")) {}
  void start(int number) {
    tasks.push_back(std::make_unique<Task<std::optional<int>>>(doubled(*jobs, number)));
    tasks.back()->start();
  }

  LibeventLoop loop;
  std::unique_ptr<Jobs> jobs;
  std::vector<std::unique_ptr<Task<std::optional<int>>>> tasks;
};

int reset(void**) {
  queue.clear();
  lines.clear();
  room = 100;
  asked = 0;
  done_first = nullptr;
  done_last = &done_first;
  while_asleep = nullptr;
  in_thread = nullptr;
  ngx_terminate = 0;
  alive = 0;
  return 0;
}

void a_job_gives_what_it_works_out(void**) {
  Pool pool(0);
  pool.start(21);
  assert_false(pool.tasks[0]->done());
  run_next();
  report_done();
  pool.loop.turn(0);
  assert_int_equal(*pool.tasks[0]->take(), 42);
  assert_int_equal(alive, 0);
}

void at_the_end_no_job_is_freed_that_a_thread_may_still_touch(void**) {
  Pool pool(0);
  for (int i = 0; i < 4; ++i) {
    pool.start(i);
  }
  run_next();  // done, but the worker has not been told
  pool.tasks.clear();
  pool.jobs.reset();
  assert_int_equal(alive, 4);
  // The next one that is done is written into the one before; what had not begun is skipped.
  while (!queue.empty()) {
    run_next();
  }
  assert_int_equal(alive, 4);
}

void the_end_waits_for_what_a_thread_has_begun(void**) {
  Pool pool(0);
  pool.start(1);
  std::atomic<bool> begun = false;
  std::atomic<bool> released = false;
  in_thread = [&] {
    begun = true;
    while (!released) {
      std::this_thread::yield();
    }
  };
  std::thread thread(run_next);
  while (!begun) {
    std::this_thread::yield();
  }
  int waited = 0;
  while_asleep = [&] {
    ++waited;
    released = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  };
  pool.tasks.clear();
  pool.jobs.reset();
  thread.join();
  assert_true(waited > 0);
  assert_int_equal(alive, 1);
}

void a_full_queue_is_told_once_and_then_with_a_count(void**) {
  Pool pool(2);
  for (int i = 0; i < 50; ++i) {
    pool.start(i);
  }
  assert_int_equal(queue.size(), 2);
  for (int i = 2; i < 50; ++i) {
    assert_false(pool.tasks[static_cast<std::size_t>(i)]->take().has_value());
  }
  assert_int_equal(lines.size(), 1);
  assert_text(lines[0], "the queue for doubling is full");
  run_next();
  run_next();
  report_done();
  assert_int_equal(lines.size(), 1);  // the rest is told a second later
}

void a_pool_that_is_full_is_not_asked_again_and_again(void**) {
  room = 3;
  Pool pool(0);
  for (int i = 0; i < 50; ++i) {
    pool.start(i);
  }
  assert_int_equal(asked, 4);
  assert_int_equal(lines.size(), 1);
  // There is a place again.
  run_next();
  report_done();
  pool.start(50);
  assert_int_equal(queue.size(), 3);
  pool.start(51);
  assert_int_equal(asked, 5);
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test_setup(a_job_gives_what_it_works_out, reset),
      cmocka_unit_test_setup(at_the_end_no_job_is_freed_that_a_thread_may_still_touch, reset),
      cmocka_unit_test_setup(the_end_waits_for_what_a_thread_has_begun, reset),
      cmocka_unit_test_setup(a_full_queue_is_told_once_and_then_with_a_count, reset),
      cmocka_unit_test_setup(a_pool_that_is_full_is_not_asked_again_and_again, reset),
  };
  return cmocka_run_group_tests_name("thread jobs", tests, nullptr, nullptr);
}
