// Websocket frames of a client: whatever it sends and however the network cuts it, what we answer is proper
// frames of a server, and the same frames.
#include <memory>
#include <string>

#include "framer.hpp"
#include "fuzz.hpp"
#include "websocket.hpp"

using namespace wallet_sync;

namespace {

// The network: gives what the client sends in pieces, and takes what we send in pieces.
class Network final : public Framer::Transport {
 public:
  explicit Network(std::string_view sent) : sent_(sent) {}
  void allow(std::size_t in, std::size_t out) {
    readable_ = std::min(in, sent_.size());
    room_ = out;
  }
  bool all_read() const { return sent_.empty(); }
  const std::string& taken() const { return taken_; }

  ssize_t read(std::uint8_t* to, std::size_t size) override {
    const std::size_t n = sent_.copy(reinterpret_cast<char*>(to), std::min(size, readable_));
    sent_.remove_prefix(n);
    readable_ -= n;
    return n > 0 ? static_cast<ssize_t>(n) : kWouldBlock;
  }
  ssize_t write(const std::uint8_t* from, std::size_t size) override {
    const std::size_t n = std::min(size, room_);
    room_ -= n;
    taken_.append(reinterpret_cast<const char*>(from), n);
    return n > 0 ? static_cast<ssize_t>(n) : kWouldBlock;
  }

 private:
  std::string_view sent_;
  std::size_t readable_ = 0;
  std::size_t room_ = 0;
  std::string taken_;
};

// As a socket does it: a Framer only while there is something in progress.
class Conversation {
 public:
  explicit Conversation(std::string_view sent) : network(sent) {}

  // False: it is over.
  bool go(std::size_t in, std::size_t out) {
    network.allow(in, out);
    if (!framer_) {
      framer_ = Framer::create(network);
    }
    do {
      if (!framer_->pump()) {
        return false;
      }
    } while (framer_->paused());
    if (framer_->finished()) {
      return false;
    }
    if (framer_->at_rest()) {
      framer_.reset();
    }
    return true;
  }

  Network network;

 private:
  std::unique_ptr<Framer> framer_;
};

// Returns the close frame, empty if there is none.
std::string_view check_frames(std::string_view bytes) {
  bool closed = false;
  std::string_view last;
  while (!bytes.empty()) {
    PROPERTY(!closed);  // nothing behind a close frame
    PROPERTY(bytes.size() >= 2);
    const auto first = static_cast<unsigned char>(bytes[0]);
    const auto second = static_cast<unsigned char>(bytes[1]);
    PROPERTY(first == 0x8a || first == 0x88);  // pong and close, whole; nobody asked for a text
    PROPERTY(second <= 125);                   // no mask, and the lengths that control frames may have
    PROPERTY(bytes.size() >= 2U + second);
    closed = first == 0x88;
    PROPERTY(!closed || second != 1);
    last = bytes.substr(0, 2U + second);
    bytes.remove_prefix(2U + second);
  }
  return closed ? last : std::string_view();
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const std::string sizes(input.text());
  const std::string_view sent = input.rest();

  Conversation whole(sent);
  whole.go(SIZE_MAX, SIZE_MAX);
  const std::string_view close = check_frames(whole.network.taken());

  // The same in pieces; zero bytes of one direction for a while is a piece, too.
  Conversation pieces(sent);
  bool open = true;
  for (std::size_t i = 0; open && i < sizes.size(); ++i) {
    const auto both = static_cast<unsigned char>(sizes[i]);
    open = pieces.go(both >> 4, both & 15);
  }
  while (open && !pieces.network.all_read()) {
    open = pieces.go(1, SIZE_MAX);
  }
  if (open) {
    pieces.go(0, SIZE_MAX);
  }
  // Where the connection ends, the cuts may matter: pongs that are due in the same breath are not sent any
  // more, and what is wrong with half a close frame is found at once or with its last byte.
  const bool closed = !check_frames(pieces.network.taken()).empty();
  PROPERTY(closed <= !close.empty());
  PROPERTY(!close.empty() || pieces.network.taken() == whole.network.taken());
  return 0;
}
