#include "links.hpp"

#include <algorithm>

namespace wallet_sync {
namespace {

// Per link. Enough to keep a fast network busy, and gone within a fraction of a second over a slow one.
constexpr double kWindowBytes = 1024 * 1024;
constexpr double kFewestFlights = 4;
constexpr double kMostFlights = 1024;
// At first. How large the replies are going to be, and how fast they come, is only known when some have come.
constexpr double kFirstFlights = 32;
// One link is used until this much is on its way over it: what goes together costs fewer system calls.
constexpr double kSharedBytes = 128 * 1024;
// So many may wait whatever was measured, for the measure is of the past; fewer if their replies are large.
constexpr double kAlwaysAdmitted = 128;

std::size_t weight(const Reply& reply) {
  std::size_t bytes = reply.text.size() + 8;
  for (const Reply& element : reply.elements) {
    bytes += weight(element);
  }
  return bytes;
}

}  // namespace

class Links::Link final : public Node::Tenant {
 public:
  Link(Links& links, Node& node) : Tenant(node), links_(links) { need(); }

 private:
  void on_up() override { links_.pump(); }
  void on_down() override { links_.pump(); }
  void on_unclaimed(const Replies& replies) override { links_.landed(replies); }  // they took a place, too
  Links& links_;
};

Asking::Asking(Links& links, Repeat repeat, std::int64_t deadline_ms)
    : Waiter(links.deadlines_, deadline_ms), links_(links), may_repeat_(repeat == Repeat::yes) {
  ++links.users_;
}

Asking::~Asking() {
  links_.leave(*this);
  --links_.users_;
}

std::int64_t Asking::deadline(const Links& links) {
  return links.deadlines_.now_ms() + links.node_.server().command_timeout_ms;
}

void Asking::await_suspend(std::coroutine_handle<> caller) {
  Waiter::await_suspend(caller);
  links_.enter(*this);
}

void Asking::send(Connection& connection) {
  CommandWriter commands = connection.writer();
  write(commands);
  connection.expect(commands.count(), *this);
}

void Asking::finish(std::optional<StoreError> error) {
  stop_receiving();
  links_.leave(*this);
  error_ = error;
  wake();
}

void Asking::on_deadline() {
  if (receiving()) {
    links_.late();
  }
  links_.node_.missed_deadline();
  finish(StoreError::unavailable);
}

void Asking::on_replies(Connection& connection, Replies&& replies) {
  for (const Reply& reply : replies) {
    links_.node_.doubt(connection, reply);
  }
  Links& links = links_;
  links.landed(replies);
  take(std::move(replies));
  finish(std::nullopt);
}

void Asking::on_no_replies() {
  if (std::exchange(may_repeat_, false)) {
    note_retries(1);
    links_.enter(*this);
  } else {
    finish(StoreError::unavailable);
  }
}

Read::Read(Links& links, Commands commands, Repeat repeat)
    : Read(links, std::move(commands), repeat, deadline(links)) {}

Read::Read(Links& links, Commands commands, Repeat repeat, std::int64_t deadline_ms)
    : Asking(links, repeat, deadline_ms), commands_(std::move(commands)) {}

Result<Replies> Read::await_resume() {
  if (error()) {
    return *error();
  }
  return std::move(replies_);
}

void Read::write(CommandWriter& commands) const {
  for (const Command& command : commands_) {
    commands.add(command);
  }
}

Links::Links(Deadlines& deadlines, Node& node)
    : deadlines_(deadlines), node_(node), most_flights_(kFirstFlights) {
  for (std::size_t i = 0; i < node.server().links; ++i) {
    links_.push_back(std::make_unique<Link>(*this, node));
  }
}

Links::~Links() = default;

bool Links::known_down() const {
  return std::all_of(links_.begin(), links_.end(), [](const auto& link) { return link->known_down(); });
}

std::size_t Links::connected() const {
  return static_cast<std::size_t>(std::count_if(
      links_.begin(), links_.end(), [](const auto& link) { return link->connection() != nullptr; }));
}

void Links::enter(Asking& asking) {
  const std::int64_t now = deadlines_.now_ms();
  if (known_down()) {
    asking.finish(StoreError::unavailable);
    return;
  }
  const std::int64_t left = asking.deadline_ms() - now;
  const auto always =
      static_cast<std::size_t>(std::clamp(kWindowBytes / reply_bytes_, kFewestFlights, kAlwaysAdmitted));
  if (waiting_count_ >= always && throughput_.expected_ms(waiting_count_ + flights(), now) > left / 2) {
    asking.finish(StoreError::overloaded);
    return;
  }
  waiting_.push_back(asking);
  ++waiting_count_;
  pump();
}

void Links::leave(Asking& asking) {
  if (static_cast<Hook<Links>&>(asking).linked()) {
    static_cast<Hook<Links>&>(asking).unlink();
    --waiting_count_;
  }
}

void Links::send_away() {
  while (!waiting_.empty()) {
    Asking& asking = waiting_.front();
    asking.take({});
    asking.finish(std::nullopt);
  }
}

// On their way over any link, whether somebody still waits for them or not.
std::size_t Links::flights() const {
  std::size_t flights = 0;
  for (const auto& link : links_) {
    flights += link->connection() != nullptr ? link->connection()->flights() : 0;
  }
  return flights;
}

// The first that carries little, else the one that carries least; null: all carry as much as they may, or
// none is ready.
Links::Link* Links::free_link() {
  const auto most =
      static_cast<std::size_t>(std::clamp(kWindowBytes / reply_bytes_, kFewestFlights, most_flights_));
  const auto shared = std::min(static_cast<std::size_t>(kSharedBytes / reply_bytes_), most);
  Link* best = nullptr;
  std::size_t fewest = most;
  for (const auto& link : links_) {
    if (link->connection() == nullptr) {
      continue;
    }
    const std::size_t flights = link->connection()->flights();
    if (flights < shared) {
      return link.get();
    }
    if (flights < fewest) {
      fewest = flights;
      best = link.get();
    }
  }
  return best;
}

// Its reply would come when nobody waits for it any more, and take the place of one that is waited for. A
// fresh one is always asked, or nothing would be measured again.
bool Links::too_late(const Asking& asking) const {
  const std::int64_t now = deadlines_.now_ms();
  const std::int64_t left = asking.deadline_ms() - now;
  return left < node_.server().command_timeout_ms / 2 && left < throughput_.expected_ms(flights() + 1, now);
}

void Links::pump() {
  while (!waiting_.empty()) {
    if (known_down()) {
      waiting_.front().finish(StoreError::unavailable);
      continue;
    }
    Link* link = free_link();
    if (link == nullptr) {
      return;
    }
    Asking& asking = waiting_.pop_front();
    --waiting_count_;
    if (too_late(asking)) {
      asking.finish(StoreError::overloaded);
      continue;
    }
    asking.send(*link->connection());
  }
}

// More was asked than comes in time, though it did not seem so much.
void Links::late() { most_flights_ = std::max(most_flights_ / 2, kFewestFlights); }

void Links::landed(const Replies& replies) {
  constexpr double kWeight = 0.1;
  std::size_t bytes = 0;
  for (const Reply& reply : replies) {
    bytes += weight(reply);
  }
  reply_bytes_ += kWeight * (static_cast<double>(bytes) - reply_bytes_);
  most_flights_ = std::min(most_flights_ + 1, kMostFlights);
  throughput_.finished(1, waiting_count_ > 0, deadlines_.now_ms());
  pump();
}

}  // namespace wallet_sync
