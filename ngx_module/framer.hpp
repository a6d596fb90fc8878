// What a client says on a websocket (RFC 6455), by wslay: its frames are taken apart, and pings, closes and
// violations are answered. What we say unasked is in websocket_frame.hpp.
//
// wslay's contexts hold two buffers of 4 KiB, far more than an idle socket may take. So a socket has a Framer
// only while a frame or a message of its client is incomplete; at_rest() says when it can be let go.
#pragma once

#include <sys/types.h>
#include <wslay/wslay.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace wallet_sync {

class Framer {
 public:
  // The connection. Each returns the number of bytes, kWouldBlock, or kClosed.
  class Transport {
   public:
    static constexpr ssize_t kWouldBlock = -1;
    static constexpr ssize_t kClosed = -2;
    virtual ssize_t read(std::uint8_t* to, std::size_t size) = 0;
    virtual ssize_t write(const std::uint8_t* from, std::size_t size) = 0;
    // Sends what was written, if the transport collects it. kWouldBlock: some of it waits.
    virtual ssize_t flush() { return 0; }

   protected:
    ~Transport() = default;
  };

  // Null: no memory. The transport must outlive the Framer.
  static std::unique_ptr<Framer> create(Transport& transport);
  ~Framer();
  Framer(const Framer&) = delete;
  Framer& operator=(const Framer&) = delete;

  // Reads and writes until both would block; answers pings, closes and violations as the RFC asks. False: the
  // connection has failed. paused() tells that there may be more to read although nothing will announce it.
  bool pump();
  bool paused() const { return paused_; }

  bool wants_write() const { return wslay_event_want_write(context_) != 0; }
  // The closing handshake is complete, or nothing more may be read after a violation.
  bool finished() const { return !wants_write() && wslay_event_want_read(context_) == 0; }
  // Our close frame was written: nothing may follow it.
  bool said_close() const { return wslay_event_get_close_sent(context_) != 0; }
  bool at_rest() const;

 private:
  explicit Framer(Transport& transport) : transport_(transport) {}
  bool begin();
  bool refuse();
  void refuse_by(std::uint16_t code) { wslay_event_queue_close(context_, code, nullptr, 0); }
  static ssize_t on_recv(wslay_event_context_ptr context, std::uint8_t* to, std::size_t size, int flags,
                         void* self);
  static ssize_t on_send(wslay_event_context_ptr context, const std::uint8_t* from, std::size_t size,
                         int flags, void* self);
  static void on_frame_start(wslay_event_context_ptr context,
                             const wslay_event_on_frame_recv_start_arg* frame, void* self);
  static void on_frame_end(wslay_event_context_ptr context, void* self);

  Transport& transport_;
  wslay_event_context_ptr context_ = nullptr;
  std::uint64_t received_ = 0;   // bytes given to wslay
  std::uint64_t accounted_ = 0;  // bytes of the frames that are complete
  std::uint64_t frame_size_ = 0;
  std::uint64_t pause_at_ = 0;  // of received_
  bool in_message_ = false;     // a fragmented message is incomplete
  bool paused_ = false;
  bool failed_ = false;  // the connection, when reading
};

}  // namespace wallet_sync
