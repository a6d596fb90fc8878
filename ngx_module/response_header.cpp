#include "response_header.hpp"

#include <cstring>
#include <string>

namespace wallet_sync {
namespace {

// Name and value are not copied. Null: no memory.
ngx_table_elt_t* add_static_header(ngx_http_request_t* r, std::string_view name, std::string_view value) {
  auto* header = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
  if (header != nullptr) {
    *header = ngx_table_elt_t{};  // what is there besides depends on nginx' version, and nginx reads it
    header->hash = 1;
    header->key = to_ngx(name);
    header->value = to_ngx(value);
  }
  return header;
}

ngx_table_elt_t* add_header(ngx_http_request_t* r, std::string_view name, std::string_view value) {
  ngx_str_t text = to_ngx(value);
  text.data = ngx_pstrdup(r->pool, &text);
  return text.data != nullptr ? add_static_header(r, name, to_view(text)) : nullptr;
}

ngx_str_t content_type(ContentType type) {
  switch (type) {
    case ContentType::json: return to_ngx("application/json");
    case ContentType::text: return to_ngx("text/plain; charset=utf-8");
    case ContentType::html: break;
  }
  return to_ngx("text/html; charset=utf-8");
}

}  // namespace

bool accepts_html(ngx_http_request_t* r) {
  if (r->http_version < NGX_HTTP_VERSION_10) {
    return false;  // HTTP/0.9: nginx has not even set up the list
  }
  for (ngx_list_part_t* part = &r->headers_in.headers.part; part != nullptr; part = part->next) {
    auto* headers = static_cast<ngx_table_elt_t*>(part->elts);
    for (ngx_uint_t i = 0; i < part->nelts; ++i) {
      if (headers[i].key.len == 6 && ngx_strncasecmp(headers[i].key.data, to_ngx("accept").data, 6) == 0) {
        return to_view(headers[i].value).find("text/html") != std::string_view::npos;
      }
    }
  }
  return false;
}

bool set_headers(ngx_http_request_t* r, const Response& response) {
  if (response.status == 101) {
    r->headers_out.status = NGX_HTTP_SWITCHING_PROTOCOLS;
    r->headers_out.status_line =
        to_ngx("101 Switching Protocols");  // nginx has none; it adds Connection: upgrade
    return add_static_header(r, "Upgrade", "websocket") != nullptr &&
           add_header(r, "Sec-WebSocket-Accept", response.websocket_accept) != nullptr;
  }
  r->headers_out.status = static_cast<ngx_uint_t>(response.status);
  if (response.status != 304) {
    r->headers_out.content_length_n = static_cast<off_t>(response.size());
    r->headers_out.content_type = content_type(response.content_type);
    r->headers_out.content_type_len = r->headers_out.content_type.len;
  }
  // Replies carry wallets and tokens, or tell of an account; and most are for a URL that has a token in it.
  if (add_static_header(r, "Cache-Control", "no-store") == nullptr) {
    return false;
  }
  if (!response.allow.empty() && add_static_header(r, "Allow", response.allow) == nullptr) {
    return false;
  }
  if (response.upgrade_required && (add_static_header(r, "Upgrade", "websocket") == nullptr ||
                                    add_static_header(r, "Sec-WebSocket-Version", "13") == nullptr)) {
    return false;
  }
  if (response.retry_after > 0 &&
      add_header(r, "Retry-After", std::to_string(response.retry_after)) == nullptr) {
    return false;
  }
  if (!response.version) {
    r->disable_not_modified = 1;  // conditions of the request are none of ours
    return true;
  }
  // By it nginx, too, answers If-None-Match.
  r->headers_out.etag = add_header(r, "ETag", '"' + std::to_string(*response.version) + '"');
  return r->headers_out.etag != nullptr;
}

}  // namespace wallet_sync
