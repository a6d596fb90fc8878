#include "reply.hpp"

#include <hiredis/hiredis.h>

#include <charconv>

namespace wallet_sync {

Reply Reply::from(const redisReply& reply) {
  Reply copy;
  switch (reply.type) {
    case REDIS_REPLY_STRING: copy.type = Type::text; break;
    case REDIS_REPLY_STATUS: copy.type = Type::status; break;
    case REDIS_REPLY_ERROR: copy.type = Type::error; break;
    case REDIS_REPLY_INTEGER:
      copy.type = Type::integer;
      copy.integer = reply.integer;
      return copy;
    case REDIS_REPLY_ARRAY:
      copy.type = Type::array;
      copy.elements.reserve(reply.elements);
      for (std::size_t i = 0; i < reply.elements; ++i) {
        copy.elements.push_back(from(*reply.element[i]));
      }
      return copy;
    default: return copy;
  }
  copy.text.assign(reply.str, static_cast<std::size_t>(reply.len));
  return copy;
}

std::optional<std::int64_t> to_integer(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

}  // namespace wallet_sync
