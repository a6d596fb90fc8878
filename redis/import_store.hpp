// Moving an account in from another server: one transaction for all of it, which may be repeated and may race
// with the server's own.
//
//   here                                   then
//   no such account                        it is made
//   the same password                      the wallet is stored if its sequence is higher than the one here
//   another password, and the one here is  the password and the wallet replace those here, if the wallet's
//   that of an earlier import              sequence is higher; who is logged in here is logged out
//   another password, set here             nothing
//
// Fields of an imported account besides those of keyspace.hpp: imported-salt, the salt that was imported, and
// created-exactly and updated-exactly (of the wallet as well), the text of a time that is more than seconds.
// They hold as long as the seconds beside them do.
#pragma once

#include <optional>
#include <string>

#include "store.hpp"

namespace wallet_sync {

struct ImportedTime {
  UnixTime seconds = 0;
  std::string exactly;  // empty: the seconds are all there is
};

struct ImportedAccount {
  Email email;
  Account account;
  ImportedTime created;
  ImportedTime updated;
  ImportedTime verify_expires;            // of one that is not verified; 0: unknown
  std::uint32_t unverified_lifetime = 0;  // seconds until it is gone then; 0: it stays
  std::optional<Wallet> wallet;
  ImportedTime wallet_updated;
};

enum class ImportOutcome {
  created,
  updated,         // what is newer was taken over
  unchanged,       // all of it was here
  newer_here,      // the wallet here has a higher sequence
  other_wallet,    // another wallet of the same sequence is here
  other_password,  // the account here has another password, set here, or its wallet is newer
  other_address,   // the account here belongs to another address: an id is a part of a hash
};

struct ImportResult {
  ImportOutcome outcome = ImportOutcome::unchanged;
  UserId id = 0;  // that the account has here
};

}  // namespace wallet_sync
