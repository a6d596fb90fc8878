#include "error_log.hpp"

#include <algorithm>

#include "config.hpp"

namespace wallet_sync {
namespace {

ngx_http_log_handler_pt nginx_handler;

// Appends to a line of limited length.
class Line {
 public:
  Line(u_char* end_of_text, std::size_t room) : end_(end_of_text), room_(room) {}

  template <typename... Args>
  void add(const char* format, Args... args) {
    u_char* end = ngx_snprintf(end_, room_, format, args...);
    room_ -= static_cast<std::size_t>(end - end_);
    end_ = end;
  }
  u_char* end() const { return end_; }

 private:
  u_char* end_;
  std::size_t room_;
};

ngx_str_t without_arguments(const ngx_str_t& uri) {
  const std::string_view text = to_view(uri);
  return to_ngx(text.substr(0, text.find('?')));
}

// "GET /wallet?token=... HTTP/1.1" without what begins with the question mark.
void add_request_line(Line& line, const ngx_str_t& request_line) {
  const std::string_view text = to_view(request_line);
  const std::size_t mark = std::min(text.find('?'), text.size());
  const std::size_t blank = text.rfind(' ');
  ngx_str_t head = to_ngx(text.substr(0, mark));
  ngx_str_t tail =
      to_ngx(blank != std::string_view::npos && blank > mark ? text.substr(blank) : std::string_view{});
  line.add(", request: \"%V%V\"", &head, &tail);
}

// As nginx' own handler, which is not exported, but for the arguments.
u_char* describe(ngx_http_request_t* r, ngx_http_request_t* sr, u_char* buf, std::size_t len) {
  Line line(buf, len);
  auto* server =
      static_cast<ngx_http_core_srv_conf_t*>(ngx_http_get_module_srv_conf(r, ngx_http_core_module));
  line.add(", server: %V", &server->server_name);
  if (r->request_line.len > 0) {
    add_request_line(line, r->request_line);
  }
  if (r != sr) {
    ngx_str_t uri = without_arguments(sr->uri);
    line.add(", subrequest: \"%V\"", &uri);
  }
  if (const ngx_http_upstream_t* upstream = sr->upstream;
      upstream != nullptr && upstream->peer.name != nullptr) {
    const bool is_unix = upstream->peer.sockaddr != nullptr && upstream->peer.sockaddr->sa_family == AF_UNIX;
    ngx_str_t uri = without_arguments(upstream->uri);
    line.add(", upstream: \"%V%V%s%V\"", &upstream->schema, upstream->peer.name, is_unix ? ":" : "", &uri);
  }
  if (r->headers_in.host != nullptr) {
    line.add(", host: \"%V\"", &r->headers_in.host->value);
  }
  if (r->headers_in.referer != nullptr) {
    ngx_str_t uri = without_arguments(r->headers_in.referer->value);
    line.add(", referrer: \"%V\"", &uri);
  }
  return line.end();
}

u_char* describe_as_the_location_wants(ngx_http_request_t* r, ngx_http_request_t* sr, u_char* buf,
                                       std::size_t len) {
  const bool ours = location_conf(r).enabled || location_conf(sr).enabled;
  return ours ? describe(r, sr, buf, len) : nginx_handler(r, sr, buf, len);
}

// Before the location is known: other modules may write lines in it before we are called there.
ngx_int_t on_headers(ngx_http_request_t* r) {
  if (r->log_handler != describe_as_the_location_wants) {
    nginx_handler = r->log_handler;
    r->log_handler = describe_as_the_location_wants;
  }
  return NGX_DECLINED;
}

// Once ours, for ever ours: an error page may lead elsewhere. A subrequest has its token from the main one.
ngx_int_t on_location(ngx_http_request_t* r) {
  if (location_conf(r).enabled) {
    r->main->log_handler = describe;
  }
  return NGX_DECLINED;
}

bool add_handler(ngx_conf_t* cf, ngx_http_phases phase, ngx_http_handler_pt handler) {
  auto* core =
      static_cast<ngx_http_core_main_conf_t*>(ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module));
  auto* place = static_cast<ngx_http_handler_pt*>(ngx_array_push(&core->phases[phase].handlers));
  if (place == nullptr) {
    return false;
  }
  *place = handler;
  return true;
}

}  // namespace

bool hide_arguments_in_error_log(ngx_conf_t* cf) {
  return add_handler(cf, NGX_HTTP_POST_READ_PHASE, on_headers) &&
         add_handler(cf, NGX_HTTP_REWRITE_PHASE, on_location);
}

}  // namespace wallet_sync
