// A reply of Redis as a value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wallet_sync {

struct Reply {
  enum class Type { nil, status, error, integer, text, array } type = Type::nil;
  std::string text;  // of status, error and text
  std::int64_t integer = 0;
  std::vector<Reply> elements;

  bool is_error() const { return type == Type::error; }
  bool is_nil() const { return type == Type::nil; }
  bool is_text() const { return type == Type::text; }
  bool is_status(std::string_view expected) const { return type == Type::status && text == expected; }
  bool is_array(std::size_t size) const { return type == Type::array && elements.size() == size; }
};

using Replies = std::vector<Reply>;

// The number a text reply holds; nullopt if it is no decimal integer.
std::optional<std::int64_t> to_integer(std::string_view text);

// What may be logged of an error: Redis repeats arguments, ours hold secrets, in some of its sentences.
std::string loggable(std::string_view error);

// The server cannot do what it is asked at all, or not now, whichever the command: it is no master (any
// more), or loads its data.
bool says_not_a_master(const Reply& error);
// The same, or the cluster is down: what became of an earlier command another server can tell, or a later
// moment.
bool says_no_more_here(const Reply& error);
// A reply to ROLE, from a server that is none. (An ACL may forbid ROLE: an error says nothing.)
bool is_replica(const Reply& role);
// The server refuses every write at the moment, whoever makes it.
bool says_no_writes(const Reply& error);

}  // namespace wallet_sync
