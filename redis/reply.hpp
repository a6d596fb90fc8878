// A reply of Redis as a value of ours: hiredis frees its own when the callback returns.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct redisReply;

namespace wallet_sync {

struct Reply {
  enum class Type { nil, status, error, integer, text, array } type = Type::nil;
  std::string text;  // of status, error and text
  std::int64_t integer = 0;
  std::vector<Reply> elements;

  static Reply from(const redisReply& reply);

  bool is_error() const { return type == Type::error; }
  bool is_nil() const { return type == Type::nil; }
  bool is_status(std::string_view expected) const { return type == Type::status && text == expected; }
  bool is_array(std::size_t size) const { return type == Type::array && elements.size() == size; }
};

using Replies = std::vector<Reply>;

// The number a text reply holds; nullopt if it is no decimal integer.
std::optional<std::int64_t> to_integer(std::string_view text);

}  // namespace wallet_sync
