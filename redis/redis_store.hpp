// The store on Redis. One of it per worker and server; see keyspace.hpp for what is kept, change.hpp for how
// it is changed.
#pragma once

#include "change_queue.hpp"
#include "event_loop.hpp"
#include "keyspace.hpp"
#include "links.hpp"
#include "monitor.hpp"
#include "node.hpp"
#include "server.hpp"
#include "store.hpp"
#include "topology.hpp"
#include "waiter.hpp"
#include "websocket.hpp"

namespace wallet_sync {

class RedisStore : public Store {
 public:
  // Starts to connect. Every coroutine of it must have ended before it is destroyed.
  RedisStore(EventLoop& loop, Server server, Monitor& monitor);

  Task<Result<LoginState>> read_login(Email email) override;
  Task<Result<FailedLogins>> count_failed_login(AccountId id, std::uint32_t window) override;
  Task<Result<bool>> create_account(AccountId id, Account account, std::optional<Verification> pending,
                                    UnixTime now) override;
  Task<Result<bool>> remove_unverified(AccountId id, Verification pending) override;
  Task<Result<LoginResult>> save_token(AccountId id, CheckedPassword checked, NewToken token,
                                       LoginLimit limit, UnixTime now) override;
  Task<Result<ChangeResult>> change_password(AccountId id, PasswordChange wanted, LoginLimit limit,
                                             UnixTime now) override;
  Task<Result<WalletVersion>> show_wallet(Token token, UnixTime now, WalletReader& reader) override;
  Task<Result<WalletVersion>> get_wallet_version(Token token, UnixTime now) override;
  Task<Result<PutOutcome>> put_wallet(Token token, Wallet wallet, UnixTime now) override;
  Task<Result<TokenState>> read_token(Token token, UnixTime now) override;
  Task<Result<Standing>> read_standing(Token token, UnixTime now) override;
  Task<std::vector<Result<Standing>>> read_standings(std::vector<AccountId> accounts) override;
  Task<Result<bool>> verify(Token token, UnixTime now) override;
  Task<Result<bool>> is_whitelisted(Email email) override;
  Task<Result<DeletionResult>> delete_account(AccountId id, PasswordHash checked, LoginLimit limit) override;
  Task<Result<Renewal>> renew_verification(Email email, Verification pending, std::uint32_t interval,
                                           UnixTime now) override;
  Task<Result<bool>> forget_renewal(AccountId id, Verification pending) override;

  // Whether Redis, or each master of a cluster, would carry out a change now; nothing is changed, nothing is
  // counted.
  Task<Result<bool>> takes_writes();
  // What is asked now would fail at once.
  bool known_down() const { return topology_.known_down() || !wrong_schema().empty(); }
  // Why what Redis holds is left alone, see schema.hpp; empty: it is not. Until it is right, nothing is done.
  const std::string& wrong_schema() const { return topology_.wrong_schema(); }

  const Server& server() const { return server_; }
  const Keyspace& keys() const { return keys_; }
  // For subscribers, which live beside the store and no longer than it.
  Deadlines& deadlines() { return deadlines_; }
  Topology& topology() { return topology_; }
  const Topology& topology() const { return topology_; }
  // Of the only shard there is; not for clusters.
  const Links& links() const { return topology_.first().links; }
  const ChangeQueue& changes() const { return topology_.first().changes; }
  Node& node() { return topology_.first().node; }

 protected:
  // Commands outside transactions, about one account; an error reply is a failure.
  Task<Result<Replies>> ask(AccountId account, Commands commands, Repeat repeat = Repeat::yes);
  // The same with functions instead of commands and replies, as Glance has it.
  template <typename T, typename Write, typename Understand>
  Task<Result<T>> glance(AccountId account, Write write, Understand understand);
  // The same about a key that is no account's.
  Task<Result<Replies>> ask_of_key(std::string_view key, Commands commands, Repeat repeat = Repeat::yes);
  // The same of the master of a slot, about anything it has. If it sends any of it elsewhere, nobody follows:
  // it is unavailable, and another attempt goes to the right place.
  Task<Result<Replies>> ask_there(std::size_t slot, Commands commands);
  // Counts the failure and passes it on.
  StoreError failed(StoreError error) { return topology_.first().changes.failed(error); }
  // The next state of an account; see change.hpp. To be awaited at once.
  template <typename Outcome, typename Decide>
  Decided<Outcome, Decide> change(const AccountId& account, Look look, Decide decide) {
    return {topology_.of(account).changes, account, std::move(look), std::move(decide)};
  }
  // `marks`: what stands in the field "write" of the wallet that is replaced.
  Command write_wallet(const AccountId& id, const Wallet& wallet, std::string_view marks,
                       std::string_view write, UnixTime now) const;
  std::string next_write_id();
  // Tells the account's websockets, as a part of the change.
  Command publish(const AccountId& id, std::string_view message) const;
  // All that ends an account, in one transaction.
  Commands deletion(const AccountId& id) const;

 private:
  Task<Result<Replies>> ask_of_slot(std::size_t slot, Commands commands, Repeat repeat);
  // What came of it in the end: none of the replies is an error.
  Task<Result<Replies>> settled(std::size_t slot, Commands commands, Replies replies,
                                std::int64_t deadline_ms);
  bool elsewhere(const Replies& replies) const;
  // What a node of a cluster has redirected goes where it has to; see store_routing.cpp.
  Task<Result<Replies>> follow(std::size_t slot, Commands commands, Replies replies,
                               std::int64_t deadline_ms);
  Result<Replies> checked(const Shard& shard, Result<Replies> replies);
  Task<Result<Standing>> read_one_standing(AccountId account);
  void add_standing(const AccountId& account, Commands& commands) const;

  Server server_;
  Monitor& monitor_;
  Keyspace keys_;
  Deadlines deadlines_;
  Topology topology_;
  std::string write_prefix_;  // random
  std::uint64_t writes_ = 0;
};

template <typename T, typename Write, typename Understand>
Task<Result<T>> RedisStore::glance(AccountId account, Write write, Understand understand) {
  Glance<T, Write, Understand> glance(topology_.of(account).links, write, understand);
  Result<T> seen = co_await glance;
  if (glance.exceptions()) {
    CommandList list;
    write(list);
    auto replies = co_await settled(topology_.slot(account), std::move(list.commands),
                                    *std::move(glance.exceptions()), glance.deadline_ms());
    if (!replies) {
      co_return replies.error();
    }
    seen = understand(std::span<Reply>(*replies));
  }
  if (!seen) {
    failed(seen.error());
  }
  co_return seen;
}

}  // namespace wallet_sync
