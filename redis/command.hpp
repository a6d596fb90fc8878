// Commands in the wire format (RESP2). Arguments are binary-safe.
#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace wallet_sync {

// An argument that is put together as it is written, such as a key.
template <typename T>
concept Composed = requires(const T& argument, std::string& text) {
  { argument.size() } -> std::same_as<std::size_t>;
  argument.append_to(text);
};

class Command;

// Writes commands one after the other.
class CommandWriter {
 public:
  explicit CommandWriter(std::string& out) : out_(out) {}

  template <typename... Args>
  void add(std::string_view name, const Args&... args) {
    ++count_;
    begin('*', 1 + sizeof...(args));
    append(name);
    (append(args), ...);
  }
  void add(const Command& command);
  // How many there are by now.
  std::size_t count() const { return count_; }

  // The parts of a command whose number of arguments is not known beforehand.
  void append(std::string_view argument) {
    begin('$', argument.size());
    out_.append(argument).append("\r\n");
  }
  void append(std::integral auto number) {
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    append(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())));
  }
  void append(const Composed auto& argument) {
    begin('$', argument.size());
    argument.append_to(out_);
    out_.append("\r\n");
  }

 private:
  // "<kind><number>\r\n"
  void begin(char kind, std::size_t number) {
    std::array<char, 24> line;
    line[0] = kind;
    char* end = std::to_chars(line.data() + 1, line.data() + line.size() - 2, number).ptr;
    *end++ = '\r';
    *end++ = '\n';
    out_.append(line.data(), end);
  }

  std::string& out_;
  std::size_t count_ = 0;
};

// A command that is kept: built once and sent as it is.
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
  void add(const auto& argument) {
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
  static std::size_t size_on_wire(const Composed auto& argument) { return argument.size() + 16; }
  void append(const auto& argument) {
    ++words_;
    CommandWriter(text_).append(argument);
  }
  void write_header();

  std::size_t words_ = 0;
  std::size_t begin_ = 0;
  std::string text_;
};

inline void CommandWriter::add(const Command& command) {
  ++count_;
  out_.append(command.wire());
}

using Commands = std::vector<Command>;

// What a CommandWriter would be given, kept.
struct CommandList {
  Commands commands;
  template <typename... Args>
  void add(std::string_view name, const Args&... args) {
    commands.emplace_back(name, args...);
  }
};

}  // namespace wallet_sync
