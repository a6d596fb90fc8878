// The values of requests by themselves: UTF-8, hexadecimal, base64, e-mail addresses, query strings, tokens,
// and what of them stands in the header fields of a GET.
#include <array>
#include <optional>
#include <string>

#include "email.hpp"
#include "encoding.hpp"
#include "fuzz.hpp"
#include "http.hpp"
#include "query.hpp"
#include "token.hpp"

using namespace wallet_sync;

namespace {

// RFC 3629, table 3-7 of Unicode, read aloud.
bool is_utf8_slowly(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto at = [&](std::size_t k) {
      return i + k < text.size() ? static_cast<unsigned char>(text[i + k]) : 0U;
    };
    const auto follows = [&](std::size_t k) { return (at(k) & 0xc0U) == 0x80U; };
    const unsigned lead = at(0);
    if (lead < 0x80) {
      i += 1;
    } else if (lead >= 0xc2 && lead <= 0xdf && follows(1)) {
      i += 2;
    } else if (lead >= 0xe0 && lead <= 0xef && follows(1) && follows(2)) {
      if ((lead == 0xe0 && at(1) < 0xa0) || (lead == 0xed && at(1) > 0x9f)) return false;
      i += 3;
    } else if (lead >= 0xf0 && lead <= 0xf4 && follows(1) && follows(2) && follows(3)) {
      if ((lead == 0xf0 && at(1) < 0x90) || (lead == 0xf4 && at(1) > 0x8f)) return false;
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

std::string to_base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = std::min<std::size_t>(bytes.size() - i, 3);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (k < left ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text.push_back(k <= left ? kAlphabet[bits >> (18 - 6 * k) & 63] : '=');
    }
  }
  return text;
}

void check_encodings(std::string_view text) {
  PROPERTY(is_utf8(text) == is_utf8_slowly(text));
  PROPERTY(from_hex(to_hex(text)) == std::string(text));
  PROPERTY(is_lower_hex(to_hex(text)));
  const auto bytes = from_hex(text);
  PROPERTY(bytes.has_value() == (is_hex(text) && text.size() % 2 == 0));
  PROPERTY(!bytes || bytes->size() * 2 == text.size());

  PROPERTY(from_base64(to_base64(text)) == std::string(text));
  if (const auto decoded = from_base64(text)) {
    std::string lines(text);
    std::erase_if(lines, [](char c) { return c == '\r' || c == '\n'; });
    const std::string again = to_base64(*decoded);
    PROPERTY(again.size() == lines.size());
    // The last digit before the padding may carry bits that count for nothing.
    const std::size_t sure = lines.find('=') == lines.npos ? lines.size() : lines.find('=') - 1;
    PROPERTY(again.substr(0, sure) == lines.substr(0, sure));
  }
}

void check_email(std::string_view text) {
  const auto email = Email::parse(text);
  if (!email) {
    return;
  }
  PROPERTY(email->spelling() == text);
  PROPERTY(is_utf8(text));
  // What could end a header field, a word of SMTP or the address itself.
  PROPERTY(text.find_first_of(std::string_view("\0\t\n\r \"(),:;<>[\\]", 15)) == text.npos);
  PROPERTY(std::none_of(text.begin(), text.end(),
                        [](char c) { return static_cast<unsigned char>(c) < 0x21 || c == 0x7f; }));
  PROPERTY(std::count(text.begin(), text.end(), '@') == 1);
  const auto again = Email::parse(email->normalized());
  PROPERTY(again.has_value());
  PROPERTY(again->normalized() == email->normalized());
  PROPERTY(AccountId::of(*again) == AccountId::of(*email));
}

void check_query(std::string_view query) {
  for (const std::string_view name : {"token", "email", "verifyToken"}) {
    std::string decoded;
    const auto value = query_parameter(query, name, decoded);
    PROPERTY(!value || value->size() <= query.size());
  }
  // Whatever stands in front, if it has no parameter of that name, ours is found and comes back as it was.
  std::string decoded;
  if (query_parameter(query, "wanted", decoded)) {
    return;
  }
  std::string escaped;
  for (const char byte : query) {
    escaped.append("%").append(to_hex({&byte, 1}));
  }
  const std::string longer = std::string(query) + "&wanted=" + escaped;
  const auto value = query_parameter(longer, "wanted", decoded);
  PROPERTY(value == query);
}

void check_token(std::string_view text) {
  const auto token = Token::parse(text);
  PROPERTY(token.has_value() == (text.size() == Token::kDigits && is_lower_hex(text)));
  PROPERTY(!token || token->text() == text);
  PROPERTY(!token || token->account().view() == text.substr(0, AccountId::kDigits));
}

void check_headers(std::string_view text) {
  Request request;
  request.authorization = text;
  request.if_none_match = text;
  PROPERTY(names_version(text, 7) || !names_version(std::string(text) + "x,", 7) || text.empty());
  PROPERTY(names_version(std::string(text) + ", W/\"4294967295\"", 4294967295U));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_encodings(text);
  check_email(text);
  check_query(text);
  check_token(text);
  check_headers(text);
  return 0;
}
