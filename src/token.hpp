// Accounts and tokens (docs/DESIGN.md, "Keyspace"): a token carries its account, so the server knows the keys
// of a request from the token alone.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "email.hpp"

namespace wallet_sync {

// SHA-256 in lower-case hex.
class Digest {
 public:
  static constexpr std::size_t kDigits = 64;
  static Digest of(std::string_view text);

  std::string_view view() const { return {digits_.data(), digits_.size()}; }
  std::string text() const { return std::string(view()); }

 private:
  std::array<char, kDigits> digits_{};
};

// The first 12 bytes of SHA-256(normalized e-mail) in hex: 24 digits.
class AccountId {
 public:
  static constexpr std::size_t kDigits = 24;
  static AccountId of(const Email& email);
  // nullopt unless these are 24 lower-case hex digits.
  static std::optional<AccountId> parse(std::string_view hex);

  std::string_view view() const { return {digits_.data(), digits_.size()}; }
  std::string hex() const { return std::string(view()); }
  bool operator==(const AccountId&) const = default;

 private:
  friend class Token;
  explicit AccountId(std::string_view digits) { digits.copy(digits_.data(), kDigits); }
  std::array<char, kDigits> digits_{};
};

// 64 lower-case hex digits: the account's 24 and 40 random ones. Auth tokens and e-mail verification tokens
// alike.
class Token {
 public:
  static constexpr std::size_t kDigits = 64;

  // nullopt if there is no randomness.
  static std::optional<Token> generate(const AccountId& account);
  // nullopt unless `text` has the form of a token (exact, case-sensitive): such a token was never issued.
  static std::optional<Token> parse(std::string_view text);

  std::string_view text() const { return {digits_.data(), digits_.size()}; }
  AccountId account() const { return AccountId(text().substr(0, AccountId::kDigits)); }
  // What is stored, tokens never are.
  Digest digest() const { return Digest::of(text()); }

 private:
  explicit Token(std::string_view digits) { digits.copy(digits_.data(), kDigits); }
  std::array<char, kDigits> digits_{};
};

}  // namespace wallet_sync
