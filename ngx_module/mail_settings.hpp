// What wallet_sync_mail says.
#pragma once

#include <cstdint>
#include <string>

namespace wallet_sync {

struct MailSettings {
  enum class Kind { smtp, mailgun } kind = Kind::smtp;
  enum class StartTls { on, off, optional } starttls = StartTls::on;

  std::string
      server;  // smtp://host:port, smtps://host:port, or the base URL of the API: without a slash at its end
  std::string sending_domain;
  std::string server_domain;
  std::string user;                    // SMTP; empty: no authentication
  std::string secret;                  // the password, or the key of the API
  std::string ca_file;                 // empty: the system's certificates
  std::int64_t timeout_ms = 10'000;    // for one mail, from the request to the server's last word
  std::uint32_t resend_interval = 60;  // seconds

  bool operator==(const MailSettings&) const = default;
};

}  // namespace wallet_sync
