#include "hiredis_adapter.hpp"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

namespace wallet_sync {
namespace {

// Lives from attach to hiredis' cleanup hook. hiredis may free its context, and us with it, in any call of
// redisAsyncHandleRead or redisAsyncHandleWrite: nothing is touched after those.
struct Adapter {
  redisAsyncContext* context;
  ngx_connection_t* connection;
  ngx_event_t flush;  // posted: write at the end of this turn
  ngx_connection_t flush_ident;
  bool writing;  // within redisAsyncHandleWrite
};

Adapter* of(void* data) { return static_cast<Adapter*>(data); }
Adapter* of(ngx_event_t* event) { return of(static_cast<ngx_connection_t*>(event->data)->data); }

// Level-triggered: hiredis takes at most 16 KiB a call, and the last call's flags rule the descriptor.
void enable(ngx_event_t* event, ngx_int_t kind) {
  if (event->active == 0 && ngx_add_event(event, kind, NGX_LEVEL_EVENT) != NGX_OK) {
    ngx_log_error(NGX_LOG_ALERT, event->log, 0, "wallet_sync: cannot watch a connection to Redis");
  }
}

void disable(ngx_event_t* event, ngx_int_t kind) {
  if (event->active != 0) {
    ngx_del_event(event, kind, 0);
  }
}

void write_now(Adapter* adapter) {
  adapter->writing = true;
  redisAsyncContext* context = adapter->context;
  // The flag is reset through the context, which outlives the adapter if only the connection was lost.
  redisAsyncHandleWrite(context);
}

void on_flush(ngx_event_t* event) { write_now(of(event)); }

// Also called by nginx to end the connection: worker_shutdown_timeout, or worker_connections are short.
void on_readable(ngx_event_t* event) {
  Adapter* adapter = of(event);
  if (adapter->connection->close != 0 || adapter->connection->error != 0) {
    // The socket reads as closed from now on, and hiredis takes the usual way to tell everyone.
    shutdown(adapter->connection->fd, SHUT_RDWR);
  }
  redisAsyncHandleRead(adapter->context);
}

void on_writable(ngx_event_t* event) { write_now(of(event)); }

void add_read(void* data) { enable(of(data)->connection->read, NGX_READ_EVENT); }
void del_read(void* data) { disable(of(data)->connection->read, NGX_READ_EVENT); }

// hiredis calls this for every command, and from within its write handler when the socket is full.
void add_write(void* data) {
  Adapter* adapter = of(data);
  const bool connecting = (adapter->context->c.flags & REDIS_CONNECTED) == 0;
  if (connecting || adapter->writing) {
    enable(adapter->connection->write, NGX_WRITE_EVENT);
  } else if (adapter->connection->write->active == 0) {
    ngx_post_event(&adapter->flush, &ngx_posted_events);
  }
  adapter->writing = false;
}

void del_write(void* data) {
  Adapter* adapter = of(data);
  adapter->writing = false;
  disable(adapter->connection->write, NGX_WRITE_EVENT);
}

// hiredis closes the descriptor itself, afterwards.
void cleanup(void* data) {
  Adapter* adapter = of(data);
  ngx_connection_t* connection = adapter->connection;
  if (adapter->flush.posted != 0) {
    ngx_delete_posted_event(&adapter->flush);
  }
  for (ngx_event_t* event : {connection->read, connection->write}) {
    if (event->posted != 0) {
      ngx_delete_posted_event(event);
    }
    if (event->timer_set != 0) {
      ngx_del_timer(event);
    }
  }
  disable(connection->read, NGX_READ_EVENT);
  disable(connection->write, NGX_WRITE_EVENT);
  connection->read->closed = 1;
  connection->write->closed = 1;
  ngx_reusable_connection(connection, 0);
  ngx_free_connection(connection);
  connection->fd = static_cast<ngx_socket_t>(-1);
  delete adapter;
}

}  // namespace

bool attach_to_nginx(redisAsyncContext* context, ngx_log_t* log) {
  ngx_connection_t* connection = ngx_get_connection(context->c.fd, log);
  if (connection == nullptr) {
    return false;
  }
  auto* adapter = new Adapter{};
  adapter->context = context;
  adapter->connection = connection;
  adapter->flush_ident.data = adapter;
  adapter->flush_ident.fd = context->c.fd;
  adapter->flush.data = &adapter->flush_ident;
  adapter->flush.handler = on_flush;
  adapter->flush.log = log;

  connection->data = adapter;
  connection->log = log;
  connection->read->log = log;
  connection->write->log = log;
  connection->read->handler = on_readable;
  connection->write->handler = on_writable;

  context->ev.data = adapter;
  context->ev.addRead = add_read;
  context->ev.delRead = del_read;
  context->ev.addWrite = add_write;
  context->ev.delWrite = del_write;
  context->ev.cleanup = cleanup;
  return true;
}

}  // namespace wallet_sync
