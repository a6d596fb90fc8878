// What a right password allows: a token, or another password. The KDF ran before WATCH, so both transactions
// make sure that the account's key is still the one the password was checked against.
#include <algorithm>
#include <utility>
#include <vector>

#include "records.hpp"
#include "redis_store.hpp"
#include "verdict.hpp"

namespace wallet_sync {
namespace {

// More devices than anybody has. Every login reads all tokens of the account, so their number has to have a
// bound.
constexpr std::size_t kMaxTokens = 1000;

// An expired token is of no use to its device, but a machine whose clock is ahead must not take others' away.
constexpr UnixTime kClocksDiffer = 24 * 3600;

// Digests of the tokens that give way to a new one: the device's former one, all that expired long ago, and
// of too many those that expire first.
std::vector<std::string> outdated(const Reply& tokens, const std::string& device, UnixTime now) {
  std::vector<std::string> digests;
  std::vector<std::pair<UnixTime, const std::string*>> kept;
  for (std::size_t i = 0; i + 1 < tokens.elements.size(); i += 2) {
    const std::string& digest = tokens.elements[i].text;
    const auto record = TokenRecord::parse(tokens.elements[i + 1].text);
    if (!record || record->device == device || record->expires + kClocksDiffer <= now) {
      digests.push_back(digest);
    } else {
      kept.emplace_back(record->expires, &digest);
    }
  }
  if (kept.size() >= kMaxTokens) {
    const auto excess = static_cast<std::ptrdiff_t>(kept.size() - kMaxTokens + 1);
    std::partial_sort(kept.begin(), kept.begin() + excess, kept.end());
    for (auto first = kept.begin(); first != kept.begin() + excess; ++first) {
      digests.push_back(*first->second);
    }
  }
  return digests;
}

bool holds_token(const Reply& tokens, const std::string& digest) {
  for (std::size_t i = 0; i + 1 < tokens.elements.size(); i += 2) {
    if (tokens.elements[i].text == digest) {
      return true;
    }
  }
  return false;
}

}  // namespace

Task<Result<LoginResult>> RedisStore::save_token(AccountId id, CheckedPassword checked, NewToken token,
                                                 LoginLimit limit, UnixTime now) {
  token.device = Digest::of(token.device).text();  // a name may be long, and it is only ever compared
  Look look;
  look.watch = {keys_.account(id).text(), keys_.tokens(id).text()};
  look.reads.push_back(PasswordFields::read(keys_.account(id)));
  look.reads.emplace_back("GET", keys_.failures(id));
  look.reads.emplace_back("TTL", keys_.failures(id));
  look.reads.emplace_back("HGETALL", keys_.tokens(id));
  auto decide = [&](Seen seen, bool maybe_written) -> Result<Decision<LoginResult>> {
    const Reply& tokens = seen[3];
    if (maybe_written && holds_token(tokens, token.digest)) {
      return Decision<LoginResult>{{LoginOutcome::saved}, {}};
    }
    const FailedLogins failed = read_failures(seen[1], seen[2]);
    switch (judge(seen[0], failed, checked.stored, limit)) {
      case Verdict::same: break;
      case Verdict::changed: return Decision<LoginResult>{{LoginOutcome::credentials_changed}, {}};
      case Verdict::locked:
        return Decision<LoginResult>{{LoginOutcome::too_many_failures, failed.seconds_left}, {}};
      case Verdict::nonsense: return StoreError::internal;
    }
    Decision<LoginResult> accepted{{LoginOutcome::saved}, {}};
    // Not if another login has been faster: its key may be dearer than ours.
    const auto current = PasswordFields::of(seen[0]);
    if (!checked.renewed_key.empty() && current && current->text<"password-key">() == checked.stored.key) {
      accepted.writes.emplace_back("HSET", keys_.account(id), "password-key", checked.renewed_key, "updated",
                                   now);
    }
    if (const auto old = outdated(tokens, token.device, now); !old.empty()) {
      Command drop("HDEL", keys_.tokens(id));
      for (const std::string& digest : old) {
        drop.add(digest);
      }
      accepted.writes.push_back(std::move(drop));
    }
    const TokenRecord record{token.expires, "*", token.device};
    accepted.writes.emplace_back("HSET", keys_.tokens(id), token.digest, record.text());
    accepted.writes.emplace_back("DEL", keys_.failures(id));
    return accepted;
  };
  co_return co_await change<LoginResult>(id, std::move(look), decide);
}

// The password, the salt seed, the wallet and every token in one MULTI. Whoever holds an old token, or
// checked the old password a moment ago, watches one of these keys and finds it changed.
Task<Result<ChangeResult>> RedisStore::change_password(AccountId id, PasswordChange wanted, LoginLimit limit,
                                                       UnixTime now) {
  Look look;
  look.watch = {keys_.account(id).text(), keys_.wallet(id).text(), keys_.tokens(id).text()};
  look.weight = wanted.wallet ? wanted.wallet->encrypted.size() : 0;
  look.reads.push_back(PasswordFields::read(keys_.account(id)));
  look.reads.emplace_back("GET", keys_.failures(id));
  look.reads.emplace_back("TTL", keys_.failures(id));
  look.reads.push_back(WalletStateFields::read(keys_.wallet(id)));
  const std::string write = next_write_id();
  auto decide = [&](Seen seen, bool maybe_written) -> Result<Decision<ChangeResult>> {
    const auto current = read_wallet_state(seen[3]);
    if (!current) {
      return StoreError::internal;
    }
    // The new salt is random and ours alone; the wallet's mark stays when the password is changed again.
    const auto password = PasswordFields::of(seen[0]);
    const bool ours = password && password->text<"password-salt">() == wanted.replacement.salt;
    if (maybe_written && (ours || holds_mark(current->marks, write))) {
      return Decision<ChangeResult>{{ChangeOutcome::changed}, {}};
    }
    const FailedLogins failed = read_failures(seen[1], seen[2]);
    switch (judge(seen[0], failed, wanted.checked, limit)) {
      case Verdict::same: break;
      case Verdict::changed: return Decision<ChangeResult>{{ChangeOutcome::credentials_changed}, {}};
      case Verdict::locked:
        return Decision<ChangeResult>{{ChangeOutcome::too_many_failures, failed.seconds_left}, {}};
      case Verdict::nonsense: return StoreError::internal;
    }
    if (wanted.wallet &&
        (current->sequence == 0 || wanted.wallet->sequence != std::uint64_t{current->sequence} + 1)) {
      return Decision<ChangeResult>{{ChangeOutcome::bad_sequence}, {}};
    }
    if (!wanted.wallet && current->sequence > 0) {
      return Decision<ChangeResult>{{ChangeOutcome::wallet_missing_in_request}, {}};
    }
    Decision<ChangeResult> accepted{{ChangeOutcome::changed}, {}};
    accepted.writes.emplace_back("HSET", keys_.account(id), "password-key", wanted.replacement.key,
                                 "password-salt", wanted.replacement.salt, "client-salt-seed",
                                 wanted.client_salt_seed, "updated", now);
    if (wanted.wallet) {
      accepted.writes.push_back(write_wallet(id, *wanted.wallet, current->marks, write, now));
    }
    accepted.writes.emplace_back("DEL", keys_.tokens(id), keys_.failures(id));
    accepted.writes.push_back(publish(id, kPasswordChanged));
    return accepted;
  };
  co_return co_await change<ChangeResult>(id, std::move(look), decide);
}

}  // namespace wallet_sync
