#include "records.hpp"

#include <algorithm>
#include <limits>

namespace wallet_sync {

std::string TokenRecord::text() const {
  std::string text = std::to_string(expires);
  text.append(" ").append(scope).append(" ").append(device);
  return text;
}

std::optional<TokenRecord> TokenRecord::parse(std::string_view text) {
  const std::size_t first = text.find(' ');
  const std::size_t second = first == text.npos ? text.npos : text.find(' ', first + 1);
  if (second == text.npos) {
    return std::nullopt;
  }
  const auto expires = to_integer(text.substr(0, first));
  if (!expires) {
    return std::nullopt;
  }
  return TokenRecord{*expires, text.substr(first + 1, second - first - 1), text.substr(second + 1)};
}

TokenState token_state(const Reply& record, UnixTime now) {
  const auto parsed = record.is_text() ? TokenRecord::parse(record.text) : std::nullopt;
  if (!parsed || parsed->expires <= now) {
    return TokenState::unknown;
  }
  return parsed->scope == "*" ? TokenState::valid : TokenState::wrong_scope;
}

bool read_account(const Reply& reply, std::optional<Account>& account) {
  const auto fields = AccountFields::of(reply);
  if (!fields) {
    return false;
  }
  if (!fields->has<"email">()) {
    return true;
  }
  const auto id = to_integer(fields->text<"user-id">());
  if (!id || !fields->get<"email">().is_text() || !fields->get<"password-key">().is_text() ||
      !fields->get<"password-salt">().is_text()) {
    return false;
  }
  account = Account{fields->text<"email">(),
                    *id,
                    {fields->text<"password-key">(), fields->text<"password-salt">()},
                    fields->text<"client-salt-seed">(),
                    fields->text<"verified">() == kVerified};
  return true;
}

std::uint32_t read_seconds_left(const Reply& ttl) {
  constexpr std::int64_t kMost = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(ttl.integer, 0, kMost));
}

FailedLogins read_failures(const Reply& count, const Reply& ttl) {
  return {to_integer(count.text).value_or(0), read_seconds_left(ttl)};
}

std::optional<FailedLogins> read_counted_failure(const Reply& exec) {
  if (!exec.is_array(3) || exec.elements[0].type != Reply::Type::integer) {
    return std::nullopt;
  }
  return FailedLogins{exec.elements[0].integer, read_seconds_left(exec.elements[2])};
}

std::optional<Sequence> read_sequence(const Reply& reply) {
  if (reply.type != Reply::Type::array || reply.elements.empty()) {
    return std::nullopt;
  }
  if (reply.elements[0].is_nil()) {
    return 0;
  }
  const auto sequence = to_integer(reply.elements[0].text);
  if (!sequence || *sequence < 1 || *sequence > std::numeric_limits<Sequence>::max()) {
    return std::nullopt;
  }
  return static_cast<Sequence>(*sequence);
}

std::optional<WalletState> read_wallet_state(const Reply& reply) {
  const auto sequence = read_sequence(reply);
  const auto fields = WalletStateFields::of(reply);
  if (!sequence || !fields) {
    return std::nullopt;
  }
  return WalletState{*sequence, fields->text<"write">()};
}

bool holds_mark(std::string_view marks, std::string_view write) {
  for (std::size_t at = 0; at < marks.size();) {
    const std::size_t end = std::min(marks.find(' ', at), marks.size());
    if (marks.substr(at, end - at) == write) {
      return true;
    }
    at = end + 1;
  }
  return false;
}

std::string add_mark(std::string_view marks, std::string_view write) {
  constexpr std::size_t kFormerMarks = 4;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < kFormerMarks && kept < marks.size(); ++i) {
    kept = std::min(marks.find(' ', kept + 1), marks.size());
  }
  std::string all(write);
  if (kept > 0) {
    all.append(" ").append(marks.substr(0, kept));
  }
  return all;
}

bool read_wallet(Reply& reply, std::optional<ShownWallet>& wallet) {
  const auto sequence = read_sequence(reply);
  if (!sequence || !reply.is_array(3)) {
    return false;
  }
  if (*sequence > 0) {
    if (!reply.elements[1].is_text() || !reply.elements[2].is_text()) {
      return false;
    }
    wallet.emplace(ShownWallet{*sequence, reply.elements[2].text, reply.elements[1].text});
  }
  return true;
}

}  // namespace wallet_sync
