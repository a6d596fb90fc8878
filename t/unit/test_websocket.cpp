// The opening handshake of websockets (RFC 6455 section 4.2) and what is said on them.
#include <string>
#include <string_view>

#include "websocket.hpp"

// cmocka comes last: its macros hide what the others use.
#include "cmocka.hpp"

using namespace std::literals;
using wallet_sync::refuse_handshake;
using wallet_sync::UpgradeHeaders;

namespace {

constexpr auto kKey = "dGhlIHNhbXBsZSBub25jZQ=="sv;  // the RFC's example

UpgradeHeaders proper() {
  UpgradeHeaders headers;
  headers.http_1_1 = true;
  headers.connection = "Upgrade";
  headers.upgrade = "websocket";
  headers.key = kKey;
  headers.version = "13";
  return headers;
}

void assert_refused(const UpgradeHeaders& headers, int status, std::string_view body, std::string_view row) {
  const auto refusal = refuse_handshake(headers);
  assert_row(refusal.has_value(), row);
  assert_int_equal(refusal->status, status);
  assert_text(refusal->body, body);
}

void the_example_of_the_rfc_has_its_accept(void**) {
  assert_text(wallet_sync::websocket_accept(kKey), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  assert_text(wallet_sync::websocket_accept("x3JJHMbDL1EzLkh9GBhXDw=="), "HSmrc0sMlYUkAGmm5OPpG2HaGWk=");
}

void a_proper_handshake_is_not_refused(void**) {
  assert_false(refuse_handshake(proper()).has_value());
  for (const auto connection : {"upgrade"sv, "UPGRADE"sv, "keep-alive, Upgrade"sv, "Upgrade,close"sv,
                                " \tupgrade\t "sv, ",,upgrade,,"sv}) {
    UpgradeHeaders headers = proper();
    headers.connection = connection;
    assert_row(!refuse_handshake(headers).has_value(), connection);
  }
  for (const auto upgrade : {"WebSocket"sv, "WEBSOCKET"sv, "h2c, websocket"sv, "websocket , x"sv}) {
    UpgradeHeaders headers = proper();
    headers.upgrade = upgrade;
    assert_row(!refuse_handshake(headers).has_value(), upgrade);
  }
}

void what_is_no_upgrade_is_refused(void**) {
  constexpr auto kBody = R"({"error":"Bad Request: Not a websocket upgrade"})"sv;
  for (const auto connection :
       {""sv, "close"sv, "upgrades"sv, "up grade"sv, "keep-alive; upgrade"sv, "\"upgrade\""sv}) {
    UpgradeHeaders headers = proper();
    headers.connection = connection;
    assert_refused(headers, 400, kBody, connection);
  }
  for (const auto upgrade : {""sv, "websockets"sv, "web-socket"sv, "websocket/13"sv, "h2c"sv}) {
    UpgradeHeaders headers = proper();
    headers.upgrade = upgrade;
    assert_refused(headers, 400, kBody, upgrade);
  }
  UpgradeHeaders headers = proper();
  headers.version = "";
  assert_refused(headers, 400, kBody, "no version");
  headers = proper();
  headers.has_body = true;
  assert_refused(headers, 400, kBody, "a body");
}

void another_version_of_http_is_refused_first(void**) {
  constexpr auto kBody = R"({"error":"Bad Request: Websockets need HTTP/1.1"})"sv;
  UpgradeHeaders headers = proper();
  headers.http_1_1 = false;
  assert_refused(headers, 400, kBody, "otherwise proper");
  assert_refused(UpgradeHeaders{}, 400, kBody, "nothing");
}

void another_version_of_the_protocol_is_told_the_right_one(void**) {
  for (const auto version : {"8"sv, "0"sv, "14"sv, "013"sv, "13 "sv, "13,8"sv, "thirteen"sv}) {
    UpgradeHeaders headers = proper();
    headers.version = version;
    headers.key = "";
    assert_refused(headers, 426, R"({"error":"Upgrade Required: Websocket version 13 is supported"})",
                   version);
    assert_true(refuse_handshake(headers)->upgrade_required);
  }
}

void a_key_is_the_base64_of_16_bytes(void**) {
  for (const auto key :
       {""sv, "dGhlIHNhbXBsZSBub25jZQ"sv, "dGhlIHNhbXBsZSBub25jZQ="sv, "dGhlIHNhbXBsZSBub25j"sv,
        "dGhlIHNhbXBsZSBub25jZWU="sv, "dGhlIHNhbXBsZSBub25jZQ==\n"sv, "dGhlIHNh\r\nbXBsZSBub25jZQ=="sv,
        "dGhlIHNhbXBsZSBub25jZQ==,dGhlIHNhbXBsZSBub25jZQ=="sv, "!!!!!!!!!!!!!!!!!!!!!!=="sv,
        " dGhlIHNhbXBsZSBub25jZQ=="sv}) {
    UpgradeHeaders headers = proper();
    headers.key = key;
    assert_refused(headers, 400, R"({"error":"Bad Request: Invalid Sec-WebSocket-Key"})", key);
  }
}

void an_update_names_the_sequence(void**) {
  assert_text(wallet_sync::wallet_update_message(1), "wallet-update:1");
  assert_text(wallet_sync::wallet_update_message(4294967295U), "wallet-update:4294967295");
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_example_of_the_rfc_has_its_accept),
      cmocka_unit_test(a_proper_handshake_is_not_refused),
      cmocka_unit_test(what_is_no_upgrade_is_refused),
      cmocka_unit_test(another_version_of_http_is_refused_first),
      cmocka_unit_test(another_version_of_the_protocol_is_told_the_right_one),
      cmocka_unit_test(a_key_is_the_base64_of_16_bytes),
      cmocka_unit_test(an_update_names_the_sequence),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
