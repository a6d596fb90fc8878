// The words of a command line. A mistake ends the program with status 2 and a line that says what to write
// instead.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What a tool ends with.
enum ExitStatus {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kOtherSchema = 3  // what Redis holds is of a schema version that this build does not know
};

class Arguments {
 public:
  Arguments(int argc, char** argv);

  const std::string& program() const { return program_; }
  // Whether the option is there; it is taken out.
  bool flag(std::string_view option);
  // Of --option VALUE or --option=VALUE; it is taken out.
  std::optional<std::string> value(std::string_view option);
  // What is left. Ends the program if an option is among it.
  const std::vector<std::string>& rest() const;

  // "PROGRAM: LINE; see PROGRAM --help", and the end.
  [[noreturn]] void fail(const std::string& line) const;

 private:
  std::string program_;
  std::vector<std::string> words_;
};

// The words of a text, between blanks or quotes.
std::vector<std::string> split_words(std::string_view text);
