#include "reply_reader.hpp"

#include <hiredis/hiredis.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace wallet_sync {
namespace {

// More than any command of ours is answered with; a number that only a broken peer would send.
constexpr std::size_t kMaxElements = 1U << 20;
// Arrays in arrays. hiredis allows seven before 1.0, and as many as come since; a Reply ends by recursion.
constexpr int kDeepest = 7;
// What an array says it will hold takes no memory before it comes, beyond so many elements.
constexpr std::size_t kReserved = 64;

// hiredis moves what it has not parsed to the front of its buffer after each reply: small bites keep that
// small.
constexpr std::size_t kBite = 8 * 1024;
// A buffer that is empty and larger than this is given back.
constexpr std::size_t kKeptBuffer = 512 * 1024;

// Kept of the replies that were made use of: enough for those of a request, but nothing large.
constexpr std::size_t kKeptTexts = 16;
constexpr std::size_t kKeptTextSize = 4 * 1024;
constexpr std::size_t kKeptArrays = 4;
constexpr std::size_t kInPlace = 15;  // what a string holds without memory of its own, at least

ReplyParts& parts_of(const redisReadTask& task) { return *static_cast<ReplyParts*>(task.privdata); }

// Where the reply of a task belongs: the root, or its place in the array around it.
Reply& place_of(const redisReadTask& task) {
  if (task.parent == nullptr) {
    return parts_of(task).root;
  }
  // Elements come in order. When this moves those before it, hiredis is done with them.
  return static_cast<Reply*>(task.parent->obj)->elements.emplace_back();
}

// hiredis is C: what is thrown for want of memory must not pass through it. Null means just that to it.
template <typename Fill>
void* make(const redisReadTask* task, Fill fill) noexcept {
  try {
    Reply& reply = place_of(*task);
    fill(reply);
    return &reply;
  } catch (const std::exception&) {
    return nullptr;
  }
}

void* make_text(const redisReadTask* task, char* text, std::size_t size) {
  return make(task, [&](Reply& reply) {
    reply.type = task->type == REDIS_REPLY_ERROR    ? Reply::Type::error
                 : task->type == REDIS_REPLY_STATUS ? Reply::Type::status
                                                    : Reply::Type::text;
    if (size > kInPlace) {
      reply.text = parts_of(*task).text();
    }
    reply.text.assign(text, size);
  });
}

bool too_deep(const redisReadTask* task) {
  int depth = 0;
  for (; task->parent != nullptr; task = task->parent) {
    ++depth;
  }
  return depth > kDeepest;
}

template <typename Count>  // an int before hiredis 1.0, then a size_t
void* make_array(const redisReadTask* task, Count count) {
  if (static_cast<std::size_t>(count) > kMaxElements || too_deep(task)) {
    return nullptr;
  }
  return make(task, [&](Reply& reply) {
    reply.type = Reply::Type::array;
    reply.elements = parts_of(*task).array();
    reply.elements.reserve(std::min(static_cast<std::size_t>(count), kReserved));
  });
}

void* make_integer(const redisReadTask* task, long long number) {
  return make(task, [&](Reply& reply) {
    reply.type = Reply::Type::integer;
    reply.integer = number;
  });
}

void* make_nil(const redisReadTask* task) {
  return make(task, [](Reply& reply) { reply.type = Reply::Type::nil; });
}

// A template, so that the members hiredis has from 1.0 on need not exist.
template <typename Functions>
Functions our_functions() {
  Functions functions{};
  functions.createString = make_text;
  functions.createArray = make_array;
  functions.createInteger = make_integer;
  functions.createNil = make_nil;
  functions.freeObject = [](void*) {};                   // they are in the root, which is ours
  if constexpr (requires { functions.createDouble; }) {  // RESP3 has these; Redis speaks RESP2 unless asked
    functions.createDouble = [](const redisReadTask* task, double, char* text, std::size_t size) {
      return make_text(task, text, size);
    };
    functions.createBool = [](const redisReadTask* task, int value) { return make_integer(task, value); };
  }
  return functions;
}

redisReplyObjectFunctions functions = our_functions<redisReplyObjectFunctions>();

}  // namespace

std::string ReplyParts::text() {
  if (texts_.empty()) {
    return {};
  }
  std::string text = std::move(texts_.back());
  texts_.pop_back();
  return text;
}

Replies ReplyParts::array() {
  if (arrays_.empty()) {
    return {};
  }
  Replies array = std::move(arrays_.back());
  arrays_.pop_back();
  return array;
}

void ReplyParts::reuse(Replies& replies) {
  for (Reply& reply : replies) {
    const std::size_t capacity = reply.text.capacity();
    if (capacity > kInPlace && capacity <= kKeptTextSize && texts_.size() < kKeptTexts) {
      texts_.push_back(std::move(reply.text));
    }
    if (reply.elements.capacity() > 0) {
      reuse(reply.elements);
      if (reply.elements.capacity() <= kReserved && arrays_.size() < kKeptArrays) {
        arrays_.push_back(std::move(reply.elements));
      }
    }
  }
  replies.clear();
}

void ReplyReader::Free::operator()(redisReader* reader) const { redisReaderFree(reader); }

ReplyReader::ReplyReader() : reader_(redisReaderCreateWithFunctions(&functions)) {
  if (reader_) {
    reader_->maxbuf = kKeptBuffer;
    reader_->privdata = &parts_;
  }
}

ReplyReader::~ReplyReader() = default;

std::string ReplyReader::error() const { return reader_ ? reader_->errstr : "no memory"; }

bool ReplyReader::feed(std::string_view bytes, Sink& sink) {
  while (!bytes.empty()) {
    const std::string_view bite = bytes.substr(0, kBite);
    bytes.remove_prefix(bite.size());
    if (!reader_ || redisReaderFeed(reader_.get(), bite.data(), bite.size()) != REDIS_OK || !pass_on(sink)) {
      return false;
    }
    if (stopped_) {
      return true;
    }
  }
  return true;
}

bool ReplyReader::pass_on(Sink& sink) {
  while (!stopped_) {
    void* complete = nullptr;
    if (redisReaderGetReply(reader_.get(), &complete) != REDIS_OK) {
      return false;
    }
    if (complete == nullptr) {
      return true;
    }
    stopped_ = !sink.on_reply(std::exchange(parts_.root, Reply{}));
  }
  return true;
}

}  // namespace wallet_sync
