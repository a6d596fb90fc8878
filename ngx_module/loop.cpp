#include "loop.hpp"

#include <algorithm>

#include "peer_stream.hpp"

namespace wallet_sync {

NgxTimer::NgxTimer(TimerKind kind, ngx_log_t* log, std::function<void()> on_expiry)
    : on_expiry_(std::move(on_expiry)) {
  ident_.data = this;
  ident_.fd = static_cast<ngx_socket_t>(-1);
  event_.data = &ident_;
  event_.handler = on_event;
  event_.log = log;
  event_.cancelable = kind == TimerKind::background ? 1 : 0;
}

void NgxTimer::arm(std::int64_t milliseconds) {
  ngx_add_timer(&event_, static_cast<ngx_msec_t>(milliseconds));
}

void NgxTimer::disarm() {
  if (event_.timer_set != 0) {
    ngx_del_timer(&event_);
  }
}

void NgxTimer::on_event(ngx_event_t* event) {
  static_cast<NgxTimer*>(static_cast<ngx_connection_t*>(event->data)->data)->on_expiry_();
}

NgxEventLoop::NgxEventLoop(ngx_cycle_t* cycle, const std::vector<std::unique_ptr<TlsContext>>& tls)
    : log_(cycle->log), tls_(tls) {
  ident_.data = this;
  ident_.fd = static_cast<ngx_socket_t>(-1);
  turn_.data = &ident_;
  turn_.log = log_;
  turn_.handler = [](ngx_event_t* event) {
    auto* self = static_cast<NgxEventLoop*>(static_cast<ngx_connection_t*>(event->data)->data);
    self->turning_ = true;
    self->run_posted();
  };
}

NgxEventLoop::~NgxEventLoop() {
  if (turn_.posted != 0) {
    ngx_delete_posted_event(&turn_);
  }
}

// What is posted while a worker starts would wait for the first event otherwise.
void NgxEventLoop::wake() { ngx_post_event(&turn_, turning_ ? &ngx_posted_events : &ngx_posted_next_events); }

std::unique_ptr<Stream> NgxEventLoop::connect(const Server& server, Stream::User& user) {
  const TlsContext* tls = nullptr;
  if (server.tls) {
    tls = std::find_if(tls_.begin(), tls_.end(), [&](const auto& context) {
            return context->files.same_files(*server.tls);
          })->get();
  }
  return std::make_unique<PeerStream>(*this, server, user, tls);
}

std::unique_ptr<Timer> NgxEventLoop::new_timer(TimerKind kind, std::function<void()> on_expiry) {
  return std::make_unique<NgxTimer>(kind, log_, std::move(on_expiry));
}

}  // namespace wallet_sync
