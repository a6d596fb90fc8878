// The store on Redis. One of it per worker and server; see keyspace.hpp for what is kept, transaction.hpp for
// how it is changed.
#pragma once

#include "event_loop.hpp"
#include "keyspace.hpp"
#include "link.hpp"
#include "monitor.hpp"
#include "pool.hpp"
#include "server.hpp"
#include "store.hpp"
#include "transaction.hpp"
#include "websocket.hpp"

namespace wallet_sync {

class RedisStore : public Store {
 public:
  // Starts to connect. Every coroutine of it must have ended before it is destroyed.
  RedisStore(EventLoop& loop, Server server, Monitor& monitor);

  Task<Result<LoginState>> read_login(AccountId id) override;
  Task<Result<FailedLogins>> count_failed_login(AccountId id, std::uint32_t window) override;
  Task<Result<bool>> create_account(AccountId id, Account account, std::optional<Verification> pending,
                                    UnixTime now) override;
  Task<Result<bool>> remove_unverified(AccountId id, Verification pending) override;
  Task<Result<LoginOutcome>> save_token(AccountId id, PasswordHash checked, NewToken token, LoginLimit limit,
                                        UnixTime now) override;
  Task<Result<ChangeOutcome>> change_password(AccountId id, PasswordChange change, LoginLimit limit,
                                              UnixTime now) override;
  Task<Result<WalletView>> get_wallet(Token token, UnixTime now) override;
  Task<Result<PutOutcome>> put_wallet(Token token, Wallet wallet, UnixTime now) override;
  Task<Result<TokenState>> read_token(Token token, UnixTime now) override;
  Task<Result<Standing>> read_standing(Token token, UnixTime now) override;
  Task<Result<std::vector<Standing>>> read_standings(std::vector<AccountId> accounts) override;
  Task<Result<bool>> verify(Token token, UnixTime now) override;
  Task<Result<ResendOutcome>> renew_verification(AccountId id, Verification pending, std::uint32_t interval,
                                                 UnixTime now) override;
  Task<Result<bool>> forget_renewal(AccountId id, Verification pending) override;

  const Server& server() const { return server_; }
  const Pool& pool() const { return pool_; }
  const Link& link() const { return link_; }
  const Keyspace& keys() const { return keys_; }

 private:
  // Commands outside transactions: one round trip on the shared link, an error reply is a failure.
  Task<Result<Replies>> ask(Commands commands);
  Command write_wallet(const AccountId& id, const Wallet& wallet, const std::string& write,
                       UnixTime now) const;
  std::string next_write_id();

  Server server_;
  Monitor& monitor_;
  Keyspace keys_;
  Link link_;
  Pool pool_;
  Transactions transactions_;
  std::string write_prefix_;  // random
  std::uint64_t writes_ = 0;
};

}  // namespace wallet_sync
