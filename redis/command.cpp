#include "command.hpp"

namespace wallet_sync {

void Command::add(std::string_view argument) {
  ++arguments_;
  body_.append("$").append(std::to_string(argument.size())).append("\r\n").append(argument).append("\r\n");
}

std::string Command::wire() const {
  std::string text = "*" + std::to_string(arguments_) + "\r\n";
  text.append(body_);
  return text;
}

}  // namespace wallet_sync
