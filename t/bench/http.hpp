// One keep-alive connection to nginx, with one request under way at a time, and the requests.
#pragma once

#include <charconv>
#include <memory>

#include "stream.hpp"

struct Answer {
  int status = 0;  // 0: the connection broke
  double retry_after = 0;
  std::string_view body;

  // A number of the JSON body; 0 if it is not there.
  std::uint64_t number(std::string_view name) const {
    const std::string key = "\"" + std::string(name) + "\":";
    const std::size_t at = body.find(key);
    std::uint64_t value = 0;
    if (at != body.npos) {
      std::from_chars(body.data() + at + key.size(), body.data() + body.size(), value);
    }
    return value;
  }
};

class Http {
 public:
  using Taker = std::function<void(const Answer&)>;
  // `address` chooses the source address, for more connections than one has ports.
  Http(Poller& poller, int port, int address, Taker taker)
      : poller_(poller), port_(port), address_(address), taker_(std::move(taker)) {}

  // Connects if need be. The taker gets the answer, and may ask again.
  void ask(std::string_view request) {
    if (!stream_ || stream_->ended()) {
      stream_ = std::make_unique<Stream>(poller_, connect_tcp(port_, address_, {.wait = false}),
                                         [this](Stream& stream) { on_data(stream); });
    }
    waiting_ = true;
    stream_->send(request);
  }

 private:
  void on_data(Stream& stream) {
    const std::string& data = stream.data;
    const std::size_t end = data.find("\r\n\r\n");
    if (end != data.npos) {
      const std::string_view head = std::string_view(data).substr(0, end + 2);
      const std::size_t size = static_cast<std::size_t>(header(head, "\r\nContent-Length: "));
      if (data.size() >= end + 4 + size) {
        const std::string text = std::exchange(stream.data, {});
        Answer answer;
        std::from_chars(text.data() + 9, text.data() + 12, answer.status);
        answer.retry_after = header(std::string_view(text).substr(0, end + 2), "\r\nRetry-After: ");
        answer.body = std::string_view(text).substr(end + 4, size);
        give(answer, answer.status == 101 || text.find("\r\nConnection: close\r\n") < end);
        return;
      }
    }
    if (stream.ended()) {
      give(Answer(), true);
    }
  }

  void give(const Answer& answer, bool last) {
    if (last) {
      stream_.reset();
    }
    if (std::exchange(waiting_, false)) {
      taker_(answer);
    }
  }

  static double header(std::string_view head, std::string_view name) {
    const std::size_t at = head.find(name);
    int value = 0;
    if (at != head.npos) {
      std::from_chars(head.data() + at + name.size(), head.data() + head.size(), value);
    }
    return value;
  }

  Poller& poller_;
  int port_, address_;
  Taker taker_;
  std::unique_ptr<Stream> stream_;
  bool waiting_ = false;
};

inline std::string get_wallet(std::string_view token) {
  return "GET /api/3/wallet?token=" + std::string(token) + " HTTP/1.1\r\nHost: bench.example.com\r\n\r\n";
}

inline std::string post_json(std::string_view path, std::string_view body) {
  return "POST " + std::string(path) +
         " HTTP/1.1\r\nHost: bench.example.com\r\nContent-Type: application/json\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

inline std::string post_wallet(std::string_view token, std::uint64_t sequence, std::string_view wallet) {
  const std::string number = std::to_string(sequence);
  const std::string hmac(64, 'h');
  std::string body;
  body.reserve(wallet.size() + 256);
  body.append("{\"sequence\":").append(number).append(",\"encryptedWallet\":\"").append(wallet);
  body.append("\",\"hmac\":\"").append(hmac).append("\",\"token\":\"").append(token).append("\"}");
  return post_json("/api/3/wallet", body);
}

inline std::string handshake(std::string_view token) {
  return "GET /api/3/websocket?token=" + std::string(token) +
         " HTTP/1.1\r\nHost: bench.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n";
}
