// One request and its reply: the only place that knows how a request is suspended, held and resumed.
//
// An Exchange lives in the request's pool. While its coroutine waits, the request is held by r->main->blocked
// (a count alone does not survive a terminated connection), and whatever it waits for has a deadline of its
// own, so it always completes. A client that goes away does not stop a write that has begun; its reply is
// dropped. But while a password is hashed for it, there is no write yet: then its request ends.
#pragma once

#include <optional>
#include <string>

#include "api.hpp"
#include "config.hpp"
#include "event_loop.hpp"
#include "ngx.hpp"
#include "worker.hpp"

namespace wallet_sync {

class Exchange : private Posted, private KeyDerivation {
 public:
  Exchange(ngx_http_request_t* r, Worker& worker, const LocationConf& conf);
  ~Exchange() override;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // What the content handler returns.
  ngx_int_t begin();
  // The worker ends now: forget the coroutine.
  void abandon() {
    suspended_ = false;
    task_.reset();
  }

 private:
  ngx_int_t read_body();
  ngx_int_t answered_by_nginx(ngx_int_t status);
  static void on_body(ngx_http_request_t* r);
  static void on_body_readable(ngx_http_request_t* r);
  void continue_body();
  bool take_body_buffers();
  bool grow_body(std::size_t needed);

  // Starts the handler; false: it has finished already, with the response in response_.
  bool start(const Endpoint& endpoint);
  void run() override;  // the handler has finished, or its client has left
  // A client that has left gets no password hashed, the one work that is not worth finishing without it.
  Task<std::optional<std::string>> derive(std::string password, std::string salt_hex,
                                          ScryptCost cost) override;
  class Hashing;
  void finish();
  void upgrade();
  ngx_int_t reply(Response response);
  ngx_int_t send();

  ngx_http_request_t* r_;
  Worker& worker_;
  const LocationConf& conf_;
  Services services_;
  Request request_;
  Call call_;
  const Endpoint* endpoint_ = nullptr;
  EndpointId endpoint_id_ = EndpointId::none;
  bool suspended_ = false;
  bool hashing_ = false;                  // the handler waits for a password hash, and has begun no change
  std::list<Exchange*>::iterator place_;  // while suspended
  bool body_shared_ = false;
  u_char* body_ = nullptr;  // in the request's pool
  std::size_t body_capacity_ = 0;
  std::size_t body_size_ = 0;
  std::optional<Task<Response>> task_;
  Response response_;
};

}  // namespace wallet_sync
