// Overlays against a Redis of a few lines: the replies that apply() makes of those to reads before the writes
// are the replies to the same reads after them.
#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "overlay.hpp"

using namespace wallet_sync;

namespace {

constexpr std::array<std::string_view, 3> kKeys{"account", "wallet", "tokens"};
constexpr std::array<std::string_view, 5> kFields{"sequence", "hmac", "wallet", "write", ""};

using Hash = std::map<std::string, std::string, std::less<>>;
using Hashes = std::map<std::string, Hash, std::less<>>;

Reply text(std::string_view value) {
  Reply reply;
  reply.type = Reply::Type::text;
  reply.text = value;
  return reply;
}

Reply value_of(const Hashes& hashes, std::string_view key, std::string_view field) {
  const auto hash = hashes.find(key);
  if (hash == hashes.end()) {
    return {};
  }
  const auto found = hash->second.find(field);
  return found == hash->second.end() ? Reply{} : text(found->second);
}

Reply read(const Hashes& hashes, const Command& command) {
  const auto words = command.words();
  if (words[0] == "HGET") {
    return value_of(hashes, words[1], words[2]);
  }
  Reply reply;
  if (words[0] == "GET") {
    return reply;  // nobody writes a string
  }
  reply.type = Reply::Type::array;
  if (words[0] == "HMGET") {
    for (std::size_t i = 2; i < words.size(); ++i) {
      reply.elements.push_back(value_of(hashes, words[1], words[i]));
    }
  } else if (const auto hash = hashes.find(words[1]); hash != hashes.end()) {
    for (const auto& [field, value] : hash->second) {
      reply.elements.push_back(text(field));
      reply.elements.push_back(text(value));
    }
  }
  return reply;
}

void write(Hashes& hashes, const Command& command) {
  const auto words = command.words();
  if (words[0] == "DEL") {
    for (std::size_t i = 1; i < words.size(); ++i) {
      hashes.erase(std::string(words[i]));
    }
  } else if (words[0] == "HSET") {
    for (std::size_t i = 2; i + 1 < words.size(); i += 2) {
      hashes[std::string(words[1])][std::string(words[i])] = words[i + 1];
    }
  } else if (words[0] == "HDEL") {
    if (const auto hash = hashes.find(words[1]); hash != hashes.end()) {
      for (std::size_t i = 2; i < words.size(); ++i) {
        hash->second.erase(std::string(words[i]));
      }
      if (hash->second.empty()) {
        hashes.erase(hash);
      }
    }
  }
}

Command some_write(Input& input) {
  const std::string_view key = kKeys[input.choice(kKeys.size())];
  const std::string_view field = kFields[input.choice(kFields.size())];
  switch (input.choice(7)) {
    case 0: return Command("HSET", key, field, input.take(3));
    case 1: {
      Command command("HSET", key, field, input.take(2));
      command.add(kFields[input.choice(kFields.size())]);
      command.add(input.take(40));
      return command;
    }
    case 2: return Command("HDEL", key, field);
    case 3: return Command("HDEL", key, field, kFields[input.choice(kFields.size())]);
    case 4: return Command("DEL", key);
    case 5: return Command("DEL", key, kKeys[input.choice(kKeys.size())]);
    default: return Command("PUBLISH", key, field);
  }
}

// No read of ours asks for a field twice.
Command some_read(Input& input) {
  const std::string_view key = kKeys[input.choice(kKeys.size())];
  const std::size_t first = input.choice(kFields.size());
  switch (input.choice(4)) {
    case 0: return Command("HGET", key, kFields[first]);
    case 1: return Command("HMGET", key, kFields[first], kFields[(first + 1) % 5], kFields[(first + 3) % 5]);
    case 2: return Command("HGETALL", key);
    default: return Command("GET", key);
  }
}

// As long as its order may be anyone's, a hash is compared as one.
std::string shown(const Command& command, const Reply& reply) {
  if (reply.type != Reply::Type::array) {
    return std::to_string(static_cast<int>(reply.type)) + reply.text;
  }
  std::vector<std::string> parts;
  const std::size_t step = command.words()[0] == "HGETALL" ? 2 : 1;
  for (std::size_t i = 0; i < reply.elements.size(); i += step) {
    std::string part;
    for (std::size_t k = i; k < i + step; ++k) {
      const Reply& element = reply.elements.at(k);
      part.append(std::to_string(static_cast<int>(element.type))).append(element.text).append("|");
    }
    parts.push_back(part);
  }
  if (step == 2) {
    std::sort(parts.begin(), parts.end());
  }
  std::string all;
  for (const std::string& part : parts) {
    all.append(part).append("\n");
  }
  return all;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  Hashes hashes;
  for (std::size_t i = input.choice(8); i > 0; --i) {
    write(hashes, some_write(input));
  }
  Commands reads;
  for (std::size_t i = 1 + input.choice(4); i > 0; --i) {
    reads.push_back(some_read(input));
  }
  Replies replies;
  for (const Command& command : reads) {
    replies.push_back(read(hashes, command));
  }
  Overlay overlay;
  for (int batch = 0; batch < 8 && !input.empty(); ++batch) {
    Commands writes;
    for (std::size_t i = input.choice(4); i > 0; --i) {
      writes.push_back(some_write(input));
      write(hashes, writes.back());
    }
    overlay.add(std::move(writes));
  }
  PROPERTY(overlay.apply(reads, replies));
  for (std::size_t i = 0; i < reads.size(); ++i) {
    PROPERTY(shown(reads[i], replies[i]) == shown(reads[i], read(hashes, reads[i])));
  }
  return 0;
}
