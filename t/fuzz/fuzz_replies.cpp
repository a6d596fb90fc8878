// The bytes of a Redis: however the network cuts them, they are the same replies; and whatever they are, the
// readers of our records make a value of them that we could have written, or refuse them.
#include <optional>
#include <string>
#include <vector>

#include "fuzz.hpp"
#include "password.hpp"
#include "records.hpp"
#include "reply.hpp"
#include "reply_reader.hpp"

using namespace wallet_sync;

namespace {

void print(const Reply& reply, std::string& out) {
  out.append(std::to_string(static_cast<int>(reply.type))).append("<").append(reply.text).append(">");
  out.append(std::to_string(reply.integer)).append("[");
  for (const Reply& element : reply.elements) {
    print(element, out);
  }
  out.append("]");
}

void check_records(const Reply& reply);

class Sink final : public ReplyReader::Sink {
 public:
  std::string seen;
  std::size_t replies = 0;

 private:
  bool on_reply(Reply&& reply) override {
    ++replies;
    print(reply, seen);
    check_records(reply);
    return true;
  }
};

bool in_one_line(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
}

void check_token_record(std::string_view text) {
  if (const auto record = TokenRecord::parse(text)) {
    const std::string written = record->text();
    const auto again = TokenRecord::parse(written);
    PROPERTY(again && again->expires == record->expires && again->scope == record->scope &&
             again->device == record->device);
  }
}

void check_password_key(const std::string& text) {
  if (const auto key = PasswordKey::parse(text)) {
    PROPERTY(key->digits.size() == 64);
    PROPERTY(key->cost.work() <= 16 * kPasswordCost.work());
    const auto again = PasswordKey::parse(key->text());
    PROPERTY(again && again->digits == key->digits && again->cost == key->cost);
  }
}

void check_marks(std::string_view text) {
  const std::string marks = add_mark(text, "mine.1");
  PROPERTY(holds_mark(marks, "mine.1"));
  PROPERTY(marks.size() <= text.size() + 7);
  std::string many(text);
  for (int i = 0; i < 8; ++i) {
    many = add_mark(many, "x." + std::to_string(i));
  }
  PROPERTY(!holds_mark(many, "x.2") && holds_mark(many, "x.3"));
}

void check_records(const Reply& reply) {
  PROPERTY(in_one_line(loggable(reply.text)));
  PROPERTY(loggable(reply.text).size() <= 160);
  (void)says_not_a_master(reply);
  (void)says_no_writes(reply);
  (void)is_replica(reply);
  check_token_record(reply.text);
  check_password_key(reply.text);
  check_marks(reply.text);
  const TokenState state = token_state(reply, 1'700'000'000);
  PROPERTY(state == TokenState::unknown || reply.type == Reply::Type::text);

  const auto sequence = read_sequence(reply);
  PROPERTY(!sequence || reply.type == Reply::Type::array);
  if (const auto wallet_state = read_wallet_state(reply)) {
    PROPERTY(wallet_state->sequence == *sequence);
  }
  std::optional<ShownWallet> wallet;
  Reply copy = reply;
  if (read_wallet(copy, wallet)) {
    PROPERTY(wallet.has_value() == (*sequence > 0));
    // No field is missing in what is shown to a client.
    PROPERTY(!wallet ||
             (reply.elements[1].type == Reply::Type::text && reply.elements[2].type == Reply::Type::text));
  }
  for (const Reply& element : reply.elements) {
    check_records(element);
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const std::string sizes(input.text());
  std::string_view bytes = input.rest();

  Sink at_once;
  ReplyReader one;
  const bool fine = one.feed(bytes, at_once);
  PROPERTY(fine || in_one_line(loggable(one.error())));

  Sink in_pieces;
  ReplyReader other;
  bool still_fine = true;
  for (std::size_t i = 0; still_fine && !bytes.empty(); ++i) {
    const std::size_t piece = i < sizes.size() ? 1 + static_cast<unsigned char>(sizes[i]) : 1;
    still_fine = other.feed(bytes.substr(0, piece), in_pieces);
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  PROPERTY(in_pieces.seen == at_once.seen);
  PROPERTY(still_fine == fine);
  return 0;
}
