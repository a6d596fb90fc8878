// Updates of accounts, by POST or by PUBLISH, and how soon all sockets are told of each.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

#include "http.hpp"

// One update, from its sending to the last socket's being told.
struct Update {
  double sent = 0, acknowledged = 0, told = 0;
  std::size_t untold = 0;  // sockets
};

struct Account {
  std::string token;
  std::size_t sockets = 0;
  std::uint64_t sequence = 0;
  Update update;
  bool busy = false;
};

class Updates {
 public:
  struct Load {
    std::size_t accounts;  // the first ones, in turn
    std::uint64_t sequence;
    double rate, seconds;
    std::string redis;  // its socket
  };

  Updates(Poller& poller, int port, std::deque<Account>& accounts)
      : poller_(poller), port_(port), accounts_(accounts) {}

  // Prints "done UPDATES LATE SECONDS UNEXPECTED", then lines "name p50 p99 max" in milliseconds, then "end".
  void run(const Load& load, bool by_post) {
    const std::size_t accounts = std::min(load.accounts, accounts_.size());
    for (std::size_t i = 0; i < accounts; ++i) {
      accounts_[i].sequence = load.sequence;
    }
    connect(load.redis, by_post ? kWriters : 0);
    std::size_t started = 0, late = 0, turn = 0;
    const double begun = now();
    while (now() - begun < load.seconds) {
      const auto due = static_cast<std::size_t>((now() - begun) * load.rate);
      for (; started < due && (!by_post || !free_.empty()); ++started) {
        if (!bare_under_way_ && now() - bare_begun_ > kBareInterval) {
          publish_bare();
        }
        const std::size_t all = turn + accounts;
        for (; accounts_[turn % accounts].busy && turn < all; ++turn) {
        }
        if (turn == all) {
          break;  // every account has an update under way
        }
        late += begun + (static_cast<double>(started) + 1) / load.rate < now() - 0.01 ? 1 : 0;
        Account& account = accounts_[turn++ % accounts];
        begin(account);
        by_post ? post(account) : publish(account);
      }
      poller_.turn(1);
    }
    poller_.until([&] { return updates_.size() == started; }, "a notification");
    std::cout << "done " << updates_.size() << ' ' << late << ' ' << load.seconds << ' ' << unexpected_
              << '\n';
    report(by_post ? "POST" : "PUBLISH to nginx", by_post);
    std::cout << "end" << std::endl;
  }

  // What a socket was told.
  void told(Account& account, std::uint64_t sequence) {
    if (!account.busy || sequence != account.sequence || account.update.untold == 0) {
      ++unexpected_;
      return;
    }
    const double time = now();
    delays_.push_back(time - account.update.sent);
    if (--account.update.untold == 0) {
      account.update.told = time;
      complete(account);
    }
  }

 private:
  static constexpr int kWriters = 64;            // connections that post
  static constexpr double kBareInterval = 0.01;  // seconds between two bare PUBLISHes

  struct Writer {
    Account* account = nullptr;
    std::unique_ptr<Http> http;
  };

  void connect(const std::string& redis, int writers) {
    for (int i = 0; i < writers; ++i) {
      Writer* writer = writers_.emplace_back(std::make_unique<Writer>()).get();
      writer->http = std::make_unique<Http>(poller_, port_, 200,
                                            [this, writer](const Answer& a) { on_answer(*writer, a); });
      free_.push_back(writer);
    }
    const int fds[] = {connect_unix(redis), connect_unix(redis), connect_unix(redis)};
    subscriber_ = std::make_unique<Stream>(poller_, fds[0], [this](Stream& s) { on_bare(s, true); });
    publisher_ = std::make_unique<Stream>(poller_, fds[1], [this](Stream& s) { on_bare(s, false); });
    announcer_ = std::make_unique<Stream>(poller_, fds[2], [this](Stream& s) { on_announced(s); });
    subscriber_->send("SUBSCRIBE bench\r\n");
    poller_.until([&] { return subscriber_->data.ends_with(":1\r\n"); }, "SUBSCRIBE");
    subscriber_->data.clear();
  }

