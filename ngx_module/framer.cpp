#include "framer.hpp"

#include "websocket.hpp"

namespace wallet_sync {
namespace {

// Nobody may make us queue pongs without end: beyond this many, reading waits until they are sent.
constexpr std::size_t kMaxQueued = 8;
// What one event may read: others wait meanwhile.
constexpr std::uint64_t kMaxBytes = 64 * 1024;
// How often one event may go round between reading and writing.
constexpr int kMaxRounds = 16;

Framer& of(void* self) { return *static_cast<Framer*>(self); }

// RFC 6455 section 5.2; a client's frames are masked. wslay refuses lengths that are not minimal.
std::uint64_t size_of_frame(std::uint64_t payload) {
  const std::uint64_t extended = payload < 126 ? 0 : payload <= 0xFFFF ? 2 : 8;
  return 2 + extended + 4 + payload;
}

}  // namespace

std::unique_ptr<Framer> Framer::create(Transport& transport) {
  std::unique_ptr<Framer> framer(new Framer(transport));
  return framer->begin() ? std::move(framer) : nullptr;
}

bool Framer::begin() {
  wslay_event_callbacks callbacks{};
  callbacks.recv_callback = on_recv;
  callbacks.send_callback = on_send;
  callbacks.on_frame_recv_start_callback = on_frame_start;
  callbacks.on_frame_recv_end_callback = on_frame_end;
  if (wslay_event_context_server_init(&context_, &callbacks, this) != 0) {
    context_ = nullptr;
    return false;
  }
  wslay_event_config_set_max_recv_msg_length(context_, kMaxClientMessage);
  return true;
}

Framer::~Framer() {
  if (context_ != nullptr) {
    wslay_event_context_free(context_);
  }
}

bool Framer::pump() {
  pause_at_ = received_ + kMaxBytes;
  for (int round = 0; round < kMaxRounds; ++round) {
    paused_ = false;
    if (wants_write() && wslay_event_send(context_) != 0) {
      return false;
    }
    const ssize_t flushed = transport_.flush();
    if (flushed == Transport::kClosed) {
      return false;
    }
    if (wants_write() || flushed == Transport::kWouldBlock || wslay_event_want_read(context_) == 0) {
      return true;  // what cannot be written keeps us from reading more
    }
    if (wslay_event_recv(context_) != 0 && (failed_ || !refuse())) {
      return false;
    }
    if (!wants_write() && !paused_) {
      return true;
    }
  }
  paused_ = true;
  return !wants_write() || wslay_event_send(context_) == 0;
}

// A frame header that breaks the rules makes wslay give up without a close code; a context of its own sends
// it.
bool Framer::refuse() {
  wslay_event_context_free(context_);
  if (!begin()) {
    return false;
  }
  refuse_by(WSLAY_CODE_PROTOCOL_ERROR);
  wslay_event_shutdown_read(context_);
  return true;
}

bool Framer::at_rest() const {
  return !wants_write() && !in_message_ && received_ == accounted_ && wslay_event_want_read(context_) != 0 &&
         !said_close();
}

ssize_t Framer::on_recv(wslay_event_context_ptr context, std::uint8_t* to, std::size_t size, int,
                        void* self) {
  Framer& framer = of(self);
  if (wslay_event_get_queued_msg_count(context) >= kMaxQueued || framer.received_ >= framer.pause_at_) {
    framer.paused_ = true;
    wslay_event_set_error(context, WSLAY_ERR_WOULDBLOCK);
    return -1;
  }
  const ssize_t n = framer.transport_.read(to, size);
  if (n <= 0) {
    framer.failed_ = n == Transport::kClosed;
    wslay_event_set_error(context,
                          n == Transport::kWouldBlock ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
  }
  framer.received_ += static_cast<std::uint64_t>(n);
  return n;
}

ssize_t Framer::on_send(wslay_event_context_ptr context, const std::uint8_t* from, std::size_t size, int,
                        void* self) {
  const ssize_t n = of(self).transport_.write(from, size);
  if (n < 0) {
    wslay_event_set_error(context,
                          n == Transport::kWouldBlock ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
  }
  return n;
}

void Framer::on_frame_start(wslay_event_context_ptr, const wslay_event_on_frame_recv_start_arg* frame,
                            void* self) {
  Framer& framer = of(self);
  framer.frame_size_ = size_of_frame(frame->payload_length);
  if (!wslay_is_ctrl_frame(frame->opcode)) {
    framer.in_message_ = frame->fin == 0;
  } else if (frame->opcode == WSLAY_CONNECTION_CLOSE && frame->payload_length == 1) {
    framer.refuse_by(WSLAY_CODE_PROTOCOL_ERROR);  // half a code, which wslay takes for none
  }
}

void Framer::on_frame_end(wslay_event_context_ptr, void* self) {
  of(self).accounted_ += of(self).frame_size_;
}

}  // namespace wallet_sync
