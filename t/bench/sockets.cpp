// Many connections, in one process and thread, and what happens on them.
//
//   sockets KIND PORT TOKENS COUNT FIRST
//
// opens COUNT connections, a line of the file each and again from its start, and then obeys its standard
// input. KIND is
//   websocket   a handshake, and then it is a socket of the account
//   keepalive   a GET of the wallet, and then nothing
// or the same with -tls. FIRST, the number of connections that other processes open, chooses the source
// addresses.
//     pinged      waits until every socket has been pinged
//     drained     waits until the server has closed all of them
//     write ACCOUNTS SEQUENCE RATE SECONDS REDIS
//                 posts RATE wallets a second, of the first ACCOUNTS accounts in turn, which stand at
//                 SEQUENCE; a hundred times a second it publishes to itself at the Redis with that unix
//                 socket
//     publish …   the same, but tells Redis at once what a write of the account would tell it
//     close       closes all of them
// Each command is answered by one line or more: "name number…". All times are of one clock.
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

#include "tls.hpp"
#include "updates.hpp"

namespace {

constexpr int kOpening = 128;      // handshakes under way at a time
constexpr int kPerAddress = 5000;  // connections of one source address

struct Totals {
  std::size_t opened = 0, ended = 0, pinged = 0, closed_1001 = 0, strange = 0;
  std::vector<double> close_times;
};

class Bench {
 public:
  Bench(std::string_view kind, int port, const char* tokens, std::size_t count, std::size_t first)
      : websocket_(kind.starts_with("websocket")),
        tls_(kind.ends_with("-tls")),
        port_(port),
        updates_(poller_, port, accounts_) {
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
      open(i, static_cast<int>(first + i) / kPerAddress);
    }
    poller_.until([&] { return totals_.opened == count; }, "handshakes");
  }

  void obey(const std::string& command) {
    if (command == "pinged") {
      poller_.until([&] { return totals_.pinged == sockets_.size(); }, "pings", 4 * kPatience);
      std::cout << "pinged " << totals_.pinged << std::endl;
    } else if (command == "drained") {
      drained();
    } else if (command == "close") {
      for (const auto& socket : sockets_) {
        websocket_ ? socket->stream->send(frame('\x88', "\x03\xe8")) : socket->stream->end();
      }
      poller_.until([&] { return !websocket_ || totals_.ended == sockets_.size(); },
                    "the ends of the connections");
      std::cout << "closed " << totals_.strange << std::endl;
    } else if (command == "write" || command == "publish") {
      Updates::Load load;
      std::cin >> load.accounts >> load.sequence >> load.rate >> load.seconds >> load.redis;
      updates_.run(load, command == "write");
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

  // A client's frame of less than 126 bytes; the mask is zero.
  static std::string frame(char first_byte, std::string_view payload) {
    std::string text{first_byte, static_cast<char>(0x80U | payload.size())};
    return text.append(4, '\0').append(payload);
  }

  void open(std::size_t index, int address) {
    auto& socket = *sockets_.emplace_back(std::make_unique<Socket>());
    socket.account = lines_[index % lines_.size()];
    ++socket.account->sockets;
    const int fd = connect_tcp(port_, address);
    auto on_data = [this, &socket](Stream&) { websocket_ ? on_frames(socket) : on_answer(socket); };
    if (tls_) {
      socket.stream = std::make_unique<TlsStream>(poller_, fd, on_data);
    } else {
      socket.stream = std::make_unique<Stream>(poller_, fd, on_data);
    }
    socket.stream->send(websocket_ ? handshake(socket.account->token) : get_wallet(socket.account->token));
  }

  static std::string handshake(const std::string& token) {
    return "GET /api/3/websocket?token=" + token +
           " HTTP/1.1\r\nHost: bench.example.com\r\nUser-Agent: wallet/1.0 (bench)\r\nAccept: */*\r\n"
           "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://bench.example.com\r\n\r\n";
  }

  void on_answer(Socket& socket) {
    std::string& data = socket.stream->data;
    if (socket.stream->ended() || (data.size() > 12 && !data.starts_with("HTTP/1.1 200 "))) {
      fail("a request failed: " + data);
    }
    if (data.ends_with("}") && !std::exchange(socket.open, true)) {
      ++totals_.opened;
      std::string().swap(data);
    }
  }

  void on_frames(Socket& socket) {
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
      updates_.told(*socket.account, std::strtoull(number.c_str(), nullptr, 10));
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

  bool websocket_, tls_;
  int port_;
  Poller poller_;
  std::deque<Account> accounts_;
  std::vector<Account*> lines_;
  std::vector<std::unique_ptr<Socket>> sockets_;
  Totals totals_;
  Updates updates_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) {
    fail("usage: sockets KIND PORT TOKENS COUNT FIRST");
  }
  const double begun = now();
  Bench bench(argv[1], std::atoi(argv[2]), argv[3], std::strtoul(argv[4], nullptr, 10),
              std::strtoul(argv[5], nullptr, 10));
  std::cout << "opened " << now() - begun << std::endl;
  for (std::string command; std::cin >> command;) {
    bench.obey(command);
  }
}