  void begin(Account& account) {
    ++account.sequence;
    account.busy = true;
    account.update = {now(), 0, 0, account.sockets};
  }

  void acknowledge(Account& account) {
    account.update.acknowledged = now();
    complete(account);
  }

  void complete(Account& account) {
    if (account.update.untold == 0 && account.update.acknowledged > 0) {
      updates_.push_back(account.update);
      account.busy = false;
    }
  }

  void post(Account& account) {
    Writer& writer = *free_.front();
    free_.pop_front();
    writer.account = &account;
    writer.http->ask(post_wallet(account.token, account.sequence, wallet_));
  }

  void on_answer(Writer& writer, const Answer& answer) {
    if (answer.status != 200) {
      fail("a write failed: " + std::to_string(answer.status));
    }
    free_.push_back(&writer);
    acknowledge(*std::exchange(writer.account, nullptr));
  }

  // What the store does when it has written a wallet, without the wallet.
  void publish(Account& account) {
    announced_.push_back(&account);
    announcer_->send("PUBLISH wsync:{" + account.token.substr(0, 24) + "}:events " +
                     std::to_string(account.sequence) + "\r\n");
  }

  void on_announced(Stream& stream) {
    std::size_t end = 0;
    for (std::size_t at; (at = stream.data.find("\r\n", end)) != stream.data.npos; end = at + 2) {
      if (stream.data[end] != ':' || announced_.empty()) {
        fail("Redis refuses PUBLISH");
      }
      Account* account = announced_.front();
      announced_.pop_front();
      acknowledge(*account);
    }
    stream.data.erase(0, end);
    if (stream.ended()) {
      fail("Redis has left");
    }
  }

  void publish_bare() {
    bare_under_way_ = true;
    bare_begun_ = now();
    bare_.push_back({bare_begun_, 0, 0, 0});
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

  void report(const std::string& what, bool by_post) {
    const auto told = [](const Update& u) { return u.told - u.sent; };
    const auto acknowledged = [](const Update& u) { return u.acknowledged - u.sent; };
    print(what + " sent → acknowledged", spans(updates_, acknowledged));
    print(what + " sent → a socket told", std::move(delays_));
    print(what + " sent → all sockets told", spans(updates_, told));
    if (by_post) {
      print("POST acknowledged → all sockets told",
            spans(updates_, [](const Update& u) { return u.told - u.acknowledged; }));
    }
    print("bare PUBLISH sent → acknowledged", spans(bare_, acknowledged));
    print("bare PUBLISH sent → message received", spans(bare_, told));
  }

  template <typename Span>
  static std::vector<double> spans(const std::vector<Update>& updates, Span span) {
    std::vector<double> found;
    for (const Update& update : updates) {
      if (update.acknowledged > 0 && update.told > 0) {
        found.push_back(span(update));
      }
    }
    return found;
  }

  static void print(const std::string& name, std::vector<double> spans) {
    std::sort(spans.begin(), spans.end());
    std::cout << name;
    for (const double part : {0.5, 0.99, 1.0}) {
      const auto at = static_cast<std::size_t>(part * static_cast<double>(spans.size()));
      std::cout << '\t' << (spans.empty() ? 0 : 1000 * spans[std::min(at, spans.size() - 1)]);
    }
    std::cout << '\n';
  }

  Poller& poller_;
  int port_;
  std::deque<Account>& accounts_;
  std::vector<std::unique_ptr<Writer>> writers_;
  std::deque<Writer*> free_;
  std::deque<Account*> announced_;
  std::vector<Update> updates_, bare_;
  std::vector<double> delays_;
  std::size_t unexpected_ = 0;
  std::unique_ptr<Stream> subscriber_, publisher_, announcer_;
  bool bare_under_way_ = false;
  double bare_begun_ = 0;
  const std::string wallet_ = std::string(1024, 'w');
};
