// What Redis sends, however it is cut into pieces, becomes replies; what is no RESP becomes an error.
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "reply_reader.hpp"

//
#include "cmocka.hpp"

using namespace wallet_sync;

// Bytes that were ever asked for.
static std::size_t allocated = 0;

void* operator new(std::size_t size) {
  allocated += size;
  if (void* memory = std::malloc(size)) {
    return memory;
  }
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

// Keeps the replies; wants no more after `enough`.
struct Kept : ReplyReader::Sink {
  bool on_reply(Reply&& reply) override {
    replies.push_back(std::move(reply));
    return replies.size() < enough;
  }
  std::vector<Reply> replies;
  std::size_t enough = SIZE_MAX;
};

std::string shown(const Reply& reply) {
  switch (reply.type) {
    case Reply::Type::nil: return "nil";
    case Reply::Type::status: return "+" + reply.text;
    case Reply::Type::error: return "-" + reply.text;
    case Reply::Type::integer: return ":" + std::to_string(reply.integer);
    case Reply::Type::text: return "$" + reply.text;
    case Reply::Type::array: break;
  }
  std::string all = "[";
  for (const Reply& element : reply.elements) {
    all += (all.size() > 1 ? " " : "") + shown(element);
  }
  return all + "]";
}

std::string shown(const Kept& kept) {
  std::string all;
  for (const Reply& reply : kept.replies) {
    all += (all.empty() ? "" : "; ") + shown(reply);
  }
  return all;
}

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

// One of everything, and what is peculiar about each.
const std::string kAll =
    "+OK\r\n-ERR no\r\n:-9223372036854775808\r\n" + bulk("text") + bulk("") + bulk("a\r\n+OK\r\n") +
    "$-1\r\n*-1\r\n*0\r\n*3\r\n$-1\r\n:1\r\n-WRONGTYPE x\r\n*2\r\n*1\r\n*2\r\n+QUEUED\r\n" + bulk("deep") +
    "*0\r\n+\r\n";
const std::string kAllShown =
    "+OK; -ERR no; :-9223372036854775808; $text; $; $a\r\n+OK\r\n; nil; nil; []; [nil :1 -WRONGTYPE x]; "
    "[[[+QUEUED $deep]] []]; +";

void every_type_of_reply_is_read(void**) {
  ReplyReader reader;
  Kept kept;
  assert_true(reader.feed(kAll, kept));
  assert_text(shown(kept), kAllShown);
}

void it_makes_no_difference_where_the_pieces_end(void**) {
  for (std::size_t size = 1; size < kAll.size(); ++size) {
    ReplyReader reader;
    Kept kept;
    for (std::size_t at = 0; at < kAll.size(); at += size) {
      assert_true(reader.feed(std::string_view(kAll).substr(at, size), kept));
    }
    assert_text(shown(kept), kAllShown);
  }
}

void a_reply_is_passed_on_with_its_last_byte(void**) {
  ReplyReader reader;
  Kept kept;
  const std::string text = "*2\r\n" + bulk("a") + bulk("b");
  for (std::size_t i = 0; i < text.size(); ++i) {
    assert_int_equal(kept.replies.size(), 0);
    assert_true(reader.feed(std::string_view(text).substr(i, 1), kept));
  }
  assert_int_equal(kept.replies.size(), 1);
}

void a_huge_text_comes_byte_for_byte(void**) {
  std::string huge(20 << 20, '\0');
  for (std::size_t i = 0; i < huge.size(); ++i) {
    huge[i] = static_cast<char>(i * 131 % 251);
  }
  const std::string sent = bulk(huge) + bulk("next");
  ReplyReader reader;
  Kept kept;
  for (std::size_t at = 0; at < sent.size(); at += 60'001) {
    assert_true(reader.feed(std::string_view(sent).substr(at, 60'001), kept));
  }
  assert_int_equal(kept.replies.size(), 2);
  assert_true(kept.replies[0].text == huge);
  assert_text(kept.replies[1].text, "next");
}

void many_replies_come_out_of_one_piece(void**) {
  std::string sent;
  for (int i = 0; i < 50'000; ++i) {
    sent += ":" + std::to_string(i) + "\r\n";
  }
  ReplyReader reader;
  Kept kept;
  assert_true(reader.feed(sent, kept));
  assert_int_equal(kept.replies.size(), 50'000);
  assert_int_equal(kept.replies.back().integer, 49'999);
}

void an_array_has_as_many_elements_as_it_says(void**) {
  std::string sent = "*3000\r\n";
  for (int i = 0; i < 3000; ++i) {
    sent += bulk(std::to_string(i));
  }
  ReplyReader reader;
  Kept kept;
  assert_true(reader.feed(sent, kept));
  assert_true(kept.replies[0].is_array(3000));
  assert_text(kept.replies[0].elements[2999].text, "2999");
}

void an_array_of_more_elements_than_any_command_is_answered_with_is_an_error(void**) {
  for (const std::string_view sent :
       {"*1048577\r\n", "*2147483647\r\n", "*99999999999\r\n", "*1\r\n*1048577\r\n"}) {
    ReplyReader reader;
    Kept kept;
    assert_row(!reader.feed(sent, kept), sent);
    assert_row(!reader.error().empty(), sent);
    assert_row(kept.replies.empty(), sent);
  }
}

void what_is_no_resp_is_an_error(void**) {
  for (const std::string_view sent :
       {"HTTP/1.1 400 Bad Request\r\n", "\r\n", "OK\r\n", "*x\r\n", "$-5\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n+deep\r\n"}) {
    ReplyReader reader;
    Kept kept;
    assert_row(!reader.feed(sent, kept), sent);
    assert_row(!reader.error().empty(), sent);
    assert_row(kept.replies.empty(), sent);
  }
}

void what_came_before_the_error_is_passed_on(void**) {
  ReplyReader reader;
  Kept kept;
  assert_false(reader.feed("+OK\r\n:1\r\nnonsense\r\n:2\r\n", kept));
  assert_text(shown(kept), "+OK; :1");
}

void once_it_found_an_error_it_reads_no_more(void**) {
  ReplyReader reader;
  Kept kept;
  assert_false(reader.feed("nonsense\r\n", kept));
  assert_false(reader.feed("+OK\r\n", kept));
  assert_int_equal(kept.replies.size(), 0);
}

void it_stops_for_ever_when_no_more_is_wanted(void**) {
  ReplyReader reader;
  Kept kept;
  kept.enough = 2;
  assert_true(reader.feed(":1\r\n:2\r\n:3\r\n", kept));
  assert_true(reader.feed(":4\r\n", kept));
  assert_text(shown(kept), ":1; :2");
}

void an_announced_array_takes_no_memory_before_it_comes(void**) {
  constexpr std::size_t kPatience = 1 << 20;
  ReplyReader reader;
  Kept kept;
  const std::size_t before = allocated;
  for (int i = 0; i < 6; ++i) {
    assert_true(reader.feed("*1048576\r\n", kept));
  }
  assert_in_range(allocated - before, 0, kPatience);
}

void replies_are_made_of_those_before_them(void**) {
  ReplyReader reader;
  struct Again : ReplyReader::Sink {
    explicit Again(ReplyReader& its) : reader(its) {}
    bool on_reply(Reply&& reply) override {
      if (looks) {
        seen += shown(reply) + ";";
      }
      replies.push_back(std::move(reply));
      reader.reuse(replies);
      return true;
    }
    ReplyReader& reader;
    Replies replies;
    std::string seen;
    bool looks = true;
  } sink(reader);
  const std::string large = bulk(std::string(1000, 'x'));
  const std::string small = bulk("a text that is longer than fifteen");
  const std::string one = "*4\r\n" + large + "*1\r\n" + small + "$-1\r\n:5\r\n";
  const std::string other = "*3\r\n" + small + "$0\r\n\r\n*2\r\n+OK\r\n" + bulk("short") + large;
  const auto feed = [&] {
    sink.seen.clear();
    return reader.feed(one, sink) && reader.feed(other, sink);
  };
  for (int i = 0; i < 10; ++i) {
    assert_true(feed());
  }
  const std::string seen = sink.seen;
  const std::string x(1000, 'x');
  const std::string text = "$a text that is longer than fifteen";
  assert_text(seen, "[$" + x + " [" + text + "] nil :5];[" + text + " $ [+OK $short]];$" + x + ";");
  sink.looks = false;
  const std::size_t before = allocated;
  assert_true(feed());
  assert_int_equal(allocated - before, 0);
}

void one_that_is_destroyed_within_a_reply_leaks_nothing(void**) {
  ReplyReader reader;
  Kept kept;
  assert_true(reader.feed("*3\r\n*2\r\n" + bulk("in an array") + "$100\r\nthe begin", kept));
}

}  // namespace

int main() {
  const CMUnitTest tests[] = {
      cmocka_unit_test(every_type_of_reply_is_read),
      cmocka_unit_test(it_makes_no_difference_where_the_pieces_end),
      cmocka_unit_test(a_reply_is_passed_on_with_its_last_byte),
      cmocka_unit_test(a_huge_text_comes_byte_for_byte),
      cmocka_unit_test(many_replies_come_out_of_one_piece),
      cmocka_unit_test(an_array_has_as_many_elements_as_it_says),
      cmocka_unit_test(an_array_of_more_elements_than_any_command_is_answered_with_is_an_error),
      cmocka_unit_test(an_announced_array_takes_no_memory_before_it_comes),
      cmocka_unit_test(what_is_no_resp_is_an_error),
      cmocka_unit_test(what_came_before_the_error_is_passed_on),
      cmocka_unit_test(once_it_found_an_error_it_reads_no_more),
      cmocka_unit_test(it_stops_for_ever_when_no_more_is_wanted),
      cmocka_unit_test(replies_are_made_of_those_before_them),
      cmocka_unit_test(one_that_is_destroyed_within_a_reply_leaks_nothing),
  };
  return cmocka_run_group_tests_name("redis reply reader", tests, nullptr, nullptr);
}
