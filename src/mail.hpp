// The mail that asks the owner of an address to verify the account (PROTOCOL "The mail"): what it says, and
// its form as a message of RFC 5322 and MIME. Everything but the recipient is ASCII; a recipient with other
// characters goes into its header as UTF-8 (RFC 6532), which the server must allow by SMTPUTF8.
#pragma once

#include <string>
#include <string_view>

#include "store.hpp"

namespace wallet_sync {

// Plain text, lines ended by \n.
struct Mail {
  std::string from;
  std::string to;
  std::string subject;
  std::string text;
  std::string html;
};

// What it takes to put a domain into addresses, headers, links and HTML as it is: letters, digits, dots and
// hyphens. Names in other scripts are written in their xn-- form.
bool is_mail_domain(std::string_view domain);
// The same with an optional :port.
bool is_link_host(std::string_view host);

// An address that can be a recipient: RFC 5321 allows 254 bytes.
bool fits_smtp(std::string_view address);

// REQUIRES: is_mail_domain(sending_domain), is_link_host(server_domain).
Mail verification_mail(std::string_view sending_domain, std::string_view server_domain,
                       std::string_view address, std::string_view token);

// The message as it is sent: headers, text and HTML part, CRLF line ends. `id`, letters and digits, must be
// new for each mail: it makes the Message-ID and the boundary.
std::string mime_message(const Mail& mail, UnixTime now, std::string_view id);

// RFC 5322 date in UTC, such as "Sun, 06 Nov 1994 08:49:37 +0000".
std::string mail_date(UnixTime time);

}  // namespace wallet_sync
