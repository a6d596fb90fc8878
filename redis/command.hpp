// A command in the wire format (RESP2), built once and sent as it is. Arguments are binary-safe.
#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace wallet_sync {

class Command {
 public:
  template <typename... Args>
  explicit Command(std::string_view name, const Args&... args) {
    text_.reserve(kHeader + (size_on_wire(name) + ... + size_on_wire(args)));
    text_.resize(kHeader);
    append(name);
    (append(args), ...);
    write_header();
  }
  void add(std::string_view argument) {
    append(argument);
    write_header();
  }

  std::string_view wire() const { return std::string_view(text_).substr(begin_); }

  // The name and the arguments, read back from the wire format; the views live as long as the command.
  std::vector<std::string_view> words() const;

 private:
  // Room for "*<number of arguments>\r\n" in front; it is written from the right.
  static constexpr std::size_t kHeader = 16;

  static std::size_t size_on_wire(std::string_view argument) { return argument.size() + 16; }
  static std::size_t size_on_wire(std::integral auto) { return 40; }
  void append(std::string_view argument);
  void append(std::integral auto number) {
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    append(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
  }
  void write_header();

  std::size_t words_ = 0;
  std::size_t begin_ = 0;
  std::string text_;
};

using Commands = std::vector<Command>;

}  // namespace wallet_sync
