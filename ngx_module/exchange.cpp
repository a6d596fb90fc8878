#include "exchange.hpp"

#include <algorithm>
#include <cstring>

#include "handler.hpp"
#include "ngx_http_wallet_sync_module.h"
#include "response_header.hpp"
#include "takeover.hpp"

namespace wallet_sync {
namespace {

constexpr unsigned kMaxBlocked = 200;  // nginx counts in 8 bits; only a page of many subrequests comes near

Request read_request(ngx_http_request_t* r) {
  Request request;
  request.method = r->method == NGX_HTTP_GET    ? Method::get
                   : r->method == NGX_HTTP_POST ? Method::post
                                                : Method::other;
  request.path = to_view(r->uri);
  request.query = to_view(r->args);
  if (r->headers_in.authorization != nullptr) {
    request.authorization = to_view(r->headers_in.authorization->value);
  }
  request.prefers_html = accepts_html(r);
  return request;
}

// epoll tells that the client sends no more, which ngx_http_test_reading() takes for leaving, too; HTTP/2
// that it has reset the stream or closed the connection. Under select and poll a client is not seen to leave.
bool has_left(const ngx_connection_t* client) {
  return client->error != 0 || client->read->error != 0 || client->read->pending_eof != 0;
}

}  // namespace

ngx_int_t handle_request(ngx_http_request_t* r) {
  Worker* worker = Worker::current();
  if (worker == nullptr) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  auto* exchange = make_in_pool<Exchange>(r->pool, r, *worker, location_conf(r));
  if (exchange == nullptr) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  ngx_http_set_ctx(r, exchange, ngx_http_wallet_sync_module);
  return exchange->begin();
}

Exchange::Exchange(ngx_http_request_t* r, Worker& worker, const LocationConf& conf)
    : Posted(worker.loop()),
      r_(r),
      worker_(worker),
      conf_(conf),
      services_{worker.store(conf.server), worker.sockets(conf.server), *this, worker.mailer(conf.mailer),
                [] { return static_cast<UnixTime>(ngx_time()); }},
      request_(read_request(r)),
      call_{Api::v1, request_, conf.settings, services_, {}} {}

Exchange::~Exchange() {
  if (suspended_) {
    worker_.leave(place_);
  }
}

ngx_int_t Exchange::begin() {
  Route found = route(request_, conf_.settings);
  endpoint_ = found.endpoint;
  endpoint_id_ = found.id;
  worker_.metrics().count_request(endpoint_id_, request_.method);
  const bool too_large = endpoint_ != nullptr && endpoint_->method == Method::post &&
                         r_->headers_in.content_length_n > static_cast<off_t>(*conf_.max_body);
  if (too_large) {
    found.refusal = body_too_large();
    r_->expect_tested = 1;  // no 100 Continue for a body that nobody wants
    r_->keepalive = 0;
  } else if (endpoint_ != nullptr) {
    call_.api = endpoint_->api;
    if (endpoint_->method == Method::post) {
      return read_body();
    }
    if (endpoint_->id == EndpointId::websocket) {
      request_.upgrade = upgrade_headers(r_);
    }
  }
  if (const ngx_int_t rc = ngx_http_discard_request_body(r_); rc != NGX_OK) {
    return rc;
  }
  if (too_large || endpoint_ == nullptr) {
    return reply(std::move(found.refusal));
  }
  if (!start(*endpoint_)) {
    return send();
  }
  ++r_->main->count;
  return NGX_DONE;
}

// nginx hands over what has come as it comes, and we keep it in memory: with its own buffering the body would
// go to a file, and a chunked one that is too large would be answered by nginx' page.
ngx_int_t Exchange::read_body() {
  body_shared_ = r_->request_body != nullptr;  // another module, such as mirror, has read it
  r_->request_body_no_buffering = 1;
  const ngx_int_t rc = ngx_http_read_client_request_body(r_, on_body);
  return rc >= NGX_HTTP_SPECIAL_RESPONSE ? answered_by_nginx(rc) : NGX_DONE;
}

// Counts the page nginx makes of a body that did not come, unless nobody is there to read it.
ngx_int_t Exchange::answered_by_nginx(ngx_int_t status) {
  if (r_->connection->error == 0) {
    worker_.metrics().count_response(endpoint_id_, static_cast<int>(status));
  }
  return status;
}

void Exchange::on_body(ngx_http_request_t* r) {
  auto* self = static_cast<Exchange*>(ngx_http_get_module_ctx(r, ngx_http_wallet_sync_module));
  if (r->reading_body != 0) {
    r->read_event_handler = on_body_readable;
  }
  self->continue_body();
}

void Exchange::on_body_readable(ngx_http_request_t* r) {
  auto* self = static_cast<Exchange*>(ngx_http_get_module_ctx(r, ngx_http_wallet_sync_module));
  self->continue_body();
}

void Exchange::continue_body() {
  while (take_body_buffers()) {
    if (r_->reading_body == 0) {
      request_.body = {reinterpret_cast<const char*>(body_), body_size_};
      if (!start(*endpoint_)) {
        finish();
      }
      return;
    }
    const ngx_int_t rc = ngx_http_read_unbuffered_request_body(r_);
    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
      r_->read_event_handler = ngx_http_block_reading;
      ngx_http_finalize_request(r_, answered_by_nginx(rc));
      return;
    }
    if (rc == NGX_AGAIN && r_->request_body->bufs == nullptr) {
      return;
    }
  }
  r_->keepalive = 0;
  response_ = body_size_ > *conf_.max_body ? body_too_large() : error_response(500);
  finish();
}

