// A stream of bytes to a server, on the event loop's own connections: nginx' in a worker, libevent's in the
// tests. Nothing above it knows which, nor whether TLS is in between.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wallet_sync {

class Stream {
 public:
  // All are called from the loop, none from within a call into the stream. They must not destroy the stream.
  class User {
   public:
    virtual void on_connected() = 0;                 // TLS and its verification included
    virtual void on_readable() = 0;                  // there may be something to read, or the end
    virtual void on_writable() = 0;                  // after a write() that did not take all
    virtual void on_failed(std::string reason) = 0;  // it could not be connected; of no use any more

   protected:
    ~User() = default;
  };

  struct Read {
    enum class What { bytes, nothing_yet, end, failure } what;
    std::size_t size = 0;  // of bytes
  };

  virtual ~Stream() = default;  // closes

  // Reads what is there, up to `capacity` bytes.
  virtual Read read(char* buffer, std::size_t capacity) = 0;
  // Calls on_readable in the next turn, for a user who did not read all there was.
  virtual void read_later() = 0;
  // How many bytes were taken; fewer than all: on_writable comes. Errors show when it is read.
  virtual std::size_t write(std::string_view bytes) = 0;
  // Why read() failed, for the log.
  virtual std::string error() const = 0;
};

}  // namespace wallet_sync
