// The frames a server sends (RFC 6455 section 5.2), byte by byte.
#include <string>
#include <string_view>

#include "websocket_frame.hpp"

// cmocka comes last: its macros hide what the others use.
#include "cmocka.hpp"

using namespace std::literals;
using wallet_sync::close_frame;
using wallet_sync::Opcode;
using wallet_sync::server_frame;
using wallet_sync::update_frame;

namespace {

void the_examples_of_the_rfc(void**) {  // section 5.7, those that are not masked
  assert_text(server_frame(Opcode::text, "Hello"), "\x81\x05Hello");
  assert_text(server_frame(Opcode::ping, "Hello"), "\x89\x05Hello");
}

void the_length_takes_as_few_bytes_as_it_can(void**) {
  const struct {
    std::size_t size;
    std::string_view head;
  } rows[] = {{0, "\x81\x00"sv},
              {125, "\x81\x7d"sv},
              {126, "\x81\x7e\x00\x7e"sv},
              {65'535, "\x81\x7e\xff\xff"sv},
              {65'536, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"sv}};
  for (const auto& [size, head] : rows) {
    const std::string payload(size, 'x');
    const std::string frame = server_frame(Opcode::text, payload);
    assert_text(frame.substr(0, head.size()), head);
    assert_true(frame.substr(head.size()) == payload);
  }
}

void a_close_has_its_code_and_perhaps_a_reason(void**) {
  assert_text(close_frame(1001), "\x88\x02\x03\xe9");
  assert_text(close_frame(1008, "password changed"), "\x88\x12\x03\xf0password changed");
  assert_text(close_frame(4999, std::string(123, 'x')).substr(0, 4), "\x88\x7d\x13\x87");
}

void an_update_is_a_text_that_names_the_sequence(void**) {
  assert_text(update_frame(1), "\x81\x0fwallet-update:1");
  assert_text(update_frame(4'294'967'295), "\x81\x18wallet-update:4294967295");
}

void a_ping_is_two_bytes(void**) { assert_text(server_frame(Opcode::ping, {}), "\x89\x00"sv); }

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(the_examples_of_the_rfc),
      cmocka_unit_test(the_length_takes_as_few_bytes_as_it_can),
      cmocka_unit_test(a_close_has_its_code_and_perhaps_a_reason),
      cmocka_unit_test(an_update_is_a_text_that_names_the_sequence),
      cmocka_unit_test(a_ping_is_two_bytes),
  };
  return cmocka_run_group_tests(tests, nullptr, nullptr);
}
