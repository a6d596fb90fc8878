// What Redis can do without HTTP: the commands that wallet_sync sends for GET and POST of a wallet, sent by a
// bare hiredis loop.
//
//   redis_loop get|post SOCKET ACCOUNTS SIZE SEQUENCE CLIENTS CONNECTIONS SECONDS
//
// ACCOUNTS is a file of lines "ACCOUNT-ID TOKEN-DIGEST"; all their wallets stand at SEQUENCE.
// get:  CLIENTS reads are under way at any time, pipelined on one connection and flushed once per turn of the
// loop. post: CONNECTIONS transactions are under way, each alone on its connection from WATCH to EXEC, in two
// trips. Prints the number of operations per second.
#include <event2/event.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace {

struct Account {
  std::string wallet_key;
  std::string tokens_key;
  std::string channel;
  std::string digest;
  std::uint64_t sequence;
};

struct Bench {
  std::vector<Account> accounts;
  std::string wallet;
  std::string hmac = std::string(64, 'h');
  std::size_t turn = 0;
  std::uint64_t done = 0;

  Account& next() { return accounts[turn++ % accounts.size()]; }
};

[[noreturn]] void fail(const std::string& reason) {
  std::cerr << "redis_loop: " << reason << '\n';
  std::exit(1);
}

void send(redisAsyncContext* context, redisCallbackFn* callback, void* data,
          const std::vector<std::string>& words) {
  std::vector<const char*> pointers;
  std::vector<std::size_t> sizes;
  for (const std::string& word : words) {
    pointers.push_back(word.data());
    sizes.push_back(word.size());
  }
  if (redisAsyncCommandArgv(context, callback, data, static_cast<int>(words.size()), pointers.data(),
                            sizes.data()) != REDIS_OK) {
    fail("cannot send");
  }
}

redisAsyncContext* connect(event_base* base, const char* socket) {
  redisAsyncContext* context = redisAsyncConnectUnix(socket);
  if (context == nullptr || context->err != 0 || redisLibeventAttach(context, base) != REDIS_OK) {
    fail("cannot connect");
  }
  return context;
}

const redisReply& checked(void* data, int type) {
  if (data == nullptr || static_cast<redisReply*>(data)->type != type) {
    fail("unexpected reply");
  }
  return *static_cast<redisReply*>(data);
}

// ---- GET

void read_one(redisAsyncContext* context, Bench& bench);

void on_token(redisAsyncContext* context, void* reply, void* bench_pointer) {
  Bench& bench = *static_cast<Bench*>(bench_pointer);
  checked(reply, REDIS_REPLY_STRING);
  ++bench.done;
  read_one(context, bench);
}

void on_wallet(redisAsyncContext*, void* reply, void*) { checked(reply, REDIS_REPLY_ARRAY); }

void read_one(redisAsyncContext* context, Bench& bench) {
  const Account& account = bench.next();
  send(context, on_wallet, &bench, {"HMGET", account.wallet_key, "sequence", "hmac", "wallet"});
  send(context, on_token, &bench, {"HGET", account.tokens_key, account.digest});
}

// ---- POST

class Writer {
 public:
  Writer(Bench& bench, redisAsyncContext* context) : bench_(bench), context_(context) { look(); }

 private:
  void look() {
    account_ = &bench_.next();
    send(context_, on_ok, this, {"WATCH", account_->wallet_key, account_->tokens_key});
    send(context_, on_digest, this, {"HGET", account_->tokens_key, account_->digest});
    send(context_, on_sequence, this, {"HMGET", account_->wallet_key, "sequence", "write"});
  }

  void write(const redisReply& seen) {
    if (seen.elements != 2 || seen.element[0]->type != REDIS_REPLY_STRING ||
        std::strtoull(seen.element[0]->str, nullptr, 10) != account_->sequence) {
      fail("a wallet is not where it should be");
    }
    const std::string sequence = std::to_string(++account_->sequence);
    send(context_, on_ok, this, {"MULTI"});
    send(context_, on_ok, this,
         {"HSET", account_->wallet_key, "sequence", sequence, "hmac", bench_.hmac, "wallet", bench_.wallet,
          "write", "00000000000000000000000000000000." + std::to_string(++writes_), "updated", "1700000000"});
    send(context_, on_ok, this, {"PUBLISH", account_->channel, sequence});
    send(context_, on_exec, this, {"EXEC"});
  }

  static void on_ok(redisAsyncContext*, void* reply, void*) { checked(reply, REDIS_REPLY_STATUS); }
  static void on_digest(redisAsyncContext*, void* reply, void*) { checked(reply, REDIS_REPLY_STRING); }
  static void on_sequence(redisAsyncContext*, void* reply, void* self) {
    static_cast<Writer*>(self)->write(checked(reply, REDIS_REPLY_ARRAY));
  }
  static void on_exec(redisAsyncContext*, void* reply, void* self) {
    checked(reply, REDIS_REPLY_ARRAY);
    ++static_cast<Writer*>(self)->bench_.done;
    static_cast<Writer*>(self)->look();
  }

  Bench& bench_;
  redisAsyncContext* context_;
  Account* account_ = nullptr;
  std::uint64_t writes_ = 0;
};

std::vector<Account> read_accounts(const char* path, std::uint64_t sequence) {
  std::vector<Account> accounts;
  std::ifstream file(path);
  for (std::string id, digest; file >> id >> digest;) {
    const std::string key = "wsync:{" + id + "}";
    accounts.push_back({key + ":wallet", key + ":tokens", key + ":events", digest, sequence});
  }
  if (accounts.empty()) {
    fail("no accounts");
  }
  return accounts;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9) {
    fail("usage: redis_loop get|post SOCKET ACCOUNTS SIZE SEQUENCE CLIENTS CONNECTIONS SECONDS");
  }
  Bench bench;
  bench.accounts = read_accounts(argv[3], std::strtoull(argv[5], nullptr, 10));
  bench.wallet.assign(std::strtoul(argv[4], nullptr, 10), 'w');
  event_base* base = event_base_new();

  std::vector<std::unique_ptr<Writer>> writers;
  if (std::string(argv[1]) == "get") {
    redisAsyncContext* context = connect(base, argv[2]);
    for (long i = std::atol(argv[6]); i > 0; --i) {
      read_one(context, bench);
    }
  } else {
    for (long i = std::atol(argv[7]); i > 0; --i) {
      writers.push_back(std::make_unique<Writer>(bench, connect(base, argv[2])));
    }
  }

  const double seconds = std::atof(argv[8]);
  timeval limit{};
  limit.tv_sec = static_cast<time_t>(seconds);
  limit.tv_usec = static_cast<suseconds_t>((seconds - static_cast<double>(limit.tv_sec)) * 1e6);
  event_base_loopexit(base, &limit);
  const auto start = std::chrono::steady_clock::now();
  event_base_dispatch(base);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  std::cout << static_cast<double>(bench.done) / elapsed.count() << '\n';
  std::_Exit(std::cout.flush() ? 0 : 1);  // replies are still under way: nobody takes them
}
