// One account of the database, with its wallet, as the store takes it.
#pragma once

#include <optional>
#include <string>

#include "import_store.hpp"
#include "sqlite.hpp"

// The columns that read_row() expects.
extern const char* const kRowsSql;

struct Row {
  std::int64_t user_id = 0;
  std::string email;  // as it stands there
  // The reason why it cannot be taken, as a whole; or else `imported` is set.
  std::string refused;
  std::optional<wallet_sync::ImportedAccount> imported;
  // The wallet cannot be taken, but the account can.
  std::string wallet_refused;
  // It was normalized to another address there.
  bool other_normalization = false;
};

Row read_row(const Statement& statement, std::uint32_t unverified_lifetime);
