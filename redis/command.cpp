#include "command.hpp"

namespace wallet_sync {

void Command::append(std::string_view argument) {
  ++arguments_;
  std::array<char, 24> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), argument.size()).ptr;
  text_.push_back('$');
  text_.append(digits.data(), end);
  text_.append("\r\n").append(argument).append("\r\n");
}

void Command::write_header() {
  std::array<char, kHeader> header;
  header[0] = '*';
  char* end = std::to_chars(header.data() + 1, header.data() + header.size() - 2, arguments_).ptr;
  *end++ = '\r';
  *end++ = '\n';
  const auto size = static_cast<std::size_t>(end - header.data());
  begin_ = kHeader - size;
  text_.replace(begin_, size, header.data(), size);
}

}  // namespace wallet_sync
