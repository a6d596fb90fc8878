// The names of everything we keep in Redis; nothing else makes a key.
//
//   <prefix>:{acct}            hash     the account
//   <prefix>:{acct}:wallet     hash     sequence, hmac, wallet, write (id of the write), updated
//   <prefix>:{acct}:tokens     hash     SHA-256(token) → "<expiry> <scope> <device>"
//   <prefix>:{acct}:failures   integer  failed logins; expires with the window
//   <prefix>:{acct}:events     channel  wallet updates, "password-changed"
//   <prefix>:next-user-id      integer  INCR
//
// {acct} is the account id in hex. The braces are a Redis Cluster hash tag: all keys of an account live in one
// slot, so a transaction on them works on a cluster.
#pragma once

#include <string>

#include "token.hpp"

namespace wallet_sync {

class Keyspace {
 public:
  explicit Keyspace(std::string prefix) : prefix_(std::move(prefix)) {}

  std::string account(const AccountId& id) const { return prefix_ + ":{" + id.hex() + "}"; }
  std::string wallet(const AccountId& id) const { return account(id) + ":wallet"; }
  std::string tokens(const AccountId& id) const { return account(id) + ":tokens"; }
  std::string failures(const AccountId& id) const { return account(id) + ":failures"; }
  std::string events(const AccountId& id) const { return account(id) + ":events"; }
  std::string next_user_id() const { return prefix_ + ":next-user-id"; }

 private:
  std::string prefix_;
};

}  // namespace wallet_sync
