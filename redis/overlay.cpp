#include "overlay.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace wallet_sync {
namespace {

using Words = std::vector<std::string_view>;  // name, key, arguments

Reply text_reply(std::string_view text) {
  Reply reply;
  reply.type = Reply::Type::text;
  reply.text = text;
  return reply;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The places of a field's value in the reply to a read of the hash.
std::vector<Reply*> shown_values(const Words& read, Reply& reply, std::string_view field) {
  std::vector<Reply*> shown;
  if (read[0] == "HGET" && read[2] == field) {
    shown.push_back(&reply);
  } else if (read[0] == "HMGET") {
    for (std::size_t i = 0; i < std::min(reply.elements.size(), read.size() - 2); ++i) {
      if (read[i + 2] == field) {
        shown.push_back(&reply.elements[i]);
      }
    }
  } else if (read[0] == "HGETALL") {
    for (std::size_t i = 0; i + 1 < reply.elements.size(); i += 2) {
      if (reply.elements[i].text == field) {
        shown.push_back(&reply.elements[i + 1]);
      }
    }
  }
  return shown;
}

void set_field(const Words& read, Reply& reply, std::string_view field, std::string_view value) {
  const std::vector<Reply*> shown = shown_values(read, reply, field);
  for (Reply* place : shown) {
    *place = text_reply(value);
  }
  if (shown.empty() && read[0] == "HGETALL") {
    reply.elements.push_back(text_reply(field));
    reply.elements.push_back(text_reply(value));
  }
}

void remove_field(const Words& read, Reply& reply, std::string_view field) {
  for (Reply* place : shown_values(read, reply, field)) {
    if (read[0] == "HGETALL") {  // the only one
      const auto value = reply.elements.begin() + (place - reply.elements.data());
      reply.elements.erase(std::prev(value), std::next(value));
    } else {
      *place = Reply{};
    }
  }
}

void remove_key(const Words& read, Reply& reply) {
  if (read[0] == "HMGET") {
    std::fill(reply.elements.begin(), reply.elements.end(), Reply{});
  } else if (read[0] == "HGETALL") {
    reply.elements.clear();
  } else if (read[0] == "TTL") {
    reply.integer = -2;
  } else {
    reply = Reply{};
  }
}

// False: what this does is not known here.
bool apply_one(const Words& write, const Words& read, Reply& reply) {
  if (is_one_of(write[0], {"PUBLISH", "SPUBLISH"})) {
    return true;  // nothing that a read shows
  }
  if (is_one_of(write[0], {"EXPIRE", "EXPIREAT", "PERSIST"})) {
    return read[0] != "TTL" || write[1] != read[1];
  }
  if (write[0] == "DEL") {
    if (std::find(write.begin() + 1, write.end(), read[1]) != write.end()) {
      remove_key(read, reply);
    }
    return true;
  }
  if (!is_one_of(write[0], {"HSET", "HDEL"})) {
    return false;
  }
  if (write[1] != read[1]) {
    return true;
  }
  if (write[0] == "HSET") {
    for (std::size_t i = 2; i + 1 < write.size(); i += 2) {
      set_field(read, reply, write[i], write[i + 1]);
    }
  } else {
    for (std::size_t i = 2; i < write.size(); ++i) {
      remove_field(read, reply, write[i]);
    }
  }
  return true;
}

}  // namespace

void Overlay::add(Commands writes) { std::move(writes.begin(), writes.end(), std::back_inserter(writes_)); }

bool Overlay::apply(const Commands& reads, std::span<Reply> replies) const {
  std::vector<Words> writes;
  writes.reserve(writes_.size());
  for (const Command& write : writes_) {
    writes.push_back(write.words());
  }
  for (std::size_t i = 0; i < reads.size(); ++i) {
    const Words read = reads[i].words();
    if (!is_one_of(read[0], {"HGET", "HMGET", "HGETALL", "GET", "TTL"})) {
      return false;
    }
    for (const Words& write : writes) {
      if (!apply_one(write, read, replies[i])) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace wallet_sync
