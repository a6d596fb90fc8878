// Writers of one contended account, and of quiet accounts beside it.
//
//   writers PORT TOKENS SIZE SEQUENCE CONTENDED QUIET SECONDS
//
// TOKENS is a file with one token a line, whose wallets stand at SEQUENCE. CONTENDED writers, each with a
// connection of its own, take the first account and do what devices do: read the wallet, write the next
// version; who comes second (409) reads and tries again. Each of the QUIET accounts after it has one writer,
// who writes version after version. After SECONDS nothing new is begun, and what is under way is waited for,
// so that all counts are exact. Prints
//   RESULT SECONDS, and for the contended account and for the quiet ones: STORED CONFLICTS ERRORS P50 P99
// with microseconds from the beginning of an attempt, which for the contended account includes the tries that
// came second.
#include <algorithm>
#include <deque>
#include <fstream>
#include <vector>

#include "http.hpp"

namespace {

struct Group {
  std::uint64_t stored = 0, conflicts = 0, errors = 0;
  std::vector<double> seconds;

  double percentile(double part) {
    std::sort(seconds.begin(), seconds.end());
    const auto at = static_cast<std::size_t>(part * static_cast<double>(seconds.size()));
    return seconds.empty() ? 0 : 1e6 * seconds[std::min(at, seconds.size() - 1)];
  }
};

struct Run {
  Poller poller;
  int port = 0;
  std::string wallet;
  double end = 0;
  std::size_t working = 0;
  Group contended, quiet;
};

class Writer {
 public:
  Writer(Run& run, Group& group, std::string token, std::uint64_t sequence, bool alone)
      : run_(run),
        group_(group),
        token_(std::move(token)),
        sequence_(sequence),
        alone_(alone),
        http_(run.poller, run.port, 0, [this](const Answer& answer) { take(answer); }) {
    ++run_.working;
    begin();
  }

 private:
  void begin() {
    if (now() >= run_.end) {
      --run_.working;
      return;
    }
    begun_ = now();
    look();
  }

  void look() {
    reading_ = !alone_;
    if (alone_) {
      write();
    } else {
      http_.ask(get_wallet(token_));
    }
  }

  void write() { http_.ask(post_wallet(token_, sequence_ + 1, run_.wallet)); }

  void take(const Answer& answer) {
    if (reading_ && answer.status == 200) {
      reading_ = false;
      sequence_ = answer.number("sequence");
      write();
    } else if (!reading_ && answer.status == 200) {
      ++sequence_;
      ++group_.stored;
      group_.seconds.push_back(now() - begun_);
      begin();
    } else {
      ++(answer.status == 409 ? group_.conflicts : group_.errors);
      if (now() >= run_.end) {
        --run_.working;
      } else {
        look();
      }
    }
  }

  Run& run_;
  Group& group_;
  std::string token_;
  std::uint64_t sequence_;
  bool alone_, reading_ = false;
  double begun_ = 0;
  Http http_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    fail("usage: writers PORT TOKENS SIZE SEQUENCE CONTENDED QUIET SECONDS");
  }
  Run run;
  run.port = std::atoi(argv[1]);
  run.wallet.assign(std::strtoul(argv[3], nullptr, 10), 'w');
  const std::uint64_t sequence = std::strtoull(argv[4], nullptr, 10);
  const double seconds = std::atof(argv[7]);
  std::ifstream tokens(argv[2]);
  std::string token;
  tokens >> token;

  const double begun = now();
  run.end = begun + seconds;
  std::deque<Writer> writers;
  for (int i = std::atoi(argv[5]); i > 0; --i) {
    writers.emplace_back(run, run.contended, token, sequence, false);
  }
  for (int i = std::atoi(argv[6]); i > 0 && tokens >> token; --i) {
    writers.emplace_back(run, run.quiet, token, sequence, true);
  }
  run.poller.until([&] { return now() >= run.end; }, "the end", seconds + kPatience);
  run.poller.until([&] { return run.working == 0; }, "the last answers");

  std::cout << "RESULT " << seconds;
  for (Group* group : {&run.contended, &run.quiet}) {
    std::cout << ' ' << group->stored << ' ' << group->conflicts << ' ' << group->errors << ' '
              << group->percentile(0.5) << ' ' << group->percentile(0.99);
  }
  std::cout << std::endl;
}
