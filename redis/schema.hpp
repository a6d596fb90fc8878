// The version of what is kept in Redis, all of it: the keys of keyspace.hpp and what stands in them. It is
// in <prefix>:schema; none there means that nothing is kept yet, or from before there were versions, which
// is version 1.
//
// Raise kSchemaVersion with a change after which a build of before would misread or destroy something: a key
// or a field that it writes gets another meaning or form, or has to be written together with a new one. What
// such a build neither reads nor writes over, such as a new field that it leaves alone, is no reason. The
// build that raises it SETs the new version before it changes anything: those of before stop then.
//
// Who asks: each connection when it is made, and twice a second (node.hpp); of a cluster schema_watch.hpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "command.hpp"
#include "reply.hpp"
#include "server.hpp"

namespace wallet_sync {

inline constexpr std::int64_t kSchemaVersion = 1;

// Whether the reply to GET of the key is about it. Other errors tell of the server's state at the moment.
bool tells_schema(const Reply& reply);

// REQUIRES: it is. Empty: we may read and write. Otherwise why not, and what to do; a
// continuation of "Redis at ... is not available: ". What is no version counts as a later one.
std::string wrong_schema(const Reply& reply, std::string_view key);

// Writes ours, unless there is one.
inline Command schema_mark(const std::string& key) { return Command("SET", key, kSchemaVersion, "NX"); }

// Whether a connection to that server asks by itself.
inline bool asks_schema(const Server& server) { return !server.is_sentinel && server.cluster.empty(); }

}  // namespace wallet_sync
