// Times as SQLite databases keep them: text in UTC, "2026-01-31 12:00:00.123456789+00:00", the fraction and
// the offset as it pleases.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "import_store.hpp"

// nullopt: it is no such text.
std::optional<wallet_sync::ImportedTime> parse_datetime(std::string_view text);
// "2026-01-31 12:00:00+00:00".
std::string format_datetime(wallet_sync::UnixTime time);
