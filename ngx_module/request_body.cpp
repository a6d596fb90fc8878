#include "request_body.hpp"

#include <algorithm>
#include <cstring>

#include "config.hpp"
#include "handler.hpp"
#include "ngx_http_wallet_sync_module.h"

namespace wallet_sync {
namespace {

// How much of the body has come, by nginx' own count.
off_t received(const ngx_http_request_t* r) {
  if (r->http_version > NGX_HTTP_VERSION_11) {
    return r->request_body->received;
  }
  // Of a chunked body, the length grows with each chunk.
  return r->headers_in.content_length_n - (r->headers_in.chunked != 0 ? 0 : r->request_body->rest);
}

off_t waiting(const ngx_http_request_body_t& body) {
  off_t size = 0;
  for (const ngx_chain_t* link = body.bufs; link != nullptr; link = link->next) {
    size += ngx_buf_size(link->buf);
  }
  return size;
}

ngx_http_request_body_filter_pt next_filter;

// Everything that anybody reads of a body passes here. NGX_AGAIN leaves the reader waiting for more until the
// request is answered, later in this turn: an error would be answered by nginx' page.
ngx_int_t filter_body(ngx_http_request_t* r, ngx_chain_t* in) {
  const LocationConf& conf = location_conf(r);
  if (!conf.enabled) {
    return next_filter(r, in);
  }
  if (const RequestBody* ours = RequestBody::of(r); ours == nullptr) {
    const off_t size = std::max(r->headers_in.content_length_n, r->request_body->received);
    if (size <= static_cast<off_t>(conf.max_body)) {
      return next_filter(r, in);
    }
    if (!refuse_body(r)) {
      return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
  } else if (!ours->refused()) {
    return next_filter(r, in);
  }
  for (ngx_chain_t* link = in; link != nullptr; link = link->next) {
    link->buf->pos = link->buf->last;
  }
  return NGX_AGAIN;
}

}  // namespace

void limit_bodies() {
  next_filter = ngx_http_top_request_body_filter;
  ngx_http_top_request_body_filter = filter_body;
}

RequestBody* RequestBody::of(ngx_http_request_t* r) {
  return static_cast<RequestBody*>(ngx_http_get_module_ctx(r, ngx_http_wallet_sync_module));
}

void RequestBody::refuse() {
  refused_ = true;
  ngx_http_set_ctx(r_, this, ngx_http_wallet_sync_module);
}

ngx_int_t RequestBody::read() {
  ngx_http_set_ctx(r_, this, ngx_http_wallet_sync_module);
  if (r_->request_body != nullptr || r_->discard_body != 0) {
    ++r_->main->count;
    take_over();
    return NGX_DONE;
  }
  r_->request_body_no_buffering = 1;
  const ngx_int_t rc = ngx_http_read_client_request_body(r_, on_begin);
  if (rc < NGX_HTTP_SPECIAL_RESPONSE) {
    return NGX_DONE;
  }
  reader_.on_broken_body(rc);
  return rc;
}

void RequestBody::take_over() {
  if (r_->discard_body != 0) {
    return reader_.on_body(End::lost);
  }
  const bool unbuffered = r_->reading_body != 0 || r_->request_body_no_buffering != 0;
  if (unbuffered) {
    if (waiting(*r_->request_body) != received(r_)) {
      return reader_.on_body(End::lost);
    }
    r_->request_body_no_buffering = 1;  // somebody who came between may have forgotten it
    return on_begin(r_);
  }
  if (r_ == r_->main && r_->request_body->rest > 0) {
    return reader_.on_body(End::broken_off);
  }
  shared_ = true;
  go_on();
}

void RequestBody::on_begin(ngx_http_request_t* r) {
  if (r->reading_body != 0) {
    r->read_event_handler = on_readable;
    r->write_event_handler = ngx_http_request_empty_handler;
  }
  of(r)->go_on();
}

void RequestBody::on_readable(ngx_http_request_t* r) { of(r)->go_on(); }

void RequestBody::go_on() {
  while (take_buffers()) {
    if (r_->reading_body == 0) {
      return reader_.on_body(End::complete);
    }
    const ngx_int_t rc = ngx_http_read_unbuffered_request_body(r_);
    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
      r_->read_event_handler = ngx_http_block_reading;
      reader_.on_broken_body(rc);
      ngx_http_finalize_request(r_, rc);
      return;
    }
    if (rc == NGX_AGAIN && r_->request_body->bufs == nullptr) {
      return;
    }
  }
  reader_.on_body(size_ > limit_ ? End::too_large : End::failed);
}

// False: the body is too large, or memory is short.
bool RequestBody::take_buffers() {
  if (r_->request_body == nullptr) {
    return true;
  }
  for (ngx_chain_t* link = r_->request_body->bufs; link != nullptr; link = link->next) {
    ngx_buf_t* buf = link->buf;
    const auto size = static_cast<std::size_t>(ngx_buf_size(buf));
    if (size == 0) {
      continue;
    }
    if (size_ + size > limit_) {
      size_ += size;
      return false;
    }
    if (size_ + size > capacity_ && !grow(size_ + size)) {
      return false;
    }
    if (ngx_buf_in_memory(buf)) {
      std::memcpy(bytes_ + size_, buf->pos, size);
    } else if (ngx_read_file(buf->file, bytes_ + size_, size, buf->file_pos) != static_cast<ssize_t>(size)) {
      return false;
    }
    size_ += size;
    if (!shared_) {
      buf->pos = buf->last;  // nginx may fill it again
    }
  }
  if (!shared_) {
    r_->request_body->bufs = nullptr;
  }
  return true;
}

bool RequestBody::grow(std::size_t needed) {
  const auto announced = static_cast<std::size_t>(std::max<off_t>(r_->headers_in.content_length_n, 0));
  const std::size_t capacity = std::min(std::max({needed, announced, 2 * capacity_}), limit_);
  auto* larger = static_cast<u_char*>(ngx_pnalloc(r_->pool, capacity));
  if (larger == nullptr) {
    return false;
  }
  if (bytes_ != nullptr) {
    std::memcpy(larger, bytes_, size_);
    ngx_pfree(r_->pool, bytes_);
  }
  bytes_ = larger;
  capacity_ = capacity;
  return true;
}

}  // namespace wallet_sync
