// The commands of wallet-sync-admin. Each returns an ExitStatus.
#pragma once

#include <string>
#include <vector>

#include "session.hpp"

struct AdminOptions {
  bool json = false;
  bool yes = false;         // do not ask before deleting
  bool verified = false;    // of list: these only
  bool unverified = false;  // of list: these only
};

int list_accounts(Session& session, const AdminOptions& options);
int show_account(Session& session, const AdminOptions& options, const wallet_sync::Email& email);
int verify_account(Session& session, const AdminOptions& options, const wallet_sync::Email& email);
int revoke_tokens(Session& session, const AdminOptions& options, const wallet_sync::Email& email);
int delete_account(Session& session, const AdminOptions& options, const wallet_sync::Email& email);
int add_to_whitelist(Session& session, const AdminOptions& options, const wallet_sync::Email& email);
int remove_from_whitelist(Session& session, const AdminOptions& options, const wallet_sync::Email& email);
int list_whitelist(Session& session, const AdminOptions& options);
int show_statistics(Session& session, const AdminOptions& options);
int check_store(Session& session, const AdminOptions& options);
