// Many websockets, in one process and thread, and what happens on them.
//
//   sockets PORT TOKENS COUNT            opens COUNT sockets, a line of the file each and again from its
//   start,
//                                        then obeys its standard input:
//     pinged      waits until every socket has been pinged
//     drained     waits until the server has closed all of them
//     write ACCOUNTS SEQUENCE RATE SECONDS REDIS
//                 posts RATE wallets a second, of the first ACCOUNTS accounts in turn, which stand at
//                 SEQUENCE; a tenth as often, it publishes to itself at the Redis with that unix socket
//     close       closes all of them
// Each command is answered by one line: "name number…". All times are of one clock.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "stream.hpp"

namespace {

constexpr int kOpening = 128;      // handshakes under way at a time
constexpr int kPerAddress = 5000;  // sockets of one source address
constexpr int kWriters = 64;       // connections that post

// One write, from its sending to the last socket's being told.
struct Write {
  double sent = 0, acknowledged = 0, told = 0;
  std::size_t untold = 0;  // sockets
};

struct Account {
  std::string token;
  std::size_t sockets = 0;
  std::uint64_t sequence = 0;
  Write write;
  bool busy = false;
};

struct Totals {
  std::size_t opened = 0, ended = 0, pinged = 0, closed_1001 = 0, strange = 0;
  std::vector<double> close_times;
};

class Bench {
 public:
  Bench(int port, const char* tokens, std::size_t count) : port_(port) {
    std::ifstream file(tokens);
    std::unordered_map<std::string, Account*> known;
    for (std::string token; lines_.size() < count && file >> token; lines_.push_back(known[token])) {
      if (known[token] == nullptr) {
        accounts_.emplace_back().token = token;
        known[token] = &accounts_.back();
      }
    }
    if (lines_.empty()) {
      fail("no tokens");
    }
    for (std::size_t i = 0; i < count; ++i) {
      poller_.until([&] { return i - totals_.opened < kOpening; }, "handshakes");
      open(i);
    }
    poller_.until([&] { return totals_.opened == count; }, "handshakes");
  }

  void obey(const std::string& command) {
    if (command == "pinged") {
      poller_.until([&] { return totals_.pinged == sockets_.size(); }, "pings");
      std::cout << "pinged " << totals_.pinged << std::endl;
    } else if (command == "drained") {
      drained();
    } else if (command == "close") {
      for (const auto& socket : sockets_) {
        socket->stream->send(frame('\x88', "\x03\xe8"));
      }
      poller_.until([&] { return totals_.ended == sockets_.size(); }, "the ends of the connections");
      std::cout << "closed " << totals_.strange << std::endl;
    } else if (command == "write") {
      std::size_t accounts;
      std::uint64_t sequence;
      double rate, seconds;
      std::string redis;
      std::cin >> accounts >> sequence >> rate >> seconds >> redis;
      write(std::min(accounts, accounts_.size()), sequence, rate, seconds, redis);
    } else {
      fail("unknown command");
    }
  }

 private:
  struct Socket {
    Account* account;
    bool open = false, pinged = false;
    std::unique_ptr<Stream> stream;
  };
  struct Writer {
    Account* account = nullptr;
    std::unique_ptr<Stream> stream;
  };

  // A client's frame of less than 126 bytes; the mask is zero.
  static std::string frame(char first_byte, std::string_view payload) {
    std::string text{first_byte, static_cast<char>(0x80U | payload.size())};
    return text.append(4, '\0').append(payload);
  }

  void open(std::size_t index) {
    auto& socket = *sockets_.emplace_back(std::make_unique<Socket>());
    socket.account = lines_[index % lines_.size()];
    ++socket.account->sockets;
    socket.stream =
        std::make_unique<Stream>(poller_, connect_tcp(port_, static_cast<int>(index) / kPerAddress),
                                 [this, &socket](Stream&) { on_data(socket); });
    socket.stream->send(
        "GET /api/3/websocket?token=" + socket.account->token +
        " HTTP/1.1\r\nHost: bench.example.com\r\nUser-Agent: wallet/1.0 (bench)\r\nAccept: */*\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://bench.example.com\r\n\r\n");
  }

