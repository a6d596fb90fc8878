// The verification mail: its words, and its form as a message.
#include <string>
#include <string_view>

#include "cmocka.hpp"
#include "mail.hpp"

using namespace std::literals;
using namespace wallet_sync;

namespace {

constexpr UnixTime kNoon = 1'700'000'000;

Mail example() {
  return verification_mail("mail.example.org", "sync.example.org", "joe@example.com", "abc123");
}

void the_mail_has_the_words_of_the_protocol(void**) {
  const Mail mail = example();
  assert_text(mail.from, "wallet-sync@mail.example.org");
  assert_text(mail.to, "joe@example.com");
  assert_text(mail.subject, "Verify your wallet sync account on sync.example.org");
  assert_text(
      mail.text,
      "Click here to verify your account:\n\nhttps://sync.example.org/api/3/verify?verifyToken=abc123");
  const std::string link = "https://sync.example.org/api/3/verify?verifyToken=abc123";
  assert_row(mail.html.find("<a href=\"" + link + "\">" + link + "</a>") != std::string::npos, mail.html);
}

void the_message_has_headers_and_both_parts(void**) {
  const std::string expected =
      "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
      "From: wallet-sync@mail.example.org\r\n"
      "To: joe@example.com\r\n"
      "Message-ID: <0a1b@mail.example.org>\r\n"
      "Subject: Verify your wallet sync account on sync.example.org\r\n"
      "Auto-Submitted: auto-generated\r\n"
      "MIME-Version: 1.0\r\n"
      "Content-Type: multipart/alternative; boundary=\"part-0a1b\"\r\n"
      "\r\n"
      "--part-0a1b\r\n"
      "Content-Type: text/plain; charset=utf-8\r\n"
      "Content-Transfer-Encoding: 7bit\r\n"
      "\r\n"
      "Click here to verify your account:\r\n"
      "\r\n"
      "https://sync.example.org/api/3/verify?verifyToken=abc123\r\n"
      "--part-0a1b\r\n"
      "Content-Type: text/html; charset=utf-8\r\n";
  const std::string message = mime_message(example(), kNoon, "0a1b");
  assert_text(message.substr(0, expected.size()), expected);
  assert_row(message.ends_with("</html>\r\n--part-0a1b--\r\n"), message);
}

void every_line_ends_with_crlf_and_is_short_enough(void**) {
  const std::string longest = std::string(200, 'x') + "@" + std::string(53, 'y');
  const std::string label(63, 'd');
  const std::string domain = label + "." + label + "." + label + "." + std::string(61, 'd');
  assert_true(is_mail_domain(domain));
  assert_true(fits_smtp(longest));
  const std::string message = mime_message(
      verification_mail(domain, domain + ":65535", longest, std::string(64, 'f')), kNoon, "0a1b");
  std::size_t start = 0;
  while (start < message.size()) {
    const std::size_t end = message.find("\r\n", start);
    assert_true(end != std::string::npos);
    const std::string line = message.substr(start, end - start);
    assert_row(line.size() <= 998 && line.find_first_of("\r\n") == std::string::npos, line);
    start = end + 2;
  }
}

void a_recipient_beyond_ascii_stays_utf8(void**) {
  const std::string message = mime_message(verification_mail("a.b", "a.b",
                                                             "j\xc3\xb6rg@b\xc3\xbc"
                                                             "cher.example",
                                                             "t"),
                                           kNoon, "1");
  assert_row(message.find("\r\nTo: j\xc3\xb6rg@b\xc3\xbc"
                          "cher.example\r\n") != std::string::npos,
             message);
}

void dates_are_those_of_rfc_5322(void**) {
  assert_text(mail_date(0), "Thu, 01 Jan 1970 00:00:00 +0000");
  assert_text(mail_date(784'111'777), "Sun, 06 Nov 1994 08:49:37 +0000");
  assert_text(mail_date(1'709'251'199), "Thu, 29 Feb 2024 23:59:59 +0000");
  assert_text(mail_date(4'102'444'800), "Fri, 01 Jan 2100 00:00:00 +0000");
}

void domains_are_letters_digits_hyphens_and_dots(void**) {
  const std::string label(63, 'a');
  for (const auto& good :
       {"localhost"s, "a.b"s, "A-1.example.org"s, "127.0.0.1"s, "xn--bcher-kva.example"s, label}) {
    assert_row(is_mail_domain(good), good);
    assert_row(is_link_host(good + ":8443"), good);
  }
  const std::string bad[] = {"",    ".",     "a.",  ".a",      "a..b",  "-a",        "a-",
                             "a b", "a@b",   "a/b", "a\r\nB:", "a:80",  "b\xc3\xbc", label + "a",
                             "a_b", "a\"b",  "<a>", "[::1]",   "a\0b"s, "a.-.b",     label + "-.com",
                             "a;b", "(c)a.b"};
  for (const auto& row : bad) assert_row(!is_mail_domain(row), row);
  std::string deep = "a";
  for (int i = 0; i < 127; ++i) deep += ".a";
  assert_row(!is_mail_domain(deep), deep);
}

void a_link_may_name_a_port(void**) {
  for (const auto& good : {"a.b:1"s, "a.b:65535"s, "a.b"s}) assert_row(is_link_host(good), good);
  for (const auto& bad :
       {"a.b:"s, "a.b:0"s, "a.b:080"s, "a.b:123456"s, "a.b:8x"s, ":80"s, "a.b:1:2"s, "a.b:1/x"s}) {
    assert_row(!is_link_host(bad), bad);
  }
}

void an_address_of_254_bytes_is_the_longest(void**) {
  assert_true(fits_smtp(std::string(242, 'a') + "@example.com"));
  assert_false(fits_smtp(std::string(243, 'a') + "@example.com"));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_mail_has_the_words_of_the_protocol),
      cmocka_unit_test(the_message_has_headers_and_both_parts),
      cmocka_unit_test(every_line_ends_with_crlf_and_is_short_enough),
      cmocka_unit_test(a_recipient_beyond_ascii_stays_utf8),
      cmocka_unit_test(dates_are_those_of_rfc_5322),
      cmocka_unit_test(domains_are_letters_digits_hyphens_and_dots),
      cmocka_unit_test(a_link_may_name_a_port),
      cmocka_unit_test(an_address_of_254_bytes_is_the_longest),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
