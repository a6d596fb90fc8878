// Reads over links whose far ends the test plays.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "links.hpp"
#include "manual_loop.hpp"
#include "redis_fixture.hpp"

//
#include "cmocka.hpp"

namespace wallet_sync {

using Answer = Result<Replies>;

inline Server somewhere(std::size_t links) {
  Server server;
  server.host = "192.0.2.1";
  server.links = links;
  server.connect_timeout_ms = 1000;
  server.command_timeout_ms = 2000;
  return server;
}

inline std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

inline std::size_t occurrences(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) {
    ++count;
  }
  return count;
}

// Links to peer(0), peer(1), …; whatever is asked is GET.
struct LinksBench {
  explicit LinksBench(std::size_t number = 1, bool greet = true) : server(somewhere(number)) {
    for (std::size_t i = 0; greet && i < number; ++i) {
      loop.peer(i).greets();
    }
  }
  static Task<Answer> read(Links& over, Command command, Repeat repeat) {
    Commands commands;
    commands.push_back(std::move(command));
    co_return co_await Read(over, std::move(commands), repeat);
  }
  // A read that has begun and had a turn.
  std::unique_ptr<Task<Answer>> ask(std::string_view key = "k", Repeat repeat = Repeat::yes) {
    auto task = std::make_unique<Task<Answer>>(read(links, Command("GET", key), repeat));
    task->start();
    loop.run_posted();
    return task;
  }
  std::vector<std::unique_ptr<Task<Answer>>> ask_many(std::size_t count) {
    std::vector<std::unique_ptr<Task<Answer>>> tasks;
    for (std::size_t i = 0; i < count; ++i) {
      tasks.push_back(std::make_unique<Task<Answer>>(read(links, Command("GET", "k"), Repeat::yes)));
      tasks.back()->start();
    }
    loop.run_posted();
    return tasks;
  }
  // How many GETs a peer has got since it was looked the last time.
  std::size_t heard(std::size_t peer) { return occurrences(loop.peer(peer).heard(), "\r\nGET\r\n"); }
  // Large answers have come of late.
  void learn_that_replies_are_large() {
    for (int i = 0; i < 30; ++i) {
      auto task = ask();
      loop.peer(0).says(large);
      assert_true(task->done());
    }
    heard(0);
  }

  // Many have, of the size that is expected at first.
  void learn_that_replies_come_fast() {
    for (int i = 0; i < 1000; ++i) {
      auto task = ask();
      loop.peer(0).says(bulk(std::string(1015, 'x')));
    }
    heard(0);
  }

  std::string large = bulk(std::string(1'000'000, 'x'));
  ManualLoop loop;
  TestMonitor monitor;
  Server server;
  Deadlines deadlines{loop};
  Node node{loop, server, monitor};
  Links links{deadlines, node};
};

inline std::optional<StoreError> failure(Task<Answer>& task) {
  assert_true(task.done());
  const Answer answer = task.take();
  return answer ? std::nullopt : std::optional(answer.error());
}

inline std::string text_of(Task<Answer>& task) {
  assert_true(task.done());
  const Answer answer = task.take();
  return answer ? (*answer)[0].text : "no answer";
}

}  // namespace wallet_sync
