#include "datetime.hpp"

#include <array>
#include <cstdio>
#include <ctime>

using namespace wallet_sync;

namespace {

// So many digits, which are taken off; -1: they are not there.
int take_digits(std::string_view& text, std::size_t count) {
  int value = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, std::string_view any_of) {
  if (text.empty() || any_of.find(text.front()) == any_of.npos) return false;
  text.remove_prefix(1);
  return true;
}

// Seconds east of UTC.
std::optional<UnixTime> take_offset(std::string_view text) {
  if (text.empty() || text == "Z") return 0;
  const int sign = text.front() == '-' ? -1 : 1;
  if (!take(text, "+-")) return std::nullopt;
  const int hours = take_digits(text, 2);
  take(text, ":");
  const int minutes = take_digits(text, 2);
  if (hours < 0 || hours > 14 || minutes < 0 || minutes > 59 || !text.empty()) return std::nullopt;
  return sign * (hours * 3600 + minutes * 60);
}

}  // namespace

std::optional<ImportedTime> parse_datetime(std::string_view whole) {
  std::string_view text = whole;
  std::tm parts{};
  const int year = take_digits(text, 4);
  const bool date = year >= 0 && take(text, "-") && (parts.tm_mon = take_digits(text, 2)) > 0 &&
                    take(text, "-") && (parts.tm_mday = take_digits(text, 2)) > 0 && take(text, " T");
  const bool time = date && (parts.tm_hour = take_digits(text, 2)) >= 0 && take(text, ":") &&
                    (parts.tm_min = take_digits(text, 2)) >= 0 && take(text, ":") &&
                    (parts.tm_sec = take_digits(text, 2)) >= 0;
  if (!time || parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 59) return std::nullopt;
  if (take(text, ".")) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    if (digits == 0) return std::nullopt;
    text.remove_prefix(digits);
  }
  const auto offset = take_offset(text);
  if (!offset) return std::nullopt;
  parts.tm_year = year - 1900;
  parts.tm_mon -= 1;
  const std::tm given = parts;
  const UnixTime local = timegm(&parts);  // which makes the 31st of February a day in March
  if (parts.tm_mon != given.tm_mon || parts.tm_mday != given.tm_mday) return std::nullopt;
  ImportedTime result{local - *offset, {}};
  if (whole != format_datetime(result.seconds)) {
    result.exactly = whole;
  }
  return result;
}

std::string format_datetime(UnixTime time) {
  const auto seconds = static_cast<std::time_t>(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S+00:00", &parts);
  return {text.data(), length};
}