// False: the body is too large, or memory is short.
bool Exchange::take_body_buffers() {
  if (r_->request_body == nullptr) {
    return true;
  }
  for (ngx_chain_t* link = r_->request_body->bufs; link != nullptr; link = link->next) {
    ngx_buf_t* buf = link->buf;
    const auto size = static_cast<std::size_t>(ngx_buf_size(buf));
    if (size == 0) {
      continue;
    }
    if (body_size_ + size > *conf_.max_body) {
      body_size_ += size;
      return false;
    }
    if (body_size_ + size > body_capacity_ && !grow_body(body_size_ + size)) {
      return false;
    }
    if (ngx_buf_in_memory(buf)) {
      std::memcpy(body_ + body_size_, buf->pos, size);
    } else if (ngx_read_file(buf->file, body_ + body_size_, size, buf->file_pos) !=
               static_cast<ssize_t>(size)) {
      return false;
    }
    body_size_ += size;
    if (!body_shared_) {
      buf->pos = buf->last;  // nginx may fill it again
    }
  }
  if (!body_shared_) {
    r_->request_body->bufs = nullptr;
  }
  return true;
}

bool Exchange::grow_body(std::size_t needed) {
  const auto announced = static_cast<std::size_t>(std::max<off_t>(r_->headers_in.content_length_n, 0));
  const std::size_t capacity = std::min(std::max({needed, announced, 2 * body_capacity_}), *conf_.max_body);
  auto* larger = static_cast<u_char*>(ngx_pnalloc(r_->pool, capacity));
  if (larger == nullptr) {
    return false;
  }
  if (body_ != nullptr) {
    std::memcpy(larger, body_, body_size_);
    ngx_pfree(r_->pool, body_);
  }
  body_ = larger;
  body_capacity_ = capacity;
  return true;
}

bool Exchange::start(const Endpoint& endpoint) {
  if (auto refusal = prepare(endpoint, call_)) {
    response_ = std::move(*refusal);
    return false;
  }
  if (r_->main->blocked > kMaxBlocked) {
    response_ = service_unavailable();
    return false;
  }
  r_->read_event_handler = ngx_http_block_reading;
  task_.emplace(endpoint.handler(call_));
  task_->start();
  if (task_->done()) {
    response_ = task_->take();
    return false;
  }
  task_->notify([](void* self) { static_cast<Exchange*>(self)->post(); }, this);
  ++r_->main->blocked;
  place_ = worker_.enter(*this);
  suspended_ = true;
  return true;
}

// A hash that its coroutine awaits, and the watch on the client meanwhile. Subrequests have no client of
// their own: what a mirror does is wanted although the client has its answer and is gone.
class Exchange::Hashing {
 public:
  explicit Hashing(Exchange& exchange) : exchange_(exchange) {
    if (exchange.r_ == exchange.r_->main) {
      exchange.hashing_ = true;
      exchange.r_->read_event_handler = [](ngx_http_request_t* r) {
        ngx_http_block_reading(r);  // what the client sends ahead stays where it is
        static_cast<Exchange*>(ngx_http_get_module_ctx(r, ngx_http_wallet_sync_module))->post();
      };
      exchange.post();  // the client may have left while Redis was asked
    }
  }
  ~Hashing() {
    exchange_.hashing_ = false;
    exchange_.r_->read_event_handler = ngx_http_block_reading;
  }
  Hashing(const Hashing&) = delete;
  Hashing& operator=(const Hashing&) = delete;

