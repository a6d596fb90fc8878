#include "import_row.hpp"

#include <algorithm>
#include <limits>

#include "datetime.hpp"
#include "encoding.hpp"

using namespace wallet_sync;

const char* const kRowsSql =
    "SELECT a.user_id, a.email, a.normalized_email, a.key, a.server_salt, a.client_salt_seed, "
    "a.verify_token, "
    "a.verify_expiration, a.created, a.updated, w.encrypted_wallet, w.sequence, w.hmac, w.updated, w.user_id "
    "FROM accounts a LEFT JOIN wallets w ON w.user_id = a.user_id ORDER BY a.user_id";

namespace {

enum Column {
  user_id,
  email,
  normalized_email,
  key,
  server_salt,
  client_salt_seed,
  verify_token,
  verify_expiration,
  created,
  updated,
  encrypted_wallet,
  sequence,
  hmac,
  wallet_updated,
  wallet_user_id
};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  return text;
}

// nullopt: it is not so many digits.
std::optional<std::string> hex_digits(std::string text, std::size_t count) {
  return text.size() == count && is_hex(text) ? std::make_optional(lower(std::move(text))) : std::nullopt;
}

// The reason why the wallet cannot be taken; empty: it is taken, or there is none.
std::string read_wallet(const Statement& row, ImportedAccount& imported) {
  if (row.is_null(wallet_user_id)) {
    return {};
  }
  Wallet wallet{0, row.text(encrypted_wallet), row.text(hmac)};
  const std::int64_t number = row.is_integer(sequence) ? row.integer(sequence) : 0;
  if (number < 1 || number > std::numeric_limits<Sequence>::max()) {
    return "its wallet's sequence is none from 1 to 4294967295";
  }
  if (wallet.encrypted.empty() || wallet.hmac.empty()) {
    return "its wallet or the hmac is empty";
  }
  if (!is_utf8(wallet.encrypted) || !is_utf8(wallet.hmac)) {
    return "its wallet or the hmac is no text";
  }
  const auto time = parse_datetime(row.text(wallet_updated));
  if (!time && !row.is_null(wallet_updated)) {
    return "it is not readable when its wallet was changed";
  }
  wallet.sequence = static_cast<Sequence>(number);
  imported.wallet = std::move(wallet);
  imported.wallet_updated = time.value_or(imported.updated);
  return {};
}

}  // namespace

Row read_row(const Statement& statement, std::uint32_t unverified_lifetime) {
  Row row;
  row.user_id = statement.integer(user_id);
  row.email = statement.text(email);
  const auto address = Email::parse(row.email);
  const auto digits = hex_digits(statement.text(key), 64);
  auto salt = hex_digits(statement.text(server_salt), 32);
  const std::string seed = statement.text(client_salt_seed);
  const auto created_at = parse_datetime(statement.text(created));
  const auto updated_at = parse_datetime(statement.text(updated));
  const auto expires_at = parse_datetime(statement.text(verify_expiration));
  if (!address) {
    row.refused = "its address is none that this server accepts";
  } else if (!digits || !salt) {
    row.refused = "its key is not 32 bytes in hex, or its server_salt not 16";
  } else if (!seed.empty() && (seed.size() != 64 || !is_hex(seed))) {
    row.refused = "its client_salt_seed is not 32 bytes in hex";
  } else if (!created_at || !updated_at) {
    row.refused = "it is not readable when it was created or updated";
  } else if (!expires_at && !statement.is_null(verify_expiration)) {
    row.refused = "its verify_expiration is not readable";
  } else if (row.user_id < 1) {
    row.refused = "its user_id is not above 0";
  }
  if (!row.refused.empty()) {
    return row;
  }
  row.other_normalization = statement.text(normalized_email) != address->normalized();
  const bool verified = statement.is_null(verify_token);
  // That server's scrypt: N=2^15, r=8, p=1. The tag says so for ever.
  PasswordHash password{PasswordKey{ScryptCost{1U << 15, 8, 1}, *digits}.text(), *std::move(salt)};
  row.imported = ImportedAccount{*address,
                                 Account{row.email, row.user_id, std::move(password), seed, verified},
                                 *created_at,
                                 *updated_at,
                                 expires_at.value_or(ImportedTime{}),
                                 unverified_lifetime,
                                 std::nullopt,
                                 {}};
  row.wallet_refused = read_wallet(statement, *row.imported);
  return row;
}
