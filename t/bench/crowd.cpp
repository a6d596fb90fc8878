// Clients that come back: each has an account and a connection of its own, and wants one thing every PERIOD
// seconds.
//
//   crowd PORT TOKENS CLIENTS get|post|login|handshake SIZE SEQUENCE PERIOD WARM SECONDS
//
// For login, each line of TOKENS is the body of a request, not a token. A handshake is one of a websocket, on
// a connection of its own that is closed when the server has agreed. Who gets 503 waits as long as
// Retry-After says and asks again, for as long as it takes; who loses the connection waits a second. With
// PERIOD 0 the next thing is wanted at once. A post that is answered 409 was stored by an earlier try whose
// outcome was not known: the client reads where its wallet stands and goes on. What is answered in the first
// WARM seconds is not counted, but for TOTAL. Prints
//   RESULT SECONDS DONE REFUSED LATE OTHER BROKEN DONE-P50 DONE-P99 REFUSED-P50 REFUSED-P99 TOTAL
// DONE: answered 200, or 101; REFUSED: 503; LATE: 409 as above; OTHER: anything else; TOTAL: posts that were
// answered 200 from the very beginning. Times are those of one request, in microseconds.
#include <algorithm>
#include <deque>
#include <fstream>
#include <queue>
#include <vector>

#include "http.hpp"

namespace {

constexpr int kPerAddress = 5000;    // connections of one source address
constexpr int kAddresses = 200;      // of handshakes: a port is not used again at once
constexpr double kAfterBreak = 1.0;  // seconds

struct Counts {
  std::uint64_t late = 0, other = 0, broken = 0, total = 0;
  std::vector<double> done, refused;  // seconds of each request
};

double percentile(std::vector<double>& seconds, double part) {
  std::sort(seconds.begin(), seconds.end());
  const auto at = static_cast<std::size_t>(part * static_cast<double>(seconds.size()));
  return seconds.empty() ? 0 : 1e6 * seconds[std::min(at, seconds.size() - 1)];
}

class Client;

enum class Mode { kGet, kPost, kLogin, kHandshake };

Mode mode_of(const std::string& name) {
  return name == "post"        ? Mode::kPost
         : name == "login"     ? Mode::kLogin
         : name == "handshake" ? Mode::kHandshake
                               : Mode::kGet;
}

struct Alarm {
  double due;
  Client* client;
  bool operator<(const Alarm& other) const { return due > other.due; }  // the earliest is on top
};

struct Run {
  Poller poller;
  int port = 0;
  Mode mode = Mode::kGet;
  std::string wallet;
  double period = 0, counting_from = 0, end = 0;
  std::size_t working = 0;  // requests under way
  std::priority_queue<Alarm> alarms;
  Counts counts;
};

class Client {
 public:
  Client(Run& run, int number, std::string token, std::uint64_t sequence, double first)
      : run_(run),
        token_(std::move(token)),
        sequence_(sequence),
        wanted_(first),
        http_(run.poller, run.port, run.mode == Mode::kHandshake ? number % kAddresses : number / kPerAddress,
              [this](const Answer& answer) { take(answer); }) {
    run_.alarms.push({first, this});
  }

  void ask() {
    if (now() >= run_.end) {
      return;
    }
    ++run_.working;
    asked_ = now();
    http_.ask(request());
  }

 private:
  std::string request() const {
    switch (run_.mode) {
      case Mode::kLogin: return post_json("/api/3/auth/full", token_);
      case Mode::kHandshake: return handshake(token_);
      case Mode::kPost:
        if (!lost_track_) {
          return post_wallet(token_, sequence_ + 1, run_.wallet);
        }
        [[fallthrough]];
      default: return get_wallet(token_);
    }
  }

  void take(const Answer& answer) {
    --run_.working;
    const bool counted = now() >= run_.counting_from && now() < run_.end;
    const double took = now() - asked_;
    Counts& counts = run_.counts;
    switch (answer.status) {
      case 101:
      case 200: succeed(answer, counted, took); break;
      case 409:
        counts.late += counted ? 1 : 0;
        lost_track_ = true;
        later(0);
        break;
      case 503:
        if (counted) {
          counts.refused.push_back(took);
        }
        later(std::max(answer.retry_after, 0.001));
        break;
      case 0:
        counts.broken += counted ? 1 : 0;
        later(kAfterBreak);
        break;
      default: counts.other += counted ? 1 : 0; later(kAfterBreak);
    }
  }

  void succeed(const Answer& answer, bool counted, double took) {
    if (lost_track_) {
      lost_track_ = false;
      sequence_ = answer.number("sequence");
      later(0);
      return;
    }
    ++sequence_;
    ++run_.counts.total;
    if (counted) {
      run_.counts.done.push_back(took);
    }
    wanted_ = std::max(wanted_ + run_.period, now());
    run_.alarms.push({wanted_, this});
  }

  void later(double seconds) { run_.alarms.push({now() + seconds, this}); }

  Run& run_;
  std::string token_;
  std::uint64_t sequence_;
  double wanted_, asked_ = 0;
  bool lost_track_ = false;
  Http http_;
};

void work(Run& run, double until) {
  while (now() < until) {
    while (!run.alarms.empty() && run.alarms.top().due <= now()) {
      Client* client = run.alarms.top().client;
      run.alarms.pop();
      client->ask();
    }
    const double wait = run.alarms.empty() ? 0.01 : run.alarms.top().due - now();
    run.poller.turn(std::clamp(static_cast<int>(wait * 1000 + 0.999), 0, 10));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 10) {
    fail("usage: crowd PORT TOKENS CLIENTS get|post|login|handshake SIZE SEQUENCE PERIOD WARM SECONDS");
  }
  Run run;
  run.port = std::atoi(argv[1]);
  run.mode = mode_of(argv[4]);
  run.wallet.assign(std::strtoul(argv[5], nullptr, 10), 'w');
  const std::uint64_t sequence = std::strtoull(argv[6], nullptr, 10);
  run.period = std::atof(argv[7]);
  const double seconds = std::atof(argv[9]);
  const int count = std::atoi(argv[3]);
  const double begun = now();
  run.counting_from = begun + std::atof(argv[8]);
  run.end = run.counting_from + seconds;

  std::ifstream file(argv[2]);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  std::deque<Client> clients;
  for (int i = 0; i < count && (run.mode != Mode::kPost || i < static_cast<int>(lines.size())); ++i) {
    clients.emplace_back(run, i, lines.at(static_cast<std::size_t>(i) % lines.size()), sequence,
                         begun + run.period * i / count);
  }
  work(run, run.end);
  run.poller.until([&] { return run.working == 0; }, "the last answers");

  Counts& counts = run.counts;
  std::cout << "RESULT " << seconds << ' ' << counts.done.size() << ' ' << counts.refused.size() << ' '
            << counts.late << ' ' << counts.other << ' ' << counts.broken;
  for (auto* times : {&counts.done, &counts.refused}) {
    std::cout << ' ' << percentile(*times, 0.5) << ' ' << percentile(*times, 0.99);
  }
  std::cout << ' ' << counts.total << std::endl;
}