 private:
  Exchange& exchange_;
};

Task<std::optional<std::string>> Exchange::derive(std::string password, std::string salt_hex,
                                                  ScryptCost cost) {
  const Hashing hashing(*this);
  co_return co_await worker_.kdf().derive(std::move(password), std::move(salt_hex), cost);
}

// No coroutine runs here, and what the handler waits for detaches itself when it is destroyed.
void Exchange::run() {
  if (!suspended_) {
    return;
  }
  const bool given_up = !task_->done();
  if (given_up && !(hashing_ && has_left(r_->connection))) {
    return;
  }
  ngx_connection_t* connection = r_->connection;
  worker_.leave(place_);
  suspended_ = false;
  --r_->main->blocked;
  if (given_up) {
    task_.reset();
    ngx_log_error(NGX_LOG_INFO, connection->log, 0,
                  "wallet_sync: client left before its password was hashed");
    connection->error = 1;
    ngx_http_finalize_request(r_, NGX_HTTP_CLIENT_CLOSED_REQUEST);
    ngx_http_run_posted_requests(connection);
    return;
  }
  response_ = task_->take();
  if (response_.status == 101 && connection->error == 0) {
    upgrade();
    return;
  }
  finish();
  ngx_http_run_posted_requests(connection);
}

// The connection becomes a websocket; the request, and this object in its pool, end.
void Exchange::upgrade() {
  ngx_http_request_t* r = r_;
  ngx_connection_t* connection = r->connection;
  const std::shared_ptr<PendingSocket> place = std::move(response_.socket);
  const SocketSettings& settings = conf_.sockets;
  r->keepalive = 0;
  if (r->count != 1 || r->blocked != 0 || r->postponed != nullptr) {  // a mirror, say, works on the request
    ngx_http_finalize_request(r, NGX_ERROR);
    ngx_http_run_posted_requests(connection);
    return;
  }
  worker_.metrics().count_response(endpoint_id_, response_.status);
  ngx_int_t rc = set_headers(r, response_) ? ngx_http_send_header(r) : NGX_ERROR;
  if (rc == NGX_OK || rc == NGX_AGAIN) {
    rc = ngx_http_send_special(r, NGX_HTTP_FLUSH);
  }
  if (rc != NGX_OK || r->out != nullptr ||
      connection->buffered != 0) {  // a client that cannot take 200 bytes
    ngx_http_finalize_request(r, NGX_ERROR);
    ngx_http_run_posted_requests(connection);
    return;
  }
  std::string early(reinterpret_cast<const char*>(r->header_in->pos),
                    static_cast<std::size_t>(r->header_in->last - r->header_in->pos));
  release_request(r);
  SocketHub::adopt(*place, connection, settings, std::move(early));
}

// Ends a request that the content handler has answered with NGX_DONE.
void Exchange::finish() { ngx_http_finalize_request(r_, r_->connection->error != 0 ? NGX_ERROR : send()); }

ngx_int_t Exchange::reply(Response response) {
  response_ = std::move(response);
  return send();
}

ngx_int_t Exchange::send() {
  if (!set_headers(r_, response_)) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  const ngx_int_t rc = ngx_http_send_header(r_);
  // Not before: a filter may have made a 304 of it.
  worker_.metrics().count_response(endpoint_id_, static_cast<int>(r_->headers_out.status));
  if (rc == NGX_ERROR || rc > NGX_OK || r_->header_only != 0) {
    return rc;
  }
  auto* buf = static_cast<ngx_buf_t*>(ngx_calloc_buf(r_->pool));
  if (buf == nullptr) {
    return NGX_ERROR;
  }
  // The text lives in this object, as long as the request's pool.
  buf->pos = reinterpret_cast<u_char*>(response_.body.data());
  buf->last = buf->pos + response_.body.size();
  buf->memory = 1;
  buf->last_buf = r_ == r_->main ? 1 : 0;
  buf->last_in_chain = 1;
  ngx_chain_t out{buf, nullptr};
  return ngx_http_output_filter(r_, &out);
}

}  // namespace wallet_sync
