// One address of Redis: it connects, waits between attempts, and is the one place that decides "this is no
// master any more".
//
// Who needs a connection there is a Tenant: a link, a lane, the subscriber. Each has its own connection; the
// node makes it and replaces it when it is lost:
//
//   the connection was fine a second ago     at once, and who waits goes on waiting
//   otherwise                                after a delay that doubles; who waits is told
//   no tenant has a connection               one tries for all
//
// Connections belong to a generation of the address. The first READONLY, MASTERDOWN or LOADING over one of
// them, or a ROLE that says "slave", ends the generation: behind a virtual address or a proxy the others lead
// to the same demoted server. What arrives late over a connection of a former generation ends nothing but
// that connection.
//
// A node of a cluster has one address for ever; whether slots lead there is the topology's part.
//
// Data of a schema version that we do not know (schema.hpp) are left alone: a connection that finds some is
// none, and when the key changes under us, as ROLE and GET tell twice a second, the generation ends as well.
//
// With sentinels the address is what they say, see sentinel_watch.hpp: when they name another one, a new
// generation begins there. Whatever makes us doubt the address is a reason to ask them at once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "connection.hpp"
#include "event_loop.hpp"
#include "monitor.hpp"
#include "sentinel_watch.hpp"
#include "server.hpp"

namespace wallet_sync {

class Node final : private Connection::Owner, private SentinelWatch::Listener {
  class RoleCheck;

 public:
  class Tenant {
   public:
    // `asks`: it may be sent any command, between its own; the subscriber may not.
    explicit Tenant(Node& node, bool asks = true);
    Tenant(const Tenant&) = delete;
    Tenant& operator=(const Tenant&) = delete;

    // Null unless it is ready.
    Connection* connection() const {
      return connection_ && connection_->ready() ? connection_.get() : nullptr;
    }
    // There is none, and the last attempt to make one failed: waiting for it is no use.
    bool known_down() const { return known_down_; }

   protected:
    virtual ~Tenant();
    // Whether it wants a connection now. One who comes to want one later calls need().
    virtual bool wanted() const { return true; }
    void need();
    virtual void on_up() = 0;    // connection() is not null
    virtual void on_down() = 0;  // it was lost, or could not be made; known_down() says whether to wait
    virtual void on_push(const Reply&) {}
    virtual void on_unclaimed(const Replies&) {}

   private:
    friend class Node;
    Node& node_;
    bool known_down_ = false;
    std::int64_t replaced_at_ms_;  // the last time without a delay
    std::unique_ptr<Connection> connection_;
    std::unique_ptr<RoleCheck> role_check_;  // null: it does not ask
  };

  // Hears of each reason to doubt that this is the right address.
  class Doubter {
   public:
    virtual void on_doubt() = 0;

   protected:
    ~Doubter() = default;
  };

  Node(EventLoop& loop, const Server& server, Monitor& monitor, Doubter* doubter = nullptr);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // With its address of the moment.
  const Server& server() const { return server_; }
  EventLoop& loop() { return loop_; }
  Monitor& monitor() { return monitor_; }
  // Why the data there are left alone, until a connection finds others; empty: they are not.
  const std::string& wrong_schema() const { return wrong_schema_; }
  // Null: the address is fixed.
  const SentinelWatch* sentinels() const { return sentinels_.get(); }

  // An error reply came over the connection: if it says that the server is no master, all connections of its
  // generation go.
  void doubt(Connection& connection, const Reply& error);
  // An operation has come to its deadline: nobody else tells why its client gets 503.
  void missed_deadline();
  // Without an address: there will be none. Who waits for one is told.
  void give_up_waiting() { on_no_master(); }

 private:
  void connect(Tenant& tenant);
  void connect_missing();
  void on_ready(Connection& connection) override;
  void on_lost(Connection& connection) override;
  void on_push(Connection& connection, const Reply& push) override;
  void on_unclaimed(Connection& connection, const Replies& replies) override;
  void on_master(const std::string& host, int port) override;
  void on_no_master() override;
  bool has_address() const { return !server_.unix_path.empty() || !server_.host.empty(); }
  void ask_others();
  Tenant& tenant_of(const Connection& connection);
  Tenant* any_ready();
  void checked_schema(Connection& connection, const Reply& reply, RoleCheck& check);
  void mark_schema(Connection& connection, RoleCheck& check);
  void marked_schema(Connection& connection, const Reply& reply);
  void end_generation(Connection& connection, const std::string& reason,
                      Connection::Cause cause = Connection::Cause::other);
  void drop_silent(std::int64_t heard_before_ms);
  void retry_later();
  void tell_once(const Connection& lost);
  void check_roles();

  EventLoop& loop_;
  Server server_;
  Monitor& monitor_;
  Doubter* doubter_;  // null: nobody
  unsigned generation_ = 0;
  unsigned moved_with_ = 0;      // the generation that the address began with
  bool masterless_ = false;      // no sentinel can tell an address
  bool down_ = false;            // and said so in the log
  const bool named_by_address_;  // its certificate is
  std::string last_reason_;
  std::string wrong_schema_;
  bool marking_schema_ = false;
  std::string last_mark_error_;
  Commands role_question_;
  std::int64_t backoff_ms_ = 0;
  std::vector<Tenant*> tenants_;
  std::unique_ptr<Timer> retry_;
  std::unique_ptr<Timer> role_timer_;
  std::unique_ptr<SentinelWatch> sentinels_;  // null: the address is fixed
};

}  // namespace wallet_sync
