#include "arguments.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

Arguments::Arguments(int argc, char** argv) : words_(argv + 1, argv + argc) {
  const std::string_view path = argv[0];
  program_ = path.substr(path.rfind('/') + 1);
}

bool Arguments::flag(std::string_view option) {
  const auto found = std::find(words_.begin(), words_.end(), option);
  if (found == words_.end()) {
    return false;
  }
  words_.erase(found);
  return true;
}

std::optional<std::string> Arguments::value(std::string_view option) {
  for (auto word = words_.begin(); word != words_.end(); ++word) {
    std::string value;
    auto end = word + 1;
    if (*word == option) {
      if (end == words_.end()) {
        fail(*word + " needs a value");
      }
      value = *end++;
    } else if (word->starts_with(option) && word->substr(option.size()).starts_with('=')) {
      value = word->substr(option.size() + 1);
    } else {
      continue;
    }
    words_.erase(word, end);
    return value;
  }
  return std::nullopt;
}

const std::vector<std::string>& Arguments::rest() const {
  for (const std::string& word : words_) {
    if (word.starts_with('-')) {
      fail("unknown option " + word);
    }
  }
  return words_;
}

void Arguments::fail(const std::string& line) const {
  std::fprintf(stderr, "%s: %s; see %s --help\n", program_.c_str(), line.c_str(), program_.c_str());
  std::exit(kUsage);
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (const char c : text) {
    if (quote != 0 && c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
      if (!in_word) words.emplace_back();
      in_word = true;
    } else if (quote == 0 && (c == ' ' || c == '\t' || c == '\n')) {
      in_word = false;
    } else {
      if (!in_word) words.emplace_back();
      in_word = true;
      words.back().push_back(c);
    }
  }
  return words;
}
