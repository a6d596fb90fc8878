// Mails by libcurl in a thread pool of their own: over SMTP, or by a Mailgun-compatible API. Handing one over
// may take as long as its timeout; what has waited in the queue counts. A worker that quits finishes the
// mails it has, one that is told to terminate drops them.
#pragma once

#include <chrono>
#include <string>

#include "log_monitor.hpp"
#include "mail.hpp"
#include "mail_settings.hpp"
#include "metrics.hpp"
#include "services.hpp"
#include "thread_jobs.hpp"

namespace wallet_sync {

// libcurl's global state. REQUIRES: made and destroyed while no thread uses libcurl.
class CurlLibrary {
 public:
  CurlLibrary();
  ~CurlLibrary();
  CurlLibrary(const CurlLibrary&) = delete;
  CurlLibrary& operator=(const CurlLibrary&) = delete;
};

// One mail on its way; called in a thread.
struct Delivery {
  const MailSettings* settings;  // lives as long as the configuration: longer than the threads
  Mail mail;
  UnixTime now;
  std::string id;
  std::chrono::steady_clock::time_point deadline;

  // Empty if the server has taken the mail, else why not.
  std::string operator()() const;
};

using MailQueue = ThreadJobs<Delivery>;

class CurlMailer final : public Mailer {
 public:
  CurlMailer(MailQueue& queue, const MailSettings& settings, Metrics& metrics, LogMonitor& monitor)
      : queue_(queue), settings_(settings), metrics_(metrics), monitor_(monitor) {}

  Task<bool> send_verification(std::string address, std::string token) override;

 private:
  MailQueue& queue_;
  const MailSettings& settings_;
  Metrics& metrics_;
  LogMonitor& monitor_;
};

}  // namespace wallet_sync
