// An e-mail address as the protocol accepts it (PROTOCOL "Values"): one bare RFC 5322 addr-spec,
// dot-atom "@" dot-atom, UTF-8 allowed on both sides (RFC 6532).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace wallet_sync {

class Email {
 public:
  // nullopt when `text` is anything but one bare address, and when it has a character beyond ASCII whose
  // lower case is within (the Kelvin sign's is k): as an account it would be another owner's address.
  static std::optional<Email> parse(std::string_view text);

  // The address as its owner wrote it.
  const std::string& spelling() const { return spelling_; }
  // Unicode simple lower case of the spelling: what makes two addresses the same account.
  const std::string& normalized() const { return normalized_; }
  // Whether that is the lower case of another spelling, too.
  bool is_also_spelled(std::string_view other) const;

 private:
  Email(std::string spelling, std::string normalized)
      : spelling_(std::move(spelling)), normalized_(std::move(normalized)) {}
  std::string spelling_;
  std::string normalized_;
};

}  // namespace wallet_sync
