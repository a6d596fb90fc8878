// A command in the wire format (RESP2), built once and handed to hiredis as it is. Arguments are binary-safe.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wallet_sync {

class Command {
 public:
  template <typename... Args>
  explicit Command(std::string_view name, const Args&... args) {
    add(name);
    (add(args), ...);
  }
  void add(std::string_view argument);
  void add(std::integral auto number) { add(std::string_view(std::to_string(number))); }

  // The whole command; REQUIRES: nothing is added afterwards.
  std::string wire() const;

 private:
  std::size_t arguments_ = 0;
  std::string body_;
};

using Commands = std::vector<Command>;

}  // namespace wallet_sync
