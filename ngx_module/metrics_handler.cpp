// `wallet_sync_metrics`: GET shows the metrics. Needs no worker object, so it works where nothing is served,
// too.
#include <cstring>

#include "config.hpp"
#include "handler.hpp"
#include "metrics.hpp"
#include "ngx_http_wallet_sync_module.h"
#include "prometheus.hpp"

namespace wallet_sync {
namespace {

ngx_int_t refuse_method(ngx_http_request_t* r) {
  auto* allow = static_cast<ngx_table_elt_t*>(ngx_list_push(&r->headers_out.headers));
  if (allow == nullptr) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  *allow = {};
  allow->hash = 1;
  allow->key = to_ngx("Allow");
  allow->value = to_ngx("GET");
  return NGX_HTTP_NOT_ALLOWED;
}

}  // namespace

ngx_int_t show_metrics(ngx_http_request_t* r) {
  if (r->method != NGX_HTTP_GET) {
    return refuse_method(r);
  }
  if (const ngx_int_t rc = ngx_http_discard_request_body(r); rc != NGX_OK) {
    return rc;
  }
  auto* main = static_cast<MainConf*>(ngx_http_get_module_main_conf(r, ngx_http_wallet_sync_module));
  const std::string text = render_metrics(*main->metrics_zone);

  ngx_buf_t* buf = ngx_create_temp_buf(r->pool, text.size());
  if (buf == nullptr) {
    return NGX_HTTP_INTERNAL_SERVER_ERROR;
  }
  std::memcpy(buf->last, text.data(), text.size());
  buf->last += text.size();
  buf->last_buf = r == r->main ? 1 : 0;
  buf->last_in_chain = 1;

  r->headers_out.status = NGX_HTTP_OK;
  r->headers_out.content_length_n = static_cast<off_t>(text.size());
  r->headers_out.content_type = to_ngx(kPrometheusType);
  r->headers_out.content_type_len = kPrometheusType.find(';');  // what gzip_types compares
  const ngx_int_t rc = ngx_http_send_header(r);
  if (rc == NGX_ERROR || rc > NGX_OK || r->header_only != 0) {
    return rc;
  }
  ngx_chain_t out{buf, nullptr};
  return ngx_http_output_filter(r, &out);
}

}  // namespace wallet_sync
