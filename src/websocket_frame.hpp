// The frames a websocket server sends (RFC 6455 section 5.2): whole messages, not masked.
//
// A frame is the same for every client, so it is made once, however many are told.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "store.hpp"

namespace wallet_sync {

enum class Opcode : std::uint8_t { text = 1, close = 8, ping = 9 };

// The payload of a close or ping has at most 125 bytes.
std::string server_frame(Opcode opcode, std::string_view payload);

// `reason` has at most 123 bytes of UTF-8.
std::string close_frame(std::uint16_t code, std::string_view reason = {});

// What a device is told of a write of its account.
std::string update_frame(Sequence sequence);

}  // namespace wallet_sync
