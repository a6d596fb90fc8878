// One connection to Redis, from connect to loss. It is not revived: its node makes another.
//
//   connecting ──▶ greeting (AUTH, HELLO, SELECT, PING, ROLE, GET) ──▶ ready ──▶ lost
//        └───────────────────┴──────────────────────────────────────────────────▲
//
// Ready means that the server is of the right kind (HELLO: its version and mode), that PING succeeded (one
// that loads its data set accepts nearly everything else), that it is a master, and that its data are of a
// schema version that we know (GET, see schema.hpp; a cluster's: schema_watch.hpp). Replies come in the order
// of the commands.
//
// Only the peer's silence ends a connection: for command_timeout nothing at all came, nor was anything more
// taken, although something is due. How long anyone wants to wait for a reply is another matter, and his own:
// he goes, and the reply is dropped when it comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "command.hpp"
#include "event_loop.hpp"
#include "monitor.hpp"
#include "reply.hpp"
#include "reply_reader.hpp"
#include "ring.hpp"
#include "server.hpp"
#include "stream.hpp"

namespace wallet_sync {

class Connection;

// Who waits for the replies to what was sent together. Destroying it forgets them; the commands run all the
// same. It may wait for one answer at a time.
class Receiver {
 public:
  Receiver() = default;
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  bool receiving() const { return connection_ != nullptr; }

 protected:
  virtual ~Receiver() { stop_receiving(); }
  void stop_receiving();
  // One reply for each command. Called from the loop. What it does not take of them is gone afterwards.
  virtual void on_replies(Connection& connection, Replies&& replies) = 0;
  // The connection was lost before all had come: any of the commands may have run.
  virtual void on_no_replies() = 0;

 private:
  friend class Connection;
  Connection* connection_ = nullptr;
  std::uint64_t flight_ = 0;  // its number
};

class Connection final : private Posted, private Stream::User, private ReplyReader::Sink {
 public:
  class Owner {
   public:
    // Called from the loop, never from within a call into the connection. The first two may destroy it.
    virtual void on_ready(Connection& connection) = 0;
    virtual void on_lost(Connection& connection) = 0;
    // What comes on a connection that push_command was used on.
    virtual void on_push(Connection&, const Reply&) {}
    // All replies of a receiver that does not exist any more.
    virtual void on_unclaimed(Connection&, const Replies&) {}

   protected:
    ~Owner() = default;
  };

  // Starts to connect. `generation`: see Node.
  Connection(EventLoop& loop, const Server& server, Monitor& monitor, Owner& owner, unsigned generation);
  ~Connection() override;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool ready() const { return state_ == State::ready; }
  bool lost() const { return state_ == State::lost; }
  // Why it was lost, where that makes a difference.
  enum class Cause {
    other,
    silence,  // of the peer: trying again would only take as long again
    schema,   // its data are of another schema version: it stays so until somebody does something
  };
  // It is, or was before it was lost.
  bool was_ready() const { return was_ready_; }
  Cause cause() const { return cause_; }
  bool was_silent() const { return cause_ == Cause::silence; }
  // Nobody has written a schema version there yet.
  bool without_schema() const { return without_schema_; }
  // Why it was lost, for the log.
  const std::string& reason() const { return reason_; }
  const Server& server() const { return server_; }
  unsigned generation() const { return generation_; }
  // When something came over it the last time, or the peer took what it had not taken at once.
  std::int64_t heard_at_ms() const { return heard_at_ms_; }
  std::size_t flights() const { return flights_.size(); }

  // Sends the commands with all else of this turn, in one write. REQUIRES: ready, receiver.receiving() false.
  void ask(const Commands& commands, Receiver& receiver);
  // The same in parts: how many replies are expected, then as many commands.
  void expect(std::size_t replies, Receiver& receiver);
  void append(const Command& command) { output_.append(command.wire()); }
  CommandWriter writer() { return CommandWriter(output_); }
  // Sends a command whose reply nobody waits for; an error reply ends the connection.
  void tell(const Command& command);
  // SUBSCRIBE and UNSUBSCRIBE: confirmations and messages come to Owner::on_push. Nothing else may be sent
  // from then on.
  void push_command(const Command& command);
  // Ends it, e.g. because of a reply that says the server is not what we need. The owner hears of it later in
  // this turn.
  void lose(std::string reason, Cause cause = Cause::other);
  // The same, because the peer does not answer.
  void lose_to_silence();

 private:
  friend class Receiver;
  enum class State { connecting, greeting, ready, lost };
  class Greeting;
  // Commands that were sent together.
  struct Flight {
    Receiver* receiver = nullptr;  // null: nobody wants the replies (any more)
    std::size_t expected = 0;
    bool complain = false;  // an error among the replies ends the connection
    std::int64_t begun_at_ms = 0;
  };

  void on_connected() override;
  void on_readable() override;
  void on_writable() override;
  void on_failed(std::string reason) override;
  bool on_reply(Reply&& reply) override;
  void run() override;  // the end of a turn

  void launch(std::size_t replies, Receiver* receiver, bool complain);
  Receiver* take_oldest();
  void greeted();
  void flush();
  void on_silence();
  void tell_owner();

  EventLoop& loop_;
  const Server& server_;
  Monitor& monitor_;
  Owner& owner_;
  const unsigned generation_;
  State state_ = State::connecting;
  State told_ = State::connecting;  // the state the owner knows of
  bool was_ready_ = false;
  bool without_schema_ = false;
  Cause cause_ = Cause::other;
  bool pushing_ = false;
  bool blocked_ = false;  // the stream takes no more for now
  std::string reason_;
  std::string output_;
  std::size_t written_ = 0;   // of output_
  Ring<Flight> flights_;      // oldest first
  std::uint64_t landed_ = 0;  // so many have been answered: the number of the oldest
  Replies replies_;           // to the oldest, so far
  std::int64_t heard_at_ms_;  // or when the first thing became due after a pause
  std::unique_ptr<Timer> silence_;
  std::unique_ptr<Greeting> greeting_;
  ReplyReader reader_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace wallet_sync
