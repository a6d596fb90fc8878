#include "client.hpp"

namespace wallet_sync {
namespace {

// Streams of a connection have no socket of their own: nginx tells them.
bool is_stream(ngx_http_request_t* r) {
#if (NGX_HTTP_V2)
  if (r->stream != nullptr) {
    return true;
  }
#endif
#if (NGX_HTTP_V3)
  if (r->connection->quic != nullptr) {
    return true;
  }
#endif
  return false;
}

bool told_of_the_end() {
#if (NGX_HAVE_EPOLLRDHUP)
  if ((ngx_event_flags & NGX_USE_EPOLL_EVENT) != 0 && ngx_use_epoll_rdhup != 0) {
    return true;
  }
#endif
  return (ngx_event_flags & NGX_USE_KQUEUE_EVENT) != 0;
}

}  // namespace

void watch_client(ngx_http_request_t* r, ngx_http_event_handler_pt on_event) {
  r->read_event_handler = on_event;
  if (!is_stream(r) && r->connection->read->ready == 0) {
    static_cast<void>(
        ngx_handle_read_event(r->connection->read, 0));  // without it, the client is not watched
  }
}

bool client_has_left(ngx_http_request_t* r) {
  ngx_connection_t* connection = r->connection;
  ngx_event_t* event = connection->read;
  if (connection->error != 0 || event->error != 0) {
    return true;
  }
  if (is_stream(r)) {
    return false;
  }
  if (told_of_the_end()) {
    return event->pending_eof != 0;
  }
  u_char byte;
  const ssize_t size = recv(connection->fd, &byte, 1, MSG_PEEK);
  if (size < 0) {
    return ngx_socket_errno != NGX_EAGAIN;
  }
  if (size > 0 && (ngx_event_flags & NGX_USE_LEVEL_EVENT) != 0 && event->active != 0) {
    ngx_del_event(event, NGX_READ_EVENT, 0);  // what was sent ahead would wake us again and again
  }
  return size == 0;
}

}  // namespace wallet_sync
