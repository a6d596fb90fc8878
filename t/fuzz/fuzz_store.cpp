// The store against a Redis that is honest, late, broken or hostile, as the input says. Whatever it answers,
// nothing crashes and every operation ends; nothing is acknowledged without a transaction that was said to
// have run; and against one that is only unlucky (errors, lost replies, silence), what is acknowledged is
// there.
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "manual_loop.hpp"
#include "redis_store.hpp"

using namespace wallet_sync;

namespace {

constexpr UnixTime kNow = 1'700'000'000;
constexpr LoginLimit kLimit{3, 900};

Email an_email() { return *Email::parse("x@example.com"); }
Token a_token() { return *Token::parse(AccountId::of(an_email()).hex() + std::string(40, 'a')); }
PasswordHash a_hash() { return {std::string(64, '1'), std::string(32, '2')}; }

struct Quiet : Monitor {
  void warn(std::string_view line) override { PROPERTY(line.find('\n') == line.npos); }
  void notice(std::string_view) override {}
  void count(Counter) override {}
};

using Words = std::vector<std::string>;

// Everything that is complete, and no more.
std::vector<Words> commands_of(std::string_view wire) {
  std::vector<Words> commands;
  const auto number = [&] {
    const std::size_t end = wire.find("\r\n");
    const auto value = static_cast<std::size_t>(std::stoul(std::string(wire.substr(1, end - 1))));
    wire.remove_prefix(end + 2);
    return value;
  };
  while (!wire.empty()) {
    Words words(number());
    for (std::string& word : words) {
      const std::size_t size = number();
      word = wire.substr(0, size);
      wire.remove_prefix(size + 2);
    }
    commands.push_back(std::move(words));
  }
  return commands;
}

std::string joined(const Words& words) {
  std::string text;
  for (const std::string& word : words) {
    text.append(word).append("|");
  }
  return text;
}

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

// Hashes and counters; expiries are never over.
class Data {
 public:
  std::map<std::string, std::map<std::string, std::string>> hashes;
  std::map<std::string, long long> counters;

  std::string run(const Words& words) {
    const std::string& name = words[0];
    if (name == "HGET") {
      return value(words[1], words[2]);
    }
    if (name == "HMGET") {
      std::string reply = "*" + std::to_string(words.size() - 2) + "\r\n";
      for (std::size_t i = 2; i < words.size(); ++i) {
        reply += value(words[1], words[i]);
      }
      return reply;
    }
    if (name == "HGETALL") {
      std::string reply = "*" + std::to_string(2 * hashes[words[1]].size()) + "\r\n";
      for (const auto& [field, text] : hashes[words[1]]) {
        reply += bulk(field) + bulk(text);
      }
      return reply;
    }
    if (name == "GET") {
      const auto found = counters.find(words[1]);
      return found == counters.end() ? "$-1\r\n" : bulk(std::to_string(found->second));
    }
    if (name == "TTL") return counters.contains(words[1]) ? ":900\r\n" : ":-2\r\n";
    if (name == "INCR") return ":" + std::to_string(++counters[words[1]]) + "\r\n";
    if (name == "HSET") {
      for (std::size_t i = 2; i + 1 < words.size(); i += 2) {
        hashes[words[1]][words[i]] = words[i + 1];
      }
      return ":1\r\n";
    }
    if (name == "HDEL") {
      for (std::size_t i = 2; i < words.size(); ++i) {
        hashes[words[1]].erase(words[i]);
      }
      return ":1\r\n";
    }
    if (name == "DEL") {
      for (std::size_t i = 1; i < words.size(); ++i) {
        hashes.erase(words[i]);
        counters.erase(words[i]);
      }
      return ":1\r\n";
    }
    if (name == "HELLO")
      return "*4\r\n" + bulk("version") + bulk("7.0.15") + bulk("mode") + bulk("standalone");
    if (name == "PING") return "+PONG\r\n";
    if (name == "ROLE") return "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n";
    if (name == "WATCH" || name == "UNWATCH" || name == "MULTI") return "+OK\r\n";
    return ":0\r\n";  // PUBLISH, EXPIRE, EXPIREAT, PERSIST
  }

 private:
  std::string value(const std::string& key, const std::string& field) {
    const auto hash = hashes.find(key);
    if (hash == hashes.end() || !hash->second.contains(field)) {
      return "$-1\r\n";
    }
    return bulk(hash->second[field]);
  }
};

// One connection's end at the server.
struct Session {
  bool accepted = false;
  bool in_multi = false;
  bool proper = true;  // of the transaction: MULTI and what was queued were answered as they should be
  std::vector<Words> queued;
};

// All connections' ends, and what was said over them.
class Redis {
 public:
  explicit Redis(Input& script) : script_(script) {}

  Data data;
  std::string ran;        // commands of transactions that took effect, or were said to
  bool odd = false;       // it was not honest once
  bool nonsense = false;  // it has answered what Redis would not
  bool noise = false;     // and even bytes that are no reply, or several

