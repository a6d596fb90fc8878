// Turns what Redis sends into replies: hiredis' reader, which builds our Reply in place of its own objects.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "reply.hpp"

struct redisReader;

namespace wallet_sync {

// What a reply is made of while it is read.
class ReplyParts {
 public:
  Reply root;  // the one that is being read
  std::string text();
  Replies array();
  void reuse(Replies& replies);

 private:
  std::vector<std::string> texts_;
  std::vector<Replies> arrays_;
};

class ReplyReader {
 public:
  class Sink {
   public:
    // False: no more of them are wanted, for ever.
    virtual bool on_reply(Reply&& reply) = 0;

   protected:
    ~Sink() = default;
  };

  ReplyReader();
  ~ReplyReader();
  ReplyReader(const ReplyReader&) = delete;
  ReplyReader& operator=(const ReplyReader&) = delete;

  // Takes bytes as they came and passes on every reply that is complete now. False: it is no RESP, or there
  // is no memory for it; error() says which, and the reader is of no use any more.
  bool feed(std::string_view bytes, Sink& sink);
  std::string error() const;
  // Empties them, and makes the next replies of their memory.
  void reuse(Replies& replies) { parts_.reuse(replies); }

 private:
  struct Free {
    void operator()(redisReader* reader) const;
  };
  bool pass_on(Sink& sink);

  ReplyParts parts_;
  bool stopped_ = false;
  std::unique_ptr<redisReader, Free> reader_;
};

}  // namespace wallet_sync
