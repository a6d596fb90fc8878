// The names of everything we keep in Redis; nothing else makes a key.
//
//   <prefix>:{acct}            hash     the account: email (as its owner wrote it), user-id, password-key
//                                       (PasswordKey's text), password-salt, client-salt-seed, verified (1 or
//                                       0), created, updated; while it is not verified verify-token
//                                       (SHA-256), verify-expires and resent, then verified-by; revoked (id
//                                       of the write) once its tokens were revoked by hand; of an imported
//                                       one what import_store.hpp lists
//   <prefix>:{acct}:wallet     hash     sequence, hmac, wallet, write (id of the write), updated
//   <prefix>:{acct}:tokens     hash     SHA-256(token) → "<expiry> <scope> SHA-256(device)"
//   <prefix>:{acct}:failures   integer  failed logins; expires with the window
//   <prefix>:{acct}:events     channel  the sequence of each new wallet, or kPasswordChanged
//   <prefix>:heartbeat         channel  nothing; subscribing to it again shows that the connection lives
//   <prefix>:next-user-id      integer  INCR; in a cluster only what a single Redis has left there
//   <prefix>:{N}:user-ids      hash     in a cluster: last: how many ids the slot of the tag N has given away
//   <any of them>:confirmed    nothing, ever: INCR and DEL of it in one transaction make WAIT wait
//   <prefix>:probe             nothing, ever: DEL and SET XX of it show whether Redis takes writes
//   <prefix>:{N}:probe         the same in a cluster, for the master of a slot
//   <prefix>:schema            integer  the version of all this, see schema.hpp
//   <prefix>:whitelist         hash     normalized address → since when it may sign up, for
//                                       `wallet_sync_accounts whitelist stored`
//
// An account that is not verified may have an expiry (EXPIRE when it is made, PERSIST in the transaction that
// verifies it); a verified one never has. Redis forgets it by itself, with its own clock, and whatever asks
// for it then finds none. One that expires between WATCH and EXEC has been changed (Redis 6.0.9), so no
// transaction writes a part of an account where there is none any more; within an EXEC time stands still. The
// other keys of an account exist for verified ones alone, but for the failures, which expire anyway.
//
// {acct} is the account id in hex. The braces are a Redis Cluster hash tag: all keys of an account live in
// one slot, so a transaction on them works on a cluster.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "slots.hpp"
#include "token.hpp"

namespace wallet_sync {

// What else than a sequence is told on an account's channel: why nobody is logged in any more.
inline constexpr std::string_view kPasswordChanged = "password-changed";
inline constexpr std::string_view kTokensRevoked = "tokens-revoked";
inline constexpr std::string_view kAccountDeleted = "account-deleted";

// A key of an account in the parts that it is made of, so that it is put together where it is written: in a
// command. The keyspace has to outlive it.
class AccountKey {
 public:
  AccountKey(std::string_view prefix, const AccountId& account, std::string_view part)
      : prefix_(prefix), account_(account), part_(part) {}

  std::size_t size() const { return prefix_.size() + AccountId::kDigits + part_.size() + 3; }
  void append_to(std::string& text) const {
    text.append(prefix_).append(":{").append(account_.view()).append("}").append(part_);
  }
  std::string text() const {
    std::string key;
    key.reserve(size());
    append_to(key);
    return key;
  }

 private:
  std::string_view prefix_;
  AccountId account_;
  std::string_view part_;
};

class Keyspace {
 public:
  explicit Keyspace(std::string prefix) : prefix_(std::move(prefix)) {}

  AccountKey account(const AccountId& id) const { return {prefix_, id, ""}; }
  AccountKey wallet(const AccountId& id) const { return {prefix_, id, ":wallet"}; }
  AccountKey tokens(const AccountId& id) const { return {prefix_, id, ":tokens"}; }
  AccountKey failures(const AccountId& id) const { return {prefix_, id, ":failures"}; }
  AccountKey events(const AccountId& id) const { return {prefix_, id, kEvents}; }

  // The same for an account's hex digits, and back: empty if it is no such channel.
  std::string events_of(std::string_view account) const { return key(account, kEvents); }
  std::string_view account_of_events(std::string_view channel) const {
    const std::size_t before = prefix_.size() + 2;
    return channel.size() > before + AccountId::kDigits ? channel.substr(before, AccountId::kDigits)
                                                        : std::string_view();
  }
  std::string heartbeat() const { return prefix_ + ":heartbeat"; }
  std::string next_user_id() const { return prefix_ + ":next-user-id"; }
  std::string user_ids(std::size_t slot) const { return key(tag_of_slot(slot), ":user-ids"); }
  bool is_user_ids(std::string_view key) const { return key == user_ids(slot_of(key)); }
  static std::string confirmation(const std::string& key) { return key + ":confirmed"; }
  std::string probe() const { return prefix_ + ":probe"; }
  std::string probe(std::size_t slot) const { return key(tag_of_slot(slot), ":probe"); }
  std::string schema() const { return prefix_ + ":schema"; }
  std::string whitelist() const { return prefix_ + ":whitelist"; }

  // Of a key that SCAN found: whose it is, and what follows the braces. nullopt: it is no account's.
  struct Owner {
    AccountId account;
    std::string_view part;
  };
  std::optional<Owner> owner_of(std::string_view key) const {
    const std::size_t digits = prefix_.size() + 2;
    const std::size_t end = digits + AccountId::kDigits;
    const bool ours = key.starts_with(prefix_) && key.substr(prefix_.size()).starts_with(":{") &&
                      key.size() > end && key[end] == '}';
    const auto id = ours ? AccountId::parse(key.substr(digits, AccountId::kDigits)) : std::nullopt;
    return id ? std::make_optional(Owner{*id, key.substr(end + 1)}) : std::nullopt;
  }
  // What MATCH takes for all our keys.
  std::string pattern() const {
    std::string glob;
    for (const char c : prefix_) {
      if (std::string_view("*?[]\\^-").find(c) != std::string_view::npos) {
        glob.push_back('\\');
      }
      glob.push_back(c);
    }
    return glob + ":*";
  }

 private:
  static constexpr std::string_view kEvents = ":events";

  std::string key(std::string_view account, std::string_view suffix) const {
    std::string text;
    text.reserve(prefix_.size() + account.size() + suffix.size() + 3);
    text.append(prefix_).append(":{").append(account).append("}").append(suffix);
    return text;
  }

  std::string prefix_;
};

}  // namespace wallet_sync
