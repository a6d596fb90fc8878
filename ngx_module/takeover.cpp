#include "takeover.hpp"

namespace wallet_sync {
namespace {

bool is_named(const ngx_table_elt_t& header, std::string_view lower_name) {
  return header.key.len == lower_name.size() &&
         ngx_strncasecmp(header.key.data, to_ngx(lower_name).data, lower_name.size()) == 0;
}

// A header that comes several times is one list (RFC 9110 5.3).
void add(ngx_pool_t* pool, std::string_view& values, const ngx_table_elt_t& header) {
  const std::string_view value = to_view(header.value);
  if (values.empty()) {
    values = value;
    return;
  }
  auto* joined = static_cast<char*>(ngx_pnalloc(pool, values.size() + 1 + value.size()));
  if (joined != nullptr) {
    values.copy(joined, values.size());
    joined[values.size()] = ',';
    value.copy(joined + values.size() + 1, value.size());
    values = {joined, values.size() + 1 + value.size()};
  }
}

}  // namespace

UpgradeHeaders upgrade_headers(ngx_http_request_t* r) {
  UpgradeHeaders headers;
  headers.http_1_1 = r->http_version == NGX_HTTP_VERSION_11 && r == r->main;
  headers.has_body = r->headers_in.content_length_n > 0 || r->headers_in.chunked != 0;
  if (!headers.http_1_1) {
    return headers;
  }
  for (ngx_list_part_t* part = &r->headers_in.headers.part; part != nullptr; part = part->next) {
    auto* elements = static_cast<ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) {
      const ngx_table_elt_t& header = elements[i];
      if (is_named(header, "connection")) {
        add(r->pool, headers.connection, header);
      } else if (is_named(header, "upgrade")) {
        add(r->pool, headers.upgrade, header);
      } else if (is_named(header, "sec-websocket-key")) {
        add(r->pool, headers.key, header);
      } else if (is_named(header, "sec-websocket-version")) {
        add(r->pool, headers.version, header);
      }
    }
  }
  return headers;
}

// As nginx does it between two requests of a keepalive connection.
void release_request(ngx_http_request_t* r) {
  ngx_connection_t* c = r->connection;
  ngx_http_connection_t* hc = r->http_connection;
  for (ngx_event_t* event : {c->read, c->write}) {
    if (event->timer_set != 0) {
      ngx_del_timer(event);
    }
  }
  ngx_tcp_nodelay(c);
  ngx_http_free_request(r, 0);

  c->destroyed = 0;
  for (ngx_chain_t** list : {&hc->free, &hc->busy}) {
    while (ngx_chain_t* link = *list) {
      *list = link->next;
      ngx_pfree(c->pool, link->buf->start);
      ngx_free_chain(c->pool, link);
    }
  }
  hc->nbusy = 0;
  if (c->buffer != nullptr && ngx_pfree(c->pool, c->buffer->start) == NGX_OK) {
    c->buffer->start = nullptr;
  }
#if (NGX_HTTP_SSL)
  if (c->ssl != nullptr) {
    ngx_ssl_free_buffer(c);
  }
#endif
  c->log->action = const_cast<char*>("serving a websocket");
}

}  // namespace wallet_sync
