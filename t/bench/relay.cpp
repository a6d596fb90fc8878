// Stands between nginx and Redis and makes the way longer or narrower.
//
//   relay REDIS-SOCKET DELAY BYTES
//
// Listens on a port of 127.0.0.1 of its own choice and prints "port NUMBER". Whatever comes is passed on
// DELAY milliseconds later, in either direction; all connections together get BYTES a second through in each
// direction, 0: any number. To each line on its standard input it answers "opened O closed C lost L open P":
// connections that nginx opened, that nginx closed, that Redis closed, and that are there. It ends with its
// standard input.
#include <deque>
#include <list>
#include <memory>

#include "stream.hpp"

namespace {

struct Pair : std::enable_shared_from_this<Pair> {
  std::unique_ptr<Stream> nginx, redis;
  bool over = false;
};

// What is on its way. An empty text says that the sender has closed.
struct Parcel {
  double due;
  std::shared_ptr<Pair> pair;  // which may be over
  bool to_redis;
  std::string text;
};

class Relay {
 public:
  Relay(std::string redis, double delay, double bytes)
      : redis_(std::move(redis)), delay_(delay), bytes_(bytes), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 512) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
      fail("relay: cannot listen");
    }
    accepting_ = [this](std::uint32_t) { accept_one(); };
    poller_.add(listener_, &accepting_);
    answering_ = [this](std::uint32_t) { answer(); };
    poller_.add(STDIN_FILENO, &answering_);
    std::cout << "port " << ntohs(address.sin_port) << std::endl;
  }

  void run() {
    while (!done_) {
      poller_.turn(milliseconds());
      deliver();
      pairs_.remove_if([](const auto& pair) { return pair->over; });
    }
  }

 private:
  int milliseconds() const {
    double next = 1;
    for (const auto& way : ways_) {
      next = way.empty() ? next : std::min(next, way.front().due - now());
    }
    return std::max(0, static_cast<int>(next * 1000 + 0.999));
  }

  void accept_one() {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
    if (fd < 0) {
      return;
    }
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ++opened_;
    Pair* pair = pairs_.emplace_back(std::make_shared<Pair>()).get();
    pair->nginx = std::make_unique<Stream>(poller_, fd, [this, pair](Stream& s) { take(*pair, s, true); });
    pair->redis = std::make_unique<Stream>(poller_, connect_unix(redis_),
                                           [this, pair](Stream& s) { take(*pair, s, false); });
  }

  void take(Pair& pair, Stream& from, bool to_redis) {
    if (!from.data.empty()) {
      post(pair, to_redis, std::exchange(from.data, {}));
    }
    if (from.ended()) {
      from.end();
      post(pair, to_redis, {});
    }
  }

  void post(Pair& pair, bool to_redis, std::string text) {
    double& free = free_[to_redis];
    free = std::max(free, now()) + (bytes_ > 0 ? static_cast<double>(text.size()) / bytes_ : 0);
    ways_[to_redis].push_back({free + delay_, pair.shared_from_this(), to_redis, std::move(text)});
  }

  void deliver() {
    for (auto& way : ways_) {
      for (; !way.empty() && way.front().due <= now(); way.pop_front()) {
        Parcel& parcel = way.front();
        Pair& pair = *parcel.pair;
        if (!parcel.text.empty()) {
          (parcel.to_redis ? pair.redis : pair.nginx)->send(parcel.text);
        } else if (!pair.over) {
          ++(parcel.to_redis ? closed_ : lost_);
          pair.nginx->end();
          pair.redis->end();
          pair.over = true;
        }
      }
    }
  }

  void answer() {
    std::array<char, 256> buffer;
    const ssize_t n = read(STDIN_FILENO, buffer.data(), buffer.size());
    done_ = n <= 0;
    if (!done_) {
      std::cout << "opened " << opened_ << " closed " << closed_ << " lost " << lost_ << " open "
                << pairs_.size() << std::endl;
    }
  }

  std::string redis_;
  double delay_, bytes_;
  int listener_;
  Poller poller_;
  Poller::Handler accepting_, answering_;
  std::list<std::shared_ptr<Pair>> pairs_;
  std::array<std::deque<Parcel>, 2> ways_;
  std::array<double, 2> free_{};
  std::size_t opened_ = 0, closed_ = 0, lost_ = 0;
  bool done_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fail("usage: relay REDIS-SOCKET DELAY BYTES");
  }
  Relay(argv[1], std::atof(argv[2]) / 1000, std::atof(argv[3])).run();
}
