// Accounts and tokens (DESIGN "Keyspace"): a token carries its account, so the server knows the keys of a
// request from the token alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "email.hpp"

namespace wallet_sync {

// The first 12 bytes of SHA-256(normalized e-mail) in hex: 24 digits.
class AccountId {
 public:
  static AccountId of(const Email& email);
  const std::string& hex() const { return hex_; }
  bool operator==(const AccountId&) const = default;

 private:
  friend class Token;
  explicit AccountId(std::string hex) : hex_(std::move(hex)) {}
  std::string hex_;
};

// 64 lower-case hex digits: the account's 24 and 40 random ones. Auth tokens and e-mail verification tokens
// alike.
class Token {
 public:
  // nullopt if there is no randomness.
  static std::optional<Token> generate(const AccountId& account);
  // nullopt unless `text` has the form of a token (exact, case-sensitive): such a token was never issued.
  static std::optional<Token> parse(std::string_view text);

  const std::string& text() const { return text_; }
  AccountId account() const { return AccountId(text_.substr(0, 24)); }
  // SHA-256 in hex: what is stored, tokens never are.
  std::string digest() const;

 private:
  explicit Token(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

}  // namespace wallet_sync
