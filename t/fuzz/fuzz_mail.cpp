// The mail that an address of somebody's choice ends up in: no address adds a header, a part or a line.
#include <string>
#include <vector>

#include "email.hpp"
#include "fuzz.hpp"
#include "mail.hpp"

using namespace wallet_sync;

namespace {

std::vector<std::string> lines_of(std::string_view message) {
  std::vector<std::string> lines;
  while (!message.empty()) {
    const std::size_t end = message.find("\r\n");
    PROPERTY(end != message.npos);
    lines.emplace_back(message.substr(0, end));
    PROPERTY(lines.back().find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
    PROPERTY(lines.back().size() <= 998);  // RFC 5322 section 2.1.1
    message.remove_prefix(end + 2);
  }
  return lines;
}

std::string message_for(std::string_view address, std::string_view sender, std::string_view server) {
  const std::string token(64, 'a');
  return mime_message(verification_mail(sender, server, address, token), 1'700'000'000, "0123456789abcdef");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const std::string sender(input.until('\n'));
  const std::string server(input.until('\n'));
  const std::string address(input.rest());
  const bool good_sender = is_mail_domain(sender);
  const bool good_server = is_link_host(server);
  PROPERTY(!good_sender || is_link_host(sender));

  const auto email = Email::parse(address);
  if (!email || !fits_smtp(email->spelling())) {
    return 0;
  }
  // The domains are the operator's, who is held to what the directive takes.
  const std::string from = good_sender ? sender : "example.com";
  const std::string link = good_server ? server : "sync.example.com";
  const auto lines = lines_of(message_for(email->spelling(), from, link));
  const auto expected = lines_of(message_for("ann@example.com", from, link));
  PROPERTY(lines.size() == expected.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    PROPERTY(lines[i] == (expected[i].starts_with("To: ") ? "To: " + address : expected[i]));
  }
  return 0;
}
