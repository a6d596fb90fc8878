// One request and its reply: the only place that knows how a request is suspended, held and resumed.
//
// An Exchange lives in the request's pool. While its coroutine waits, the request is held by r->main->blocked
// (a count alone does not survive a terminated connection), and whatever it waits for has a deadline of its
// own, so it always completes. A client that goes away does not stop a write that has begun; its reply is
// dropped. But while a password is hashed for it, there is no write yet: then its request ends.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "api.hpp"
#include "config.hpp"
#include "event_loop.hpp"
#include "ngx.hpp"
#include "pool_memory.hpp"
#include "request_body.hpp"
#include "trace.hpp"
#include "worker.hpp"

namespace wallet_sync {

class Exchange : private Posted, private KeyDerivation, private RequestBody::Reader, public Hook<Worker> {
 public:
  Exchange(ngx_http_request_t* r, Worker& worker, const LocationConf& conf);
  ~Exchange() override;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Null: no memory.
  static Exchange* create(ngx_http_request_t* r);

  // The last one of the request, which may have been led elsewhere since; null: it was not for us.
  static const Exchange* of(ngx_http_request_t* r);
  EndpointId endpoint() const { return endpoint_id_; }
  // Why it failed, as wallet_sync_error_count calls it; empty: it did not.
  std::string_view error_name() const;
  const Trace& trace() const { return trace_; }

  // What the content handler returns.
  ngx_int_t begin();
  // Instead of begin(): the request will be refused, somebody else having found its body too large.
  void refuse_body();
  // The worker ends now: forget the coroutine.
  void abandon() {
    suspended_ = false;
    patience_.reset();
    response_.socket.reset();
    task_.reset();
  }

 private:
  Route find_route();
  void on_body(RequestBody::End end) override;
  void on_broken_body(ngx_int_t status) override;

  // Starts the handler; false: it has finished already, with the response in response_.
  bool start(const Endpoint& endpoint);
  void run() override;  // the handler has finished, or its client has left, or the body is refused
  void on_client() override { post(); }
  void resume();
  void give_up();
  // A client that has left gets no password hashed, the one work that is not worth finishing without it.
  Task<std::optional<std::string>> derive(std::string password, std::string salt_hex,
                                          ScryptCost cost) override;
  class Hashing;
  void finish();
  void upgrade_when_alone();
  Response refuse_replaced_status();
  void upgrade();
  ngx_int_t reply(Response response);
  ngx_int_t send();
  void count_reply(ngx_uint_t status);

  ngx_http_request_t* r_;
  Worker& worker_;
  const LocationConf& conf_;
  Services services_;
  Request request_;
  PoolMemory memory_;
  Call call_;
  const Endpoint* endpoint_ = nullptr;
  EndpointId endpoint_id_ = EndpointId::none;
  bool suspended_ = false;  // then it is among the worker's
  bool hashing_ = false;    // the handler waits for a password hash, and has begun no change
  RequestBody body_;
  Trace trace_;
  std::optional<Task<Response>> task_;
  Response response_;
  std::string_view unanswered_;      // why it got no reply of ours
  std::unique_ptr<Timer> patience_;  // until an upgrade has the request for itself
  std::int64_t waited_ms_ = 0;
  std::int64_t begun_at_ms_;
};

}  // namespace wallet_sync