  // Lets everything that waits for this peer happen.
  void serve(Peer& peer, Session& session) {
    if (!session.accepted) {
      session.accepted = true;
      if (script_.byte() % 8 == 7) {
        odd = true;
        return peer.refuses();
      }
      peer.accepts();
    }
    std::string reply;
    for (const Words& words : commands_of(peer.heard())) {
      reply += answer(session, words);
      if (hang_up_) {
        break;
      }
    }
    if (!reply.empty()) {
      peer.says(reply);
    }
    if (std::exchange(hang_up_, false)) {
      peer.hangs_up();
    }
  }

 private:
  std::string answer(Session& session, const Words& words) {
    const std::uint8_t act = script_.byte();
    if (words[0] == "EXEC") {
      return exec(session, act);
    }
    const bool queueing = session.in_multi;
    if (words[0] == "MULTI") {
      session = {.accepted = true, .in_multi = true, .proper = true, .queued = {}};
    } else if (queueing) {
      session.queued.push_back(words);
    }
    if (act < 160) {
      return queueing ? "+QUEUED\r\n" : data.run(words);
    }
    std::string reply = odd_reply(act);
    session.proper = session.proper && reply == (queueing ? "+QUEUED\r\n" : "+OK\r\n");
    return reply;
  }

  std::string exec(Session& session, std::uint8_t act) {
    const Session transaction = std::exchange(session, {.accepted = true, .queued = {}});
    std::string commands;
    for (const Words& words : transaction.queued) {
      commands += joined(words);
    }
    if (act < 100 && !transaction.proper) {
      return "-EXECABORT Transaction discarded because of previous errors.\r\n";
    }
    if (act < 130) {  // it runs
      std::string results = "*" + std::to_string(transaction.queued.size()) + "\r\n";
      for (const Words& words : transaction.queued) {
        results += data.run(words);
      }
      ran += commands + "\n";
      if (act >= 100) {  // and nobody hears of it
        odd = true;
        hang_up_ = true;
        nonsense |= !transaction.proper;
        return "";
      }
      return results;
    }
    odd = true;
    if (act < 160) return "*-1\r\n";
    std::string reply = odd_reply(act);
    if (transaction.proper && reply.starts_with("*" + std::to_string(transaction.queued.size()) + "\r\n")) {
      ran += commands + "\n";  // or so it says
    }
    return reply;
  }

  std::string odd_reply(std::uint8_t act) {
    odd = true;
    switch (act % 12) {
      case 0: return "-READONLY You can't write against a read only replica.\r\n";
      case 1: return "-OOM command not allowed\r\n";
      case 2: return "-LOADING Redis is loading the dataset in memory\r\n";
      case 3: hang_up_ = true; return "";
      default: break;
    }
    nonsense = true;
    switch (act % 12) {
      case 4: return "$-1\r\n";
      case 5: return ":" + std::to_string(static_cast<std::int8_t>(script_.byte())) + "\r\n";
      case 6: return "+OK\r\n";
      case 7: return "+QUEUED\r\n";
      case 8: return bulk(script_.take(script_.byte() % 80));
      case 9: {
        const std::size_t size = script_.byte() % 8;
        std::string reply = "*" + std::to_string(size) + "\r\n";
        for (std::size_t i = 0; i < size; ++i) {
          const std::uint8_t kind = script_.byte();
          reply += kind < 128   ? bulk(script_.take(kind % 32))
                   : kind < 192 ? "$-1\r\n"
                   : kind < 224 ? ":9223372036854775807\r\n"
                   : kind < 240 ? "*0\r\n"
                                : "-WRONGTYPE Operation against a key\r\n";
        }
        return reply;
      }
      case 10: return "*0\r\n";
      default: noise = true; return std::string(script_.take(script_.byte() % 64));
    }
  }

