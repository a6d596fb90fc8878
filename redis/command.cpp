#include "command.hpp"

namespace wallet_sync {

std::vector<std::string_view> Command::words() const {
  std::vector<std::string_view> words;
  words.reserve(words_);
  std::string_view rest = std::string_view(text_).substr(kHeader);
  while (!rest.empty()) {  // "$<size>\r\n<bytes>\r\n"
    std::size_t size = 0;
    const char* digits_end = std::from_chars(rest.data() + 1, rest.data() + rest.size(), size).ptr;
    rest.remove_prefix(static_cast<std::size_t>(digits_end - rest.data()) + 2);
    words.push_back(rest.substr(0, size));
    rest.remove_prefix(size + 2);
  }
  return words;
}

void Command::write_header() {
  std::array<char, kHeader> header;
  header[0] = '*';
  char* end = std::to_chars(header.data() + 1, header.data() + header.size() - 2, words_).ptr;
  *end++ = '\r';
  *end++ = '\n';
  const auto size = static_cast<std::size_t>(end - header.data());
  begin_ = kHeader - size;
  text_.replace(begin_, size, header.data(), size);
}

}  // namespace wallet_sync
