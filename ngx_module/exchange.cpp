#include "exchange.hpp"

#include <array>

#include "handler.hpp"
#include "response_header.hpp"
#include "takeover.hpp"

namespace wallet_sync {
namespace {

constexpr unsigned kMaxBlocked = 200;  // nginx counts in 8 bits; only a page of many subrequests comes near
// How long an upgrade waits for others that work on the request, and how often it looks.
constexpr std::int64_t kPatienceMs = 5000;
constexpr std::int64_t kPauseMs = 20;

Request read_request(ngx_http_request_t* r) {
  Request request;
  request.method = r->method == NGX_HTTP_GET      ? Method::get
                   : r->method == NGX_HTTP_POST   ? Method::post
                   : r->method == NGX_HTTP_DELETE ? Method::del
                                                  : Method::other;
  request.path = to_view(r->uri);
  request.query = to_view(r->args);
  if (r->headers_in.authorization != nullptr) {
    request.authorization = to_view(r->headers_in.authorization->value);
  }
  if (r->headers_in.if_none_match != nullptr) {
    request.if_none_match = to_view(r->headers_in.if_none_match->value);
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
  Exchange* exchange = Exchange::create(r);
  return exchange != nullptr ? exchange->begin() : NGX_HTTP_INTERNAL_SERVER_ERROR;
}

bool refuse_body(ngx_http_request_t* r) {
  Exchange* exchange = Exchange::create(r);
  if (exchange != nullptr) {
    exchange->refuse_body();
  }
  return exchange != nullptr;
}

Exchange* Exchange::create(ngx_http_request_t* r) {
  Worker* worker = Worker::current();
  return worker != nullptr ? make_in_pool<Exchange>(r->pool, r, *worker, location_conf(r)) : nullptr;
}

const Exchange* Exchange::of(ngx_http_request_t* r) {
  return find_in_pool<Exchange>(r->pool, [r](const Exchange& exchange) { return exchange.r_ == r; });
}

Exchange::Exchange(ngx_http_request_t* r, Worker& worker, const LocationConf& conf)
    : Posted(worker.loop()),
      r_(r),
      worker_(worker),
      conf_(conf),
      services_{worker.store(conf.server), worker.sockets(conf.server), *this, worker.mailer(conf.mailer),
                [] { return static_cast<UnixTime>(ngx_time()); }},
      request_(read_request(r)),
      memory_(*r->pool),
      call_{Api::v1, request_, conf.settings, services_, memory_, {}},
      body_(r, conf.max_body, *this),
      begun_at_ms_(worker.loop().now_ms()) {
  worker_.crowd().enter();
}

Exchange::~Exchange() {
  if (Worker::current() != nullptr) {  // else this request is the last thing of a worker that ends
    worker_.crowd().leave();
  }
}

std::string_view Exchange::error_name() const {
  if (!unanswered_.empty() || !response_.cause.empty()) {
    return unanswered_.empty() ? response_.cause : unanswered_;
  }
  const auto failure = failure_of(response_.status);
  return failure ? failure_name(*failure) : std::string_view();
}

Route Exchange::find_route() {
  Route found = route(request_, conf_.settings);
  endpoint_ = found.endpoint;
  endpoint_id_ = found.id;
  worker_.metrics().count_request(endpoint_id_, request_.method);
  return found;
}

ngx_int_t Exchange::begin() {
  Route found = find_route();
  const bool too_large = endpoint_ != nullptr && endpoint_->takes_body() &&
                         r_->headers_in.content_length_n > static_cast<off_t>(conf_.max_body);
  if (too_large) {
    found.refusal = body_too_large();
    r_->expect_tested = 1;  // no 100 Continue for a body that nobody wants
    r_->keepalive = 0;
  } else if (endpoint_ != nullptr) {
    call_.api = endpoint_->api;
    if (endpoint_->takes_body()) {
      return body_.read();
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

void Exchange::refuse_body() {
  Route found = find_route();
  response_ = found.endpoint != nullptr ? body_too_large() : std::move(found.refusal);
  r_->keepalive = 0;
  r_->lingering_close = 1;
  body_.refuse();
  post();
}

void Exchange::on_body(RequestBody::End end) {
  switch (end) {
    case RequestBody::End::complete:
      request_.body = body_.bytes();
      if (start(*endpoint_)) {
        return;
      }
      return finish();
    case RequestBody::End::too_large: response_ = body_too_large(); break;
    case RequestBody::End::broken_off: response_ = error_response(400); break;
    case RequestBody::End::lost: response_ = service_unavailable(); break;
    case RequestBody::End::failed: response_ = error_response(500); break;
  }
  r_->keepalive = 0;
  finish();
}

// Counts the page nginx makes of a body that did not come, unless nobody is there to read it.
void Exchange::on_broken_body(ngx_int_t status) {
  response_.status = static_cast<int>(status);
  if (r_->connection->error == 0) {
    count_reply(static_cast<ngx_uint_t>(status));
  }
}

void Exchange::count_reply(ngx_uint_t status) {
  worker_.metrics().count_response(endpoint_id_, static_cast<int>(status),
                                   static_cast<std::uint64_t>(worker_.loop().now_ms() - begun_at_ms_));
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
  {
    const TraceScope scope(&trace_);
    task_->start();
  }
  if (task_->done()) {
    response_ = task_->take();
    return false;
  }
  task_->notify([](void* self) { static_cast<Exchange*>(self)->post(); }, this);
  ++r_->main->blocked;
  worker_.suspended().push_back(*this);
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
        if (RequestBody* body = RequestBody::of(r)) {
          body->reader().on_client();
        }
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
  ngx_connection_t* connection = r_->connection;
  if (!body_.refused()) {
    if (!suspended_) {
      return;
    }
    if (!task_->done()) {
      if (hashing_ && has_left(r_->connection)) {
        give_up();
      }
      return;
    }
    response_ = task_->take();
    if (response_.status == 101 && connection->error == 0) {
      return upgrade_when_alone();
    }
    resume();
  }
  finish();
  ngx_http_run_posted_requests(connection);
}

void Exchange::give_up() {
  ngx_connection_t* connection = r_->connection;
  resume();
  task_.reset();
  unanswered_ = "client_left";
  ngx_log_error(NGX_LOG_INFO, connection->log, 0, "wallet_sync: client left before its password was hashed");
  connection->error = 1;
  ngx_http_finalize_request(r_, NGX_HTTP_CLIENT_CLOSED_REQUEST);
  ngx_http_run_posted_requests(connection);
}

void Exchange::resume() {
  unlink();
  suspended_ = false;
  --r_->main->blocked;
}

// A mirror, say, may still work on the request, which ends with the upgrade. nginx does not tell when it is
// done.
void Exchange::upgrade_when_alone() {
  const bool replaced = r_->err_status != 0;
  const bool alone = r_->count == 1 && r_->blocked == 1 && r_->postponed == nullptr;  // but for us
  if (!replaced && !alone && ngx_exiting == 0 && waited_ms_ < kPatienceMs) {
    if (!patience_) {
      patience_ = worker_.loop().new_timer(TimerKind::deadline, [this] { upgrade_when_alone(); });
    }
    patience_->arm(kPauseMs);
    waited_ms_ += kPauseMs;
    return;
  }
  resume();
  if (alone && !replaced) {
    return upgrade();
  }
  ngx_connection_t* connection = r_->connection;
  response_ = replaced ? refuse_replaced_status() : service_unavailable();
  finish();
  ngx_http_run_posted_requests(connection);
}

// nginx would send the status of the error that led here instead of 101, and no client would upgrade.
Response Exchange::refuse_replaced_status() {
  worker_.monitor().warn(
      "error_page replaces the status of a websocket's handshake: write it with \"=\", such as error_page "
      "404 = @sync");
  const auto status = static_cast<int>(r_->err_status);
  if (status >= NGX_HTTP_BAD_REQUEST) {
    return error_response(status);
  }
  r_->err_status = 0;
  return error_response(NGX_HTTP_INTERNAL_SERVER_ERROR);
}

// The connection becomes a websocket; the request, and this object in its pool, end.
void Exchange::upgrade() {
  ngx_http_request_t* r = r_;
  ngx_connection_t* connection = r->connection;
  const std::shared_ptr<PendingSocket> place = std::move(response_.socket);
  const SocketSettings& settings = conf_.sockets;
  r->keepalive = 0;
  ngx_int_t rc = set_headers(r, response_) ? ngx_http_send_header(r) : NGX_ERROR;
  if (r->header_sent != 0) {
    count_reply(r->headers_out.status);
  }
  if (r->headers_out.status != NGX_HTTP_SWITCHING_PROTOCOLS) {  // a filter wants something else
    const bool ends_here = rc == NGX_ERROR || rc > NGX_OK || r->header_only != 0;
    ngx_http_finalize_request(r, ends_here ? rc : ngx_http_send_special(r, NGX_HTTP_LAST));
    ngx_http_run_posted_requests(connection);
    return;
  }
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
  count_reply(r_->headers_out.status);
  if (rc == NGX_ERROR || rc > NGX_OK || r_->header_only != 0) {
    return rc;
  }
  // The texts live in this object, as long as the request's pool.
  std::array<ngx_chain_t, 4> chain{};
  ngx_chain_t* first = nullptr;
  ngx_chain_t** next = &first;
  std::size_t links = 0;
  const bool empty = response_.size() == 0;
  for (const std::string_view text : {std::string_view(response_.body), response_.head,
                                      std::string_view(response_.opaque), response_.tail}) {
    const bool needed = !text.empty() || (empty && links == 0);  // an empty body is still its end
    if (!needed) {
      continue;
    }
    auto* buf = static_cast<ngx_buf_t*>(ngx_calloc_buf(r_->pool));
    if (buf == nullptr) {
      return NGX_ERROR;
    }
    const ngx_str_t bytes = to_ngx(text);
    buf->pos = bytes.data;
    buf->last = bytes.data + bytes.len;
    buf->memory = text.empty() ? 0 : 1;
    chain[links].buf = buf;
    *next = &chain[links];
    next = &chain[links].next;
    ++links;
  }
  ngx_buf_t* last = chain[links - 1].buf;
  last->last_buf = r_ == r_->main ? 1 : 0;
  last->last_in_chain = 1;
  return ngx_http_output_filter(r_, first);
}

}  // namespace wallet_sync
