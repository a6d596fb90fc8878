// What an Overlay makes of replies is what Redis itself would have replied: random commands, told by both.
#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "overlay.hpp"
#include "redis_server.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

namespace {

RedisServer* redis = nullptr;

// Two hashes of a few fields, and a counter.
class Dice {
 public:
  explicit Dice(unsigned seed) : random_(seed) {}
  std::size_t below(std::size_t limit) { return random_() % limit; }
  std::string field() { return std::string(1, static_cast<char>('a' + below(4))); }
  std::string hash() { return below(2) == 0 ? "h1" : "h2"; }

  Command write() {
    switch (below(6)) {
      case 0: return Command("DEL", hash(), "counter");
      case 1: return Command("DEL", hash());
      case 2: return Command("HDEL", hash(), field(), field());
      case 3: return Command("PUBLISH", hash(), field());
      case 4: return Command("HSET", hash(), field(), value());
      default: return Command("HSET", hash(), field(), value(), field(), value());
    }
  }
  std::vector<Command> reads() {
    std::vector<Command> reads;
    reads.emplace_back("GET", "counter");
    for (const char* key : {"h1", "h2"}) {
      reads.emplace_back("HGETALL", key);
      reads.emplace_back("HGET", key, field());
      reads.emplace_back("HMGET", key, field(), "a", "never there");
    }
    return reads;
  }

 private:
  std::string value() { return std::to_string(below(1000)); }
  std::minstd_rand random_;
};

std::string shown(const Command& read, const Reply& reply) {
  std::vector<std::string> parts;
  for (const Reply& element : reply.elements) {
    parts.push_back(element.is_nil() ? "nil" : element.text);
  }
  if (read.words()[0] == "HGETALL") {  // in no particular order
    std::vector<std::string> pairs;
    for (std::size_t i = 0; i + 1 < parts.size(); i += 2) {
      pairs.push_back(parts[i] + "=" + parts[i + 1]);
    }
    std::sort(pairs.begin(), pairs.end());
    parts = std::move(pairs);
  }
  std::string all = reply.is_nil() ? "nil" : reply.text;
  for (const std::string& part : parts) {
    all += " " + part;
  }
  return all;
}

void it_tells_what_redis_would_reply(void**) {
  BlockingClient client(redis->server());
  for (unsigned seed = 1; seed <= 300; ++seed) {
    Dice dice(seed);
    client("FLUSHALL");
    client("SET", "counter", 12);
    for (std::size_t i = dice.below(8); i > 0; --i) {
      client.call(dice.write());
    }
    const std::vector<Command> reads = dice.reads();
    std::vector<Reply> replies;
    for (const Command& read : reads) {
      replies.push_back(client.call(read));
    }
    Overlay overlay;
    for (std::size_t i = 1 + dice.below(6); i > 0; --i) {
      Commands writes{dice.write()};
      client.call(writes[0]);
      overlay.add(std::move(writes));
    }
    assert_true(overlay.apply(reads, replies));
    for (std::size_t i = 0; i < reads.size(); ++i) {
      assert_text(shown(reads[i], replies[i]), shown(reads[i], client.call(reads[i])));
    }
  }
}

int start_redis(void**) {
  redis = new RedisServer;
  return 0;
}
int stop_redis(void**) {
  delete redis;
  return 0;
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(it_tells_what_redis_would_reply),
  };
  return cmocka_run_group_tests_name("redis: overlay", tests, start_redis, stop_redis);
}
