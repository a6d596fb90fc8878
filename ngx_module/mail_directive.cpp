// wallet_sync_mail
#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "config.hpp"
#include "directives.hpp"
#include "mail.hpp"

namespace wallet_sync {
namespace {

constexpr const char* kDirective = "wallet_sync_mail";

// The parameters of one directive, before it is known whether they fit together.
struct MailLine {
  ngx_conf_t* cf;
  MailSettings mail;
  std::string_view starttls;
  std::string_view password_file;
  std::string_view key_file;
  std::string_view region;
  std::string_view base_url;
};

bool refuse(ngx_conf_t* cf, std::string_view wrong, std::string_view wanted) {
  const ngx_str_t word = to_ngx(wrong);
  const ngx_str_t advice = to_ngx(wanted);
  ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s: invalid parameter \"%V\"; write %V", kDirective, &word,
                     &advice);
  return false;
}

bool refuse(ngx_conf_t* cf, const char* advice) {
  ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s: %s", kDirective, advice);
  return false;
}

bool is_port(std::string_view text) {
  const bool digits = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  const ngx_int_t port = digits ? number(text) : NGX_ERROR;
  return port > 0 && port <= 65535;
}

// host, host:port, [address] or [address]:port.
bool is_authority(std::string_view text) {
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos || end == 1 ||
        text.substr(1, end - 1).find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) {
      return false;
    }
    rest = text.substr(end + 1);
  } else {
    const std::size_t end = std::min(text.find(':'), text.size());
    // Underscores are in no domain, but in the names of container networks.
    std::string host(text.substr(0, end));
    std::replace(host.begin(), host.end(), '_', 'x');
    if (!is_mail_domain(host)) {
      return false;
    }
    rest = text.substr(end);
  }
  return rest.empty() || (rest.starts_with(':') && is_port(rest.substr(1)));
}

bool parse_server(MailLine& line, std::string_view text) {
  MailSettings& mail = line.mail;
  if (text == "mailgun") {
    mail.kind = MailSettings::Kind::mailgun;
    return true;
  }
  if (text.find('@') != std::string_view::npos) {  // not shown: it may be followed by a password
    return refuse(line.cf, "no name and password in the address; write user=name and password_file=path");
  }
  const std::size_t scheme = text.starts_with("smtp://") ? 7 : text.starts_with("smtps://") ? 8 : 0;
  if (scheme == 0 || !is_authority(text.substr(scheme))) {
    return refuse(
        line.cf, text,
        "smtp://host, smtp://host:port, smtps://host, smtps://host:port or mailgun as the first one");
  }
  mail.server = text;
  return true;
}

bool parse_parameter(MailLine& line, std::string_view text) {
  MailSettings& mail = line.mail;
  std::string_view value;
  if (named(text, "sending_domain", value)) {
    mail.sending_domain = value;
    return is_mail_domain(value) ||
           refuse(line.cf, text,
                  "sending_domain=domain, the one the mails come from, such as sending_domain=example.com");
  }
  if (named(text, "server_domain", value)) {
    mail.server_domain = value;
    return is_link_host(value) ||
           refuse(line.cf, text,
                  "server_domain=domain, the one clients reach this server by, such as "
                  "server_domain=sync.example.com");
  }
  if (named(text, "user", value)) {
    mail.user = value;
    return !value.empty() || refuse(line.cf, text, "user=name");
  }
  if (named(text, "starttls", value)) {
    line.starttls = value;
    mail.starttls = value == "off"        ? MailSettings::StartTls::off
                    : value == "optional" ? MailSettings::StartTls::optional
                                          : MailSettings::StartTls::on;
    return value == "on" || value == "off" || value == "optional" ||
           refuse(line.cf, text, "starttls=on, starttls=off or starttls=optional");
  }
  if (named(text, "timeout", value)) {
    mail.timeout_ms = milliseconds(value);
    return mail.timeout_ms != NGX_ERROR || refuse(line.cf, text, "timeout=time, such as timeout=10s");
  }
  if (named(text, "resend_interval", value)) {
    ngx_str_t time = to_ngx(value);
    const ngx_int_t seconds = ngx_parse_time(&time, 1);
    mail.resend_interval = static_cast<std::uint32_t>(seconds);
    const bool fits = seconds >= 0 && seconds <= kMaxInt;
    return fits || refuse(line.cf, text, "resend_interval=time, such as resend_interval=60s");
  }
  for (const auto& [name, target] :
       {std::pair{"password_file", &line.password_file}, std::pair{"key_file", &line.key_file},
        std::pair{"region", &line.region}, std::pair{"base_url", &line.base_url}}) {
    if (named(text, name, *target)) {
      return !target->empty() || refuse(line.cf, text, std::string(name) + "=value");
    }
  }
  if (named(text, "ca_file", value)) {
    mail.ca_file = value;
    return !value.empty() || refuse(line.cf, text, "ca_file=path");
  }
  if (text.starts_with("password=") || text.starts_with("key=")) {
    return refuse(line.cf,
                  "a secret must not stand in the configuration; write password_file=path or key_file=path");
  }
  return refuse(line.cf, without_secret(text),
                "sending_domain=, server_domain=, timeout=, resend_interval=, ca_file=; for SMTP user=, "
                "password_file=, starttls=; for mailgun key_file=, region=, base_url=");
}

