// What Redis can do without HTTP: the commands that wallet_sync sends for GET and POST of a wallet, or others
// to the same effect, sent by a bare hiredis loop.
//
//   redis_loop KIND SOCKET ACCOUNTS COUNT SIZE SEQUENCE CLIENTS SECONDS
//
// With several sockets and as many files of accounts, separated by commas, it is about the masters of a
// cluster, each of which gets its part of COUNT and CLIENTS, and is told of writes by SPUBLISH. ACCOUNTS is a
// file of lines "ACCOUNT-ID TOKEN-DIGEST", of which COUNT are used; all their wallets stand at SEQUENCE.
// CLIENTS operations are under way at any time:
//   get      reads, pipelined on one connection and flushed once per turn of the loop
//   watch    writes, each alone on its connection from WATCH to EXEC, in two trips
//   batch    writes, on two connections: each takes half of the clients, at most 32, into the same two trips
//   evalsha  writes, each one EVALSHA alone on its connection
// Prints "RESULT RATE P50 P99 DONE": per second, microseconds, number.
#include <memory>
#include <sstream>

#include "redis_writes.hpp"

namespace {

constexpr std::size_t kBatchConnections = 2;
constexpr std::size_t kBatch = 32;

class Reader {
 public:
  Reader(Bench& bench, redisAsyncContext* context) : bench_(bench), context_(context) { read(); }

 private:
  void read() {
    const Account& account = bench_.next();
    begun_ = Clock::now();
    send(context_, expect_array, nullptr, {"HMGET", account.wallet_key, "sequence", "hmac", "wallet"});
    send(context_, on_token, this, {"HGET", account.tokens_key, account.digest});
  }
  static void on_token(redisAsyncContext*, void* reply, void* pointer) {
    auto* self = static_cast<Reader*>(pointer);
    checked(reply, REDIS_REPLY_STRING);
    self->bench_.done(self->begun_);
    self->read();
  }

  Bench& bench_;
  redisAsyncContext* context_;
  Clock::time_point begun_;
};

struct Clients {
  std::vector<std::unique_ptr<Reader>> readers;
  std::vector<std::unique_ptr<ScriptWriter>> scripts;
  std::vector<std::unique_ptr<Transaction>> transactions;

  void start(const std::string& kind, Bench& bench, event_base* base, const char* socket,
             std::size_t clients) {
    if (kind == "get") {
      redisAsyncContext* context = connect(base, socket);
      for (std::size_t i = 0; i < clients; ++i) {
        readers.push_back(std::make_unique<Reader>(bench, context));
      }
    } else if (kind == "evalsha") {
      for (std::size_t i = 0; i < clients; ++i) {
        scripts.push_back(std::make_unique<ScriptWriter>(bench, connect(base, socket)));
      }
    } else if (kind == "watch" || kind == "batch") {
      const std::size_t connections = kind == "watch" ? clients : std::min(clients, kBatchConnections);
      const std::size_t size = kind == "watch" ? 1 : std::min(clients / connections, kBatch);
      for (std::size_t i = 0; i < connections; ++i) {
        transactions.push_back(std::make_unique<Transaction>(bench, connect(base, socket), size));
      }
    } else {
      fail("unknown kind " + kind);
    }
  }
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    parts.push_back(part);
  }
  return parts;
}

timeval duration(double seconds) {
  timeval limit{};
  limit.tv_sec = static_cast<time_t>(seconds);
  limit.tv_usec = static_cast<suseconds_t>((seconds - static_cast<double>(limit.tv_sec)) * 1e6);
  return limit;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9) {
    fail("usage: redis_loop get|watch|batch|evalsha SOCKET ACCOUNTS COUNT SIZE SEQUENCE CLIENTS SECONDS");
  }
  const std::vector<std::string> sockets = split(argv[2]);
  const std::vector<std::string> files = split(argv[3]);
  if (sockets.size() != files.size()) {
    fail("as many sockets as files of accounts");
  }
  const std::size_t clients = std::max<std::size_t>(std::strtoul(argv[7], nullptr, 10) / sockets.size(), 1);
  std::vector<std::unique_ptr<Bench>> benches;
  Clients all;
  event_base* base = event_base_new();
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    Bench& bench = *benches.emplace_back(std::make_unique<Bench>());
    bench.accounts = read_accounts(files[i].c_str(), std::strtoul(argv[4], nullptr, 10) / sockets.size(),
                                   std::strtoull(argv[6], nullptr, 10));
    bench.wallet.assign(std::strtoul(argv[5], nullptr, 10), 'w');
    bench.publish = sockets.size() > 1 ? "SPUBLISH" : "PUBLISH";
    bench.microseconds.reserve(1 << 20);
    all.start(argv[1], bench, base, sockets[i].c_str(), clients);
  }

  const timeval limit = duration(std::atof(argv[8]));
  event_base_loopexit(base, &limit);
  const auto start = Clock::now();
  event_base_dispatch(base);
  const std::chrono::duration<double> elapsed = Clock::now() - start;
  Bench& bench = *benches.front();
  for (std::size_t i = 1; i < benches.size(); ++i) {
    bench.microseconds.insert(bench.microseconds.end(), benches[i]->microseconds.begin(),
                              benches[i]->microseconds.end());
  }
  const std::size_t done = bench.microseconds.size();
  std::cout << "RESULT " << static_cast<double>(done) / elapsed.count() << ' ' << bench.percentile(0.5) << ' '
            << bench.percentile(0.99) << ' ' << done << '\n';
  std::_Exit(std::cout.flush() ? 0 : 1);  // replies are still under way: nobody takes them
}