  void on_data(Socket& socket) {
    std::string& data = socket.stream->data;
    if (!socket.open) {
      const std::size_t end = data.find("\r\n\r\n");
      if (socket.stream->ended() || (end != data.npos && !data.starts_with("HTTP/1.1 101 "))) {
        fail("a handshake failed: " + data);
      }
      if (end == data.npos) {
        return;
      }
      data.erase(0, end + 4);
      socket.open = true;
      ++totals_.opened;
    }
    while (data.size() >= 2 && data.size() >= 2 + static_cast<std::size_t>(data[1])) {
      const std::size_t size = 2 + static_cast<std::size_t>(data[1]);
      on_frame(socket, static_cast<unsigned char>(data[0]), std::string_view(data).substr(2, size - 2));
      data.erase(0, size);
    }
    if (data.empty()) {
      std::string().swap(data);
    }
    if (socket.stream->ended()) {
      socket.stream->end();
      ++totals_.ended;
    }
  }

  void on_frame(Socket& socket, unsigned char first_byte, std::string_view payload) {
    constexpr std::string_view kUpdate = "wallet-update:";
    if (first_byte == 0x81 && payload.starts_with(kUpdate)) {
      const std::string number(payload.substr(kUpdate.size()));
      on_told(*socket.account, std::strtoull(number.c_str(), nullptr, 10));
    } else if (first_byte == 0x89) {
      totals_.pinged += socket.pinged ? 0 : 1;
      socket.pinged = true;
      socket.stream->send(frame('\x8A', payload));
    } else if (first_byte == 0x88 && payload.size() >= 2) {
      totals_.close_times.push_back(now());
      totals_.closed_1001 += payload.substr(0, 2) == "\x03\xe9" ? 1 : 0;
      socket.stream->send(frame('\x88', payload.substr(0, 2)));
    } else {
      ++totals_.strange;
    }
  }

  // "drained 1001s FIRST LAST MOST": seconds from the command to the closes; most within a tenth of a second.
  void drained() {
    const double begun = now();
    poller_.until([&] { return totals_.ended == sockets_.size(); }, "the server's closes");
    auto& times = totals_.close_times;
    std::size_t most = 0;
    for (std::size_t from = 0, to = 0; to < times.size(); ++to) {
      for (; times[to] - times[from] > 0.1; ++from) {
      }
      most = std::max(most, to - from + 1);
    }
    std::cout << "drained " << totals_.closed_1001 << ' ' << (times.empty() ? 0 : times.front() - begun)
              << ' ' << (times.empty() ? 0 : times.back() - begun) << ' ' << most << std::endl;
  }

  // ---- writes

  void on_told(Account& account, std::uint64_t sequence) {
    if (!account.busy || sequence != account.sequence || account.write.untold == 0) {
      ++totals_.strange;
      return;
    }
    if (--account.write.untold == 0) {
      account.write.told = now();
      complete(account);
    }
  }

  void complete(Account& account) {
    if (account.write.untold == 0 && account.write.acknowledged > 0) {
      writes_.push_back(account.write);
      account.busy = false;
    }
  }

  void on_answer(Writer& writer) {
    std::string& data = writer.stream->data;
    const std::size_t end = data.find("\r\n\r\n");
    if (writer.stream->ended() || (end != data.npos && !data.starts_with("HTTP/1.1 200 "))) {
      fail("a write failed: " + data);
    }
    const std::size_t length = data.find("Content-Length: ");
    if (end == data.npos || data.size() < end + 4 + std::strtoul(data.c_str() + length + 16, nullptr, 10)) {
      return;
    }
    data.clear();
    Account& account = *std::exchange(writer.account, nullptr);
    account.write.acknowledged = now();
    free_writers_.push_back(&writer);
    complete(account);
  }

  void post(Account& account) {
    Writer& writer = *free_writers_.front();
    free_writers_.pop_front();
    const std::string body = "{\"token\":\"" + account.token + "\",\"encryptedWallet\":\"" +
                             std::string(1024, 'w') +
                             "\",\"sequence\":" + std::to_string(++account.sequence) + ",\"hmac\":\"" +
                             std::string(64, 'h') + "\"}";
    writer.account = &account;
    account.busy = true;
    account.write = {now(), 0, 0, account.sockets};
    writer.stream->send(
        "POST /api/3/wallet HTTP/1.1\r\nHost: bench.example.com\r\nContent-Type: application/json\r\n"
        "Content-Length: " +
        std::to_string(body.size()) + "\r\n\r\n" + body);
  }

