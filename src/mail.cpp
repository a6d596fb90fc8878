#include "mail.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace wallet_sync {
namespace {

constexpr std::size_t kMaxAddress = 254;
constexpr std::size_t kMaxDomain = 253;
constexpr std::size_t kMaxLabel = 63;

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_label(std::string_view label) {
  return !label.empty() && label.size() <= kMaxLabel && label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), [](char c) { return is_alphanumeric(c) || c == '-'; });
}

std::string_view domain_of(std::string_view address) { return address.substr(address.rfind('@') + 1); }

void append_with_crlf(std::string& message, std::string_view text) {
  for (const char c : text) {
    message.append(c == '\n' ? "\r\n" : std::string_view(&c, 1));
  }
}

void append_part(std::string& message, std::string_view boundary, std::string_view type,
                 std::string_view text) {
  message.append("--").append(boundary).append("\r\nContent-Type: ").append(type);
  message.append("; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n");
  append_with_crlf(message, text);
  message.append("\r\n");
}

}  // namespace

bool is_mail_domain(std::string_view domain) {
  if (domain.size() > kMaxDomain) {
    return false;
  }
  while (true) {
    const std::size_t dot = domain.find('.');
    if (!is_label(domain.substr(0, dot))) {
      return false;
    }
    if (dot == std::string_view::npos) {
      return true;
    }
    domain.remove_prefix(dot + 1);
  }
}

bool is_link_host(std::string_view host) {
  const std::size_t colon = host.find(':');
  if (colon == std::string_view::npos) {
    return is_mail_domain(host);
  }
  const std::string_view port = host.substr(colon + 1);
  const bool digits = std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  return is_mail_domain(host.substr(0, colon)) && digits && !port.empty() && port.size() <= 5 &&
         port[0] != '0';
}

bool fits_smtp(std::string_view address) { return address.size() <= kMaxAddress; }

Mail verification_mail(std::string_view sending_domain, std::string_view server_domain,
                       std::string_view address, std::string_view token) {
  const std::string server(server_domain);
  const std::string link = "https://" + server + "/api/3/verify?verifyToken=" + std::string(token);
  Mail mail;
  mail.from = "wallet-sync@" + std::string(sending_domain);
  mail.to = address;
  mail.subject = "Verify your wallet sync account on " + server;
  mail.text = "Click here to verify your account:\n\n" + link;
  mail.html = "<!DOCTYPE html>\n<html>\n<body>\n<p>Click here to verify your account:</p>\n<p><a href=\"" +
              link + "\">" + link + "</a></p>\n</body>\n</html>";
  return mail;
}

std::string mail_date(UnixTime time) {
  // strftime would follow the locale.
  constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = static_cast<std::time_t>(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const int length = std::snprintf(text.data(), text.size(), "%s, %02d %s %d %02d:%02d:%02d +0000",
                                   kDays[static_cast<std::size_t>(parts.tm_wday)], parts.tm_mday,
                                   kMonths[static_cast<std::size_t>(parts.tm_mon)], parts.tm_year + 1900,
                                   parts.tm_hour, parts.tm_min, parts.tm_sec);
  return {text.data(), static_cast<std::size_t>(length)};
}

std::string mime_message(const Mail& mail, UnixTime now, std::string_view id) {
  const std::string boundary = "part-" + std::string(id);
  std::string message;
  message.append("Date: ").append(mail_date(now));
  message.append("\r\nFrom: ").append(mail.from);
  message.append("\r\nTo: ").append(mail.to);
  message.append("\r\nMessage-ID: <").append(id).append("@").append(domain_of(mail.from)).append(">");
  message.append("\r\nSubject: ").append(mail.subject);
  message.append("\r\nAuto-Submitted: auto-generated");
  message.append("\r\nMIME-Version: 1.0");
  message.append("\r\nContent-Type: multipart/alternative; boundary=\"")
      .append(boundary)
      .append("\"\r\n\r\n");
  append_part(message, boundary, "text/plain", mail.text);
  append_part(message, boundary, "text/html", mail.html);
  message.append("--").append(boundary).append("--\r\n");
  return message;
}

}  // namespace wallet_sync
