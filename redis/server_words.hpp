// Reading how Redis is reached: the words of the directive wallet_sync_redis, which the command-line tools
// take as well. The words' syntax is in docs/directives.md.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "server.hpp"

namespace wallet_sync {

// The process that reads them: nginx's master, or a tool.
class WordsReader {
 public:
  struct Address {
    std::string unix_path;  // or host and port
    std::string host;       // an IP address
    int port = 0;
  };

  // What has to be told; the line goes on in `wrong`, and if that stays empty it has been told already.
  // unix:path, or host:port with the first address of the name. nullopt: it is none; `why` may stay empty.
  virtual std::optional<Address> resolve(std::string_view text, int default_port, std::string& why) = 0;
  // The first line of a file, not empty and of less than 1024 bytes. False: `why` is the complaint as a
  // whole.
  virtual bool read_secret(std::string_view path, std::string& secret, std::string& why) = 0;
  // Something that is no mistake but has no effect.
  virtual void warn(const std::string& line) = 0;

 protected:
  ~WordsReader() = default;
};

// The address first, then the parameters. nullopt: `wrong` is what to say about it, with what to write
// instead and without a secret; empty: the reader has said it.
std::optional<Server> read_server(std::span<const std::string_view> words, WordsReader& reader,
                                  std::string& wrong);

// One parameter of the form name=value: true if `argument` is one of that name.
bool named(std::string_view argument, std::string_view name, std::string_view& value);
// What a message may show of a word that is not understood: it may have a password in it, as in name=text or
// text@host.
std::string without_secret(std::string_view word);
// A time as nginx writes it: 500ms, 2s, 1h30m, or a number of seconds. nullopt: it is none, 0, or more than
// 24 days.
std::optional<std::int64_t> milliseconds_of(std::string_view text);

}  // namespace wallet_sync
