#include "transaction.hpp"

#include <string>

namespace wallet_sync {

StoreError Transactions::failed(StoreError error) {
  switch (error) {
    case StoreError::unavailable: monitor_.count(Counter::store_unavailable); break;
    case StoreError::refused: monitor_.count(Counter::store_refused); break;
    case StoreError::unknown: monitor_.count(Counter::store_unknown); break;
    case StoreError::contended: monitor_.count(Counter::store_contended); break;
    case StoreError::internal: monitor_.count(Counter::store_internal); break;
  }
  return error;
}

Result<Replies> Transactions::check_look(const Lease& lease, Result<Replies> replies) {
  if (!replies) {
    return replies;
  }
  for (const Reply& reply : *replies) {
    if (reply.is_error()) {  // the lease is not released: a link that refuses is not kept
      monitor_.warn("Redis at " + lease.connection().server().name() + " refuses to read: " + reply.text);
      link_.doubt(reply);
      return StoreError::refused;
    }
  }
  replies->erase(replies->begin());
  return replies;
}

Commands Transactions::framed(Commands writes) {
  writes.emplace(writes.begin(), "MULTI");
  writes.emplace_back("EXEC");
  return writes;
}

Transactions::Exec Transactions::check_exec(const Lease& lease, Result<Replies> replies) {
  if (!replies) {
    return Exec::unknown;
  }
  const Reply& exec = replies->back();
  if (exec.is_nil()) {
    return Exec::raced;
  }
  const auto complain = [&](std::string_view what, const std::string& text) {
    monitor_.warn("Redis at " + lease.connection().server().name() + std::string(what) + text);
  };
  if (replies->front().is_error()) {  // no MULTI: what followed ran by itself
    complain(" refuses transactions: ", replies->front().text);
    return Exec::broken;
  }
  if (exec.type != Reply::Type::array) {
    for (const Reply& reply : *replies) {  // the reason stands where it was queued, EXECABORT only at the end
      if (reply.is_error()) {
        complain(" refuses to write: ", reply.text);
        link_.doubt(reply);
        break;
      }
    }
    return Exec::refused;
  }
  for (const Reply& reply : exec.elements) {
    if (reply.is_error()) {  // Redis does not roll back: a key of another type stands where ours should
      complain(" applied a transaction in part: ", reply.text);
      return Exec::broken;
    }
  }
  return Exec::committed;
}

// The next user of the connection sends after this, so nobody needs to wait for the answer.
void Transactions::leave(Lease& lease) {
  lease.connection().tell(Command("UNWATCH"));
  lease.release();
}

}  // namespace wallet_sync