// Workers read the file for each mail, so what is wrong with it should be known now.
bool check_ca_file(MailLine& line) {
  std::string& file = line.mail.ca_file;
  ngx_str_t name = to_ngx(file);
  if (ngx_conf_full_name(line.cf->cycle, &name, 1) != NGX_OK) {
    return false;
  }
  file.assign(to_view(name));
  const ngx_fd_t fd = ngx_open_file(file.c_str(), NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);
  if (fd == NGX_INVALID_FILE) {
    ngx_conf_log_error(
        NGX_LOG_EMERG, line.cf, ngx_errno,
        "%s: cannot open the ca_file \"%s\"; write the path of a PEM file that the workers may read",
        kDirective, file.c_str());
    return false;
  }
  ngx_close_file(fd);
  return true;
}

bool check_smtp(MailLine& line) {
  if (!line.key_file.empty() || !line.region.empty() || !line.base_url.empty()) {
    return refuse(
        line.cf, "key_file=, region= and base_url= are for mailgun; write user= and password_file= for SMTP");
  }
  if (line.mail.user.empty() != line.password_file.empty()) {
    return refuse(line.cf, "user= and password_file= need each other; write both, or neither");
  }
  if (line.mail.server.starts_with("smtps:") && !line.starttls.empty()) {
    return refuse(line.cf, "smtps:// is encrypted from the start; write smtp:// or leave out starttls=");
  }
  if (!line.mail.user.empty() && !line.starttls.empty() && line.starttls != "on") {
    ngx_conf_log_error(NGX_LOG_WARN, line.cf, 0,
                       "%s: with starttls=off or optional the password may be sent unencrypted", kDirective);
  }
  return line.password_file.empty() ||
         read_secret_file(line.cf, kDirective, line.password_file, line.mail.secret);
}

bool check_mailgun(MailLine& line) {
  MailSettings& mail = line.mail;
  if (!mail.user.empty() || !line.password_file.empty() || !line.starttls.empty()) {
    return refuse(line.cf, "user=, password_file= and starttls= are for SMTP; write key_file= for mailgun");
  }
  if (line.key_file.empty()) {
    return refuse(line.cf, "mailgun needs a key; write key_file=path");
  }
  if (!line.region.empty() && !line.base_url.empty()) {
    return refuse(line.cf, "region= and base_url= exclude each other; write one of them");
  }
  if (!line.region.empty() && line.region != "us" && line.region != "eu") {
    return refuse(line.cf, line.region, "region=us or region=eu");
  }
  mail.server = line.region == "eu" ? "https://api.eu.mailgun.net" : "https://api.mailgun.net";
  if (!line.base_url.empty()) {
    std::string_view url = line.base_url;
    while (url.ends_with('/')) {
      url.remove_suffix(1);
    }
    const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
    const std::size_t path = std::min(url.find('/', scheme), url.size());
    if (scheme == 0 || !is_authority(url.substr(scheme, path - scheme)) ||
        url.find_first_of("?#%\\\" ") != std::string_view::npos) {
      return refuse(line.cf, "invalid base_url; write one such as base_url=https://api.example.com");
    }
    if (scheme == 7) {
      ngx_conf_log_error(NGX_LOG_WARN, line.cf, 0, "%s: the key is sent unencrypted to a base_url of http://",
                         kDirective);
    }
    mail.server = url;
  }
  return read_secret_file(line.cf, kDirective, line.key_file, mail.secret);
}

bool parse_mail(MailLine& line) {
  const auto* words = static_cast<ngx_str_t*>(line.cf->args->elts);
  if (!parse_server(line, to_view(words[1]))) {
    return false;
  }
  for (ngx_uint_t i = 2; i < line.cf->args->nelts; ++i) {
    if (!parse_parameter(line, to_view(words[i]))) {
      return false;
    }
  }
  if (line.mail.sending_domain.empty() || line.mail.server_domain.empty()) {
    return refuse(line.cf, "write both sending_domain=domain and server_domain=domain");
  }
  if (!line.mail.ca_file.empty() && !check_ca_file(line)) {
    return false;
  }
  return line.mail.kind == MailSettings::Kind::smtp ? check_smtp(line) : check_mailgun(line);
}

}  // namespace
}  // namespace wallet_sync

using namespace wallet_sync;

char* ngx_http_wallet_sync_mail(ngx_conf_t* cf, ngx_command_t*, void* conf) {
  auto& mail = block_of(conf).mail;
  if (mail) {
    return const_cast<char*>("is duplicate");
  }
  MailLine line{cf, {}, {}, {}, {}, {}, {}};
  if (!parse_mail(line)) {
    return static_cast<char*>(NGX_CONF_ERROR);
  }
  mail = std::move(line.mail);
  return NGX_CONF_OK;
}
