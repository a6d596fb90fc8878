// The header fields of a reply, in memory that is as dirty as nginx' pools hand it out.
#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "response_header.hpp"

// cmocka comes last: its macros hide what the others use.
#include "cmocka.hpp"

using wallet_sync::Response;
using wallet_sync::to_view;

namespace {

constexpr std::size_t kRoom = 8;
std::array<ngx_table_elt_t, kRoom> fields;
std::array<std::array<u_char, 64>, kRoom> copies;
std::size_t copied = 0;

}  // namespace

void* ngx_list_push(ngx_list_t* list) {
  auto& place = fields[list->part.nelts++];
  std::memset(static_cast<void*>(&place), 0xA5, sizeof place);
  return &place;
}

u_char* ngx_pstrdup(ngx_pool_t*, ngx_str_t* src) {
  auto& copy = copies[copied++];
  std::memcpy(copy.data(), src->data, src->len);
  return copy.data();
}

ngx_int_t ngx_strncasecmp(u_char*, u_char*, std::size_t) { return 1; }
ngx_pool_cleanup_t* ngx_pool_cleanup_add(ngx_pool_t*, std::size_t) { return nullptr; }

namespace {

// Every field there is, one a line.
std::string header_of(const Response& response) {
  ngx_http_request_t request{};
  copied = 0;
  if (!wallet_sync::set_headers(&request, response)) {
    return "no memory";
  }
  std::string text;
  for (std::size_t i = 0; i < request.headers_out.headers.part.nelts; ++i) {
    text.append(to_view(fields[i].key)).append(": ").append(to_view(fields[i].value)).append("\n");
    assert_int_equal(fields[i].hash, 1);
    assert_null(fields[i].next);
    assert_null(fields[i].lowcase_key);
  }
  return text;
}

void fields_have_no_dirt_in_them(void**) {
  Response response;
  response.allow = "GET, POST";
  response.retry_after = 17;
  response.version = 4294967295;
  assert_text(header_of(response),
              "Cache-Control: no-store\nAllow: GET, POST\nRetry-After: 17\nETag: \"4294967295\"\n");
}

void a_handshake_has_its_own_fields(void**) {
  Response response;
  response.status = 101;
  response.websocket_accept = "HSmrc0sMlYUkAGmm5OPpG2HaGWk=";
  assert_text(header_of(response),
              "Upgrade: websocket\nSec-WebSocket-Accept: HSmrc0sMlYUkAGmm5OPpG2HaGWk=\n");
}

void a_handshake_of_another_version_is_told_the_right_one(void**) {
  Response response;
  response.status = 426;
  response.upgrade_required = true;
  assert_text(header_of(response),
              "Cache-Control: no-store\nUpgrade: websocket\nSec-WebSocket-Version: 13\n");
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(fields_have_no_dirt_in_them),
      cmocka_unit_test(a_handshake_has_its_own_fields),
      cmocka_unit_test(a_handshake_of_another_version_is_told_the_right_one),
  };
  return cmocka_run_group_tests_name("response header", tests, nullptr, nullptr);
}
