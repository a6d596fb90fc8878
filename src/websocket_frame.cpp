#include "websocket_frame.hpp"

#include "websocket.hpp"

namespace wallet_sync {
namespace {

void append_number(std::string& text, std::uint64_t number, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) {
    text.push_back(static_cast<char>(number >> shift & 0xFF));
  }
}

}  // namespace

std::string server_frame(Opcode opcode, std::string_view payload) {
  constexpr unsigned kFinal = 0x80;
  std::string frame;
  frame.reserve(10 + payload.size());
  frame.push_back(static_cast<char>(kFinal | static_cast<unsigned>(opcode)));
  if (payload.size() < 126) {
    append_number(frame, payload.size(), 1);
  } else if (payload.size() <= 0xFFFF) {
    append_number(frame, 126, 1);
    append_number(frame, payload.size(), 2);
  } else {
    append_number(frame, 127, 1);
    append_number(frame, payload.size(), 8);
  }
  return frame.append(payload);
}

std::string close_frame(std::uint16_t code, std::string_view reason) {
  std::string payload;
  append_number(payload, code, 2);
  return server_frame(Opcode::close, payload.append(reason));
}

std::string update_frame(Sequence sequence) {
  return server_frame(Opcode::text, wallet_update_message(sequence));
}

}  // namespace wallet_sync
