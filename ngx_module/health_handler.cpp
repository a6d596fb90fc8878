// `wallet_sync_health`: whether this worker answers, and with `ready` whether its Redis do. What it tells is
// known already; nothing is asked for it.
#include <cstring>

#include "config.hpp"
#include "handler.hpp"
#include "json.hpp"
#include "response_header.hpp"
#include "worker.hpp"

namespace wallet_sync {
namespace {

std::string_view name_of(Readiness::State state) {
  switch (state) {
    case Readiness::State::ready: return "ok";
    case Readiness::State::connecting: return "connecting";
    case Readiness::State::refuses_writes: return "refuses writes";
    case Readiness::State::wrong_schema: return "another schema version";
    case Readiness::State::unreachable: break;
  }
  return "unreachable";
}

// Of several Redis the worst counts.
Readiness::State state_of(const Worker* worker) {
  Readiness::State worst = worker != nullptr ? Readiness::State::ready : Readiness::State::connecting;
  if (worker != nullptr) {
    for (const auto& readiness : worker->readiness()) {
      if (const auto state = readiness->state(); state != Readiness::State::ready) {
        worst = state;
      }
    }
  }
  return worst;
}

Response tell(Health health) {
  if (health == Health::live) {
    return json_response(200, JsonWriter().text("status", "ok").finish());
  }
  const Readiness::State state = state_of(Worker::current());
  const bool ready = state == Readiness::State::ready;
  return json_response(
      ready ? 200 : 503,
      JsonWriter().text("status", ready ? "ok" : "unavailable").text("redis", name_of(state)).finish());
}

ngx_int_t send(ngx_http_request_t* r, const Response& response) {
  ngx_buf_t* buf = ngx_create_temp_buf(r->pool, response.body.size());
  if (buf == nullptr || !set_headers(r, response)) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  std::memcpy(buf->last, response.body.data(), response.body.size());
  buf->last += response.body.size();
  buf->last_buf = r == r->main ? 1 : 0;
  buf->last_in_chain = 1;
  const ngx_int_t rc = ngx_http_send_header(r);
  if (rc == NGX_ERROR || rc > NGX_OK || r->header_only != 0) {
    return rc;
  }
  ngx_chain_t out{buf, nullptr};
  return ngx_http_output_filter(r, &out);
}

}  // namespace

ngx_int_t show_health(ngx_http_request_t* r) {
  if (const ngx_int_t rc = ngx_http_discard_request_body(r); rc != NGX_OK) {
    return rc;
  }
  if ((r->method & (NGX_HTTP_GET | NGX_HTTP_HEAD)) == 0) {
    Response refusal = error_response(405);
    refusal.allow = "GET, HEAD";
    return send(r, refusal);
  }
  return send(r, tell(location_conf(r).health));
}

}  // namespace wallet_sync