  // "wrote WRITES LATE SECONDS STRANGE", then lines "name p50 p99 max" in milliseconds, then "end".
  void write(std::size_t accounts, std::uint64_t sequence, double rate, double seconds,
             const std::string& redis) {
    for (std::size_t i = 0; i < accounts; ++i) {
      accounts_[i].sequence = sequence;
    }
    for (int i = 0; i < kWriters; ++i) {
      Writer* writer = writers_.emplace_back(std::make_unique<Writer>()).get();
      writer->stream = std::make_unique<Stream>(poller_, connect_tcp(port_, 200),
                                                [this, writer](Stream&) { on_answer(*writer); });
      free_writers_.push_back(writer);
    }
    subscriber_ =
        std::make_unique<Stream>(poller_, connect_unix(redis), [this](Stream& s) { on_bare(s, true); });
    publisher_ =
        std::make_unique<Stream>(poller_, connect_unix(redis), [this](Stream& s) { on_bare(s, false); });
    subscriber_->send("SUBSCRIBE bench\r\n");
    poller_.until([&] { return subscriber_->data.ends_with(":1\r\n"); }, "SUBSCRIBE");
    subscriber_->data.clear();

    std::size_t started = 0, late = 0, turn = 0;
    const double begun = now();
    while (now() - begun < seconds) {
      const auto due = static_cast<std::size_t>((now() - begun) * rate);
      for (; started < due && !free_writers_.empty(); ++started) {
        if (started % 10 == 0 && !bare_under_way_) {
          publish();
        }
        const std::size_t all = turn + accounts;
        for (; accounts_[turn % accounts].busy && turn < all; ++turn) {
        }
        if (turn == all) {
          break;  // every account has a write under way
        }
        late += begun + (static_cast<double>(started) + 1) / rate < now() - 0.01 ? 1 : 0;
        post(accounts_[turn++ % accounts]);
      }
      poller_.turn(1);
    }
    poller_.until([&] { return writes_.size() == started; }, "a notification");
    std::cout << "wrote " << writes_.size() << ' ' << late << ' ' << seconds << ' ' << totals_.strange
              << '\n';
    print("POST sent → acknowledged", writes_, [](const Write& w) { return w.acknowledged - w.sent; });
    print("POST sent → all sockets told", writes_, [](const Write& w) { return w.told - w.sent; });
    print("POST acknowledged → all sockets told", writes_,
          [](const Write& w) { return w.told - w.acknowledged; });
    print("bare PUBLISH sent → acknowledged", bare_, [](const Write& w) { return w.acknowledged - w.sent; });
    print("bare PUBLISH sent → message received", bare_, [](const Write& w) { return w.told - w.sent; });
    std::cout << "end" << std::endl;
  }

  void publish() {
    bare_under_way_ = true;
    bare_.push_back({now(), 0, 0, 0});
    publisher_->send("PUBLISH bench 1234567\r\n");
  }

  // Each answer is short enough to come in one piece.
  void on_bare(Stream& stream, bool message) {
    if (stream.ended() || (message && stream.data[0] == '-')) {
      fail("Redis has left");
    }
    if (bare_.empty()) {
      return;  // the confirmation of SUBSCRIBE
    }
    stream.data.clear();
    (message ? bare_.back().told : bare_.back().acknowledged) = now();
    bare_under_way_ = bare_.back().told == 0 || bare_.back().acknowledged == 0;
  }

  template <typename Span>
  static void print(const char* name, const std::vector<Write>& writes, Span span) {
    std::vector<double> spans;
    for (const Write& write : writes) {
      if (write.acknowledged > 0 && write.told > 0) {
        spans.push_back(1000 * span(write));
      }
    }
    std::sort(spans.begin(), spans.end());
    std::cout << name;
    for (const double part : {0.5, 0.99, 1.0}) {
      const auto at = static_cast<std::size_t>(part * static_cast<double>(spans.size()));
      std::cout << '\t' << (spans.empty() ? 0 : spans[std::min(at, spans.size() - 1)]);
    }
    std::cout << '\n';
  }

  int port_;
  Poller poller_;
  std::deque<Account> accounts_;
  std::vector<Account*> lines_;
  std::vector<std::unique_ptr<Socket>> sockets_;
  Totals totals_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::deque<Writer*> free_writers_;
  std::vector<Write> writes_;
  std::unique_ptr<Stream> subscriber_, publisher_;
  std::vector<Write> bare_;
  bool bare_under_way_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fail("usage: sockets PORT TOKENS COUNT");
  }
  const double begun = now();
  Bench bench(std::atoi(argv[1]), argv[2], std::strtoul(argv[3], nullptr, 10));
  std::cout << "opened " << now() - begun << std::endl;
  for (std::string command; std::cin >> command;) {
    bench.obey(command);
  }
}
