// Many connections on which hardly anything happens, and which nevertheless have to be served in the end.
//
//   slow read|write PORT TOKENS COUNT SIZE SEQUENCE PACE FIRST
//
// A reader asks for its wallet of SIZE bytes, has a receive buffer as small as the kernel allows, and takes a
// byte every PACE seconds; a writer has a wallet of SIZE bytes to write, and sends a byte of it every PACE
// seconds. Each has an account of its own, from line FIRST of TOKENS on, which stands at SEQUENCE. When all
// are at it, "opened" is printed; a line on the standard input ends their slowness: they take, or send, the
// rest, a few at a time, and printed is
//   finished DONE WRONG BROKEN
// where DONE were answered 200, with the whole wallet if they have asked for it.
#include <deque>
#include <fstream>

#include "http.hpp"

namespace {

constexpr int kPerAddress = 5000;      // connections of one source address
constexpr int kSmallest = 2304;        // bytes of a receive buffer; Linux gives no less
constexpr std::size_t kHurrying = 64;  // at a time

struct Counts {
  std::size_t done = 0, wrong = 0, broken = 0;
};

class Client {
 public:
  Client(Counts& counts, int fd, std::string request, std::size_t expected, bool reads)
      : counts_(counts), fd_(fd), unsent_(std::move(request)), expected_(expected), reads_(reads) {
    send(reads_ ? unsent_.size() : unsent_.find("\r\n\r\n") + 4);
  }

  void step() { reads_ ? receive(1) : send(1); }

  // Whether it is done, for better or worse.
  bool hurry() {
    if (fd_ >= 0) {
      send(unsent_.size());
      receive(1 << 16);
      judge();
    }
    return fd_ < 0;
  }

 private:
  void send(std::size_t most) {
    const ssize_t n = ::send(fd_, unsent_.data(), std::min(most, unsent_.size()), MSG_NOSIGNAL);
    if (n > 0) {
      unsent_.erase(0, static_cast<std::size_t>(n));
    } else if (n < 0 && errno != EAGAIN) {
      ended_ = true;
    }
  }

  void receive(std::size_t most) {
    std::array<char, 1 << 16> buffer;
    ssize_t n = 0;
    do {
      n = recv(fd_, buffer.data(), most, 0);
      data_.append(buffer.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    } while (most > 1 && n > 0);
    ended_ = ended_ || n == 0 || (n < 0 && errno != EAGAIN);
  }

  void judge() {
    const std::size_t end = data_.find("\r\n\r\n");
    const bool whole = end != data_.npos && data_.size() >= end + 4 + expected_;
    if (whole || ended_) {
      const bool good = data_.starts_with("HTTP/1.1 200 ");
      ++(!whole && data_.empty() ? counts_.broken : whole && good ? counts_.done : counts_.wrong);
      close(std::exchange(fd_, -1));
    }
  }

  Counts& counts_;
  int fd_;
  std::string unsent_, data_;
  std::size_t expected_;  // bytes of a body, at least
  bool reads_, ended_ = false;
};

bool said() {
  fd_set set;
  FD_ZERO(&set);
  FD_SET(0, &set);
  timeval no_time{};
  return select(1, &set, nullptr, nullptr, &no_time) > 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9) {
    fail("usage: slow read|write PORT TOKENS COUNT SIZE SEQUENCE PACE FIRST");
  }
  const bool reads = std::string_view(argv[1]) == "read";
  const int port = std::atoi(argv[2]), count = std::atoi(argv[4]), first = std::atoi(argv[8]);
  const std::string wallet(std::strtoul(argv[5], nullptr, 10), 'w');
  const std::uint64_t sequence = std::strtoull(argv[6], nullptr, 10);
  const double pace = std::atof(argv[7]);

  std::ifstream file(argv[3]);
  std::string token;
  for (int i = 0; i < first; ++i) {
    std::getline(file, token);
  }
  Counts counts;
  std::deque<Client> clients;
  for (int i = 0; i < count && std::getline(file, token); ++i) {
    const int fd = connect_tcp(port, i / kPerAddress, {.receive_buffer = reads ? kSmallest : 0});
    clients.emplace_back(counts, fd, reads ? get_wallet(token) : post_wallet(token, sequence + 1, wallet),
                         reads ? wallet.size() : 2, reads);
  }
  std::cout << "opened " << clients.size() << std::endl;

  // Everybody's turn comes once in PACE seconds, one after the other.
  const double begun = now();
  for (std::size_t turns = 0; !said(); usleep(10000)) {
    const double due = (now() - begun) / pace * static_cast<double>(clients.size());
    for (; turns < static_cast<std::size_t>(due); ++turns) {
      clients[turns % clients.size()].step();
    }
  }
  std::size_t waiting = clients.size();
  for (const double end = now() + 4 * kPatience; waiting > 0 && now() < end; usleep(1000)) {
    waiting = 0;
    for (Client& client : clients) {
      if (waiting == kHurrying) {
        break;
      }
      waiting += client.hurry() ? 0 : 1;
    }
  }
  std::cout << "finished " << counts.done << ' ' << counts.wrong << ' ' << counts.broken + waiting
            << std::endl;
}