  Input& script_;
  bool hang_up_ = false;
};

enum class End { nothing_written, acknowledged, anything, failed };  // failed: nothing is written, either

template <typename T>
Task<End> end_of(Task<Result<T>> operation, bool (*acknowledges)(const T&)) {
  auto result = co_await std::move(operation);
  if (!result) {
    const bool perhaps = result.error() == StoreError::unknown || result.error() == StoreError::internal;
    co_return perhaps ? End::anything : End::failed;
  }
  co_return acknowledges(*result) ? End::acknowledged : End::nothing_written;
}

template <typename T>
Task<End> end_of_read(Task<Result<T>> operation) {
  auto result = co_await std::move(operation);
  co_return result ? End::nothing_written : End::failed;
}

// An operation and what its transaction is recognized by.
struct Operation {
  Task<End> task;
  std::string mark;
  bool reads_back = true;  // it knows its own write again after a lost reply
};

Operation start(RedisStore& store, Input& input, int number) {
  const AccountId id = a_token().account();
  const Keyspace& keys = store.keys();
  const std::string mark = "mark-" + std::to_string(number) + std::string(26, '0');
  const auto yes = [](const bool& done) { return done; };
  const std::uint8_t kind = input.byte();
  const auto sequence = static_cast<Sequence>(input.byte() % 4);
  switch (kind % 13) {
    case 0:
    case 1:
      return {end_of<PutOutcome>(store.put_wallet(a_token(), {sequence, mark, "mac"}, kNow),
                                 [](const PutOutcome& o) { return o == PutOutcome::stored; }),
              mark};
    case 2:
      return {end_of<LoginResult>(store.save_token(id, CheckedPassword{a_hash(), ""},
                                                   {mark, "phone", kNow + 9}, kLimit, kNow),
                                  [](const LoginResult& r) { return r.outcome == LoginOutcome::saved; }),
              mark};
    case 3: {
      PasswordChange change{a_hash(), {std::string(64, '3'), mark}, std::string(64, '4'), std::nullopt};
      if (sequence > 0) {
        change.wallet = Wallet{sequence, "sealed", "mac"};
      }
      return {end_of<ChangeResult>(store.change_password(id, change, kLimit, kNow),
                                   [](const ChangeResult& r) { return r.outcome == ChangeOutcome::changed; }),
              mark};
    }
    case 4:
      return {
          end_of<bool>(store.create_account(id, {"x@example.com", 0, {std::string(64, '3'), mark}, "", true},
                                            std::nullopt, kNow),
                       yes),
          mark};
    case 5:
      return {end_of<bool>(store.verify(a_token(), kNow), yes), "verified-by|" + a_token().digest().text()};
    case 6:
      return {end_of<Renewal>(store.renew_verification(an_email(), {mark, kNow + 9}, 60, kNow),
                              [](const Renewal& r) { return r.outcome == ResendOutcome::renewed; }),
              mark};
    case 7:
      return {end_of<bool>(store.remove_unverified(id, {a_token().digest().text(), 0}), yes),
              "DEL|" + keys.account(id).text() + "|", false};
    case 8:
      return {end_of<bool>(store.forget_renewal(id, {a_token().digest().text(), 0}), yes),
              "HDEL|" + keys.account(id).text() + "|resent|", false};
    case 9: return {end_of_read(store.get_wallet(a_token(), kNow)), ""};
    case 10: return {end_of_read(store.read_login(an_email())), ""};
    case 11: return {end_of_read(store.read_standing(a_token(), kNow)), ""};
    default: return {end_of_read(store.count_failed_login(id, 900)), ""};
  }
}

void fill(Data& data, const Keyspace& keys, std::uint8_t what) {
  const AccountId id = a_token().account();
  if ((what & 1) == 0) {
    data.hashes[keys.account(id).text()] = {{"email", "x@example.com"},
                                            {"user-id", "1"},
                                            {"password-key", a_hash().key},
                                            {"password-salt", a_hash().salt},
                                            {"client-salt-seed", ""},
                                            {"verified", (what & 2) == 0 ? "1" : "0"},
                                            {"verify-token", a_token().digest().text()},
                                            {"verify-expires", "1800000000"},
                                            {"resent", "1600000000"}};
  }
  if ((what & 4) == 0) {
    data.hashes[keys.tokens(id).text()][a_token().digest().text()] = "1900000000 * device";
  }
  if ((what & 8) != 0) {
    data.hashes[keys.wallet(id).text()] = {
        {"sequence", "1"}, {"hmac", "mac"}, {"wallet", "sealed"}, {"write", "x.1"}};
  }
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) {
    ++found;
  }
  return found;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  Server server;
  server.host = "192.0.2.1";
  server.links = 1;
  server.lanes = 1;
  Quiet monitor;
  ManualLoop loop;
  RedisStore store(loop, server, monitor);
  Redis redis(input);
  fill(redis.data, store.keys(), input.byte());

  std::vector<Operation> operations;
  const int wanted = 1 + static_cast<int>(input.choice(4));
  for (int i = 0; i < wanted; ++i) {
    operations.push_back(start(store, input, i));
    operations.back().task.start();
  }
  const auto over = [&] {
    return std::all_of(operations.begin(), operations.end(), [](const auto& o) { return o.task.done(); });
  };

  std::vector<std::unique_ptr<Session>> sessions;
  for (int turn = 0; turn < 200 && !over(); ++turn) {
    loop.run_posted();
    for (std::size_t i = 0; i < loop.peers(); ++i) {
      if (i == sessions.size()) {
        sessions.push_back(std::make_unique<Session>());
      }
      if (!loop.peer(i).closed()) {
        redis.serve(loop.peer(i), *sessions[i]);
      }
    }
    loop.pass(10);
  }
  loop.pass(20'000);  // nobody waits for ever
  PROPERTY(over());

  for (Operation& operation : operations) {
    const End end = operation.task.take();
    PROPERTY(redis.odd || end == End::nothing_written ||
             end == End::acknowledged);  // an honest one serves all
    if (operation.mark.empty()) {
      continue;
    }
    const std::size_t ran = count(redis.ran, operation.mark);
    PROPERTY(end != End::acknowledged || ran > 0 || redis.noise);
    if (!redis.nonsense && operations.size() == 1 && operation.reads_back) {
      PROPERTY(ran <= 1);
      PROPERTY(end == End::acknowledged || end == End::anything || ran == 0);
    }
  }
  return 0;
}
