// Hexadecimal, base64 (RFC 4648 section 4) and UTF-8 checks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wallet_sync {

// Lower-case hexadecimal of the bytes.
std::string to_hex(std::string_view bytes);
// The same into memory of twice the size.
void write_hex(std::string_view bytes, char* out);
// Either case; nullopt for an odd length or another character.
std::optional<std::string> from_hex(std::string_view hex);
bool is_hex(std::string_view text);        // only 0-9 a-f A-F; true for the empty text
bool is_lower_hex(std::string_view text);  // only 0-9 a-f

// Standard alphabet, padding required; CR and LF anywhere are skipped (Python's encodebytes adds them),
// any other stray character fails. Unused trailing bits are ignored, as Go's decoder does.
std::optional<std::string> from_base64(std::string_view text);

// Strict: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace wallet_sync
