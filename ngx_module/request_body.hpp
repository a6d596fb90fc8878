// The body of a request, in memory: nginx hands over what has come as it comes. With nginx' own buffering it
// would go to a file, and one that is too large would be answered by nginx' page.
//
// Others may have had the body before us. What mirror or Lua read is there as a whole, and they need it
// still. What a proxy without buffering has begun to read is read on from there, unless the proxy has passed
// some of it on already: then it is lost. In our locations nobody reads more than our limit: see
// limit_bodies().
#pragma once

#include <cstddef>
#include <string_view>

#include "ngx.hpp"

namespace wallet_sync {

class RequestBody {
 public:
  enum class End {
    complete,
    too_large,   // larger than the limit; some of it may not have been read
    broken_off,  // another reader gave up before the end
    lost,        // another reader has given some of it away
    failed,      // no memory, or a file that cannot be read
  };

  // Who wants the body.
  class Reader {
   public:
    virtual void on_body(End end) = 0;
    // nginx answers by its page of that status, or not at all if the client has gone.
    virtual void on_broken_body(ngx_int_t status) = 0;
    // While a request waits: its client has sent something, or has left.
    virtual void on_client() = 0;

   protected:
    ~Reader() = default;
  };

  RequestBody(ngx_http_request_t* r, std::size_t limit, Reader& reader)
      : r_(r), limit_(limit), reader_(reader) {}
  ~RequestBody() = default;
  RequestBody(const RequestBody&) = delete;
  RequestBody& operator=(const RequestBody&) = delete;

  // What the content handler returns. From now on, and perhaps before this returns, the reader is told once.
  ngx_int_t read();
  // Complete, once the reader has been told so. In the request's pool.
  std::string_view bytes() const { return {reinterpret_cast<const char*>(bytes_), size_}; }

  // Nobody gets anything more of this body.
  void refuse();
  bool refused() const { return refused_; }

  Reader& reader() { return reader_; }

  // The body of a request that is being read or refused by us; null for any other.
  static RequestBody* of(ngx_http_request_t* r);

 private:
  static void on_begin(ngx_http_request_t* r);
  static void on_readable(ngx_http_request_t* r);
  void take_over();
  void go_on();
  bool take_buffers();
  bool grow(std::size_t needed);

  ngx_http_request_t* r_;
  std::size_t limit_;
  Reader& reader_;
  bool shared_ = false;  // somebody else needs nginx' buffers as they are
  bool refused_ = false;
  u_char* bytes_ = nullptr;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

// From now on whoever reads a body in one of our locations is cut short at our limit; the request is answered
// with the protocol's refusal.
void limit_bodies();

}  // namespace wallet_sync
