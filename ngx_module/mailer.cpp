#include "mailer.hpp"

#include <curl/curl.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "encoding.hpp"

namespace wallet_sync {
namespace {

using Clock = std::chrono::steady_clock;

// The thread keeps its own deadline; ours is for a thread that hangs.
constexpr std::int64_t kSlackMs = 2'000;

struct FreeCurl {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  void operator()(char* text) const { curl_free(text); }
};
template <typename T>
using CurlPointer = std::unique_ptr<T, FreeCurl>;

std::optional<std::string> random_id() {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return std::nullopt;
  }
  return to_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::size_t discard(char*, std::size_t size, std::size_t count, void*) { return size * count; }

// Gives libcurl the message piece by piece.
std::size_t read_message(char* buffer, std::size_t size, std::size_t count, void* source) {
  auto& rest = *static_cast<std::string_view*>(source);
  const std::size_t length = std::min(rest.size(), size * count);
  std::memcpy(buffer, rest.data(), length);
  rest.remove_prefix(length);
  return length;
}

std::string escaped(CURL* curl, const std::string& text) {
  const CurlPointer<char> form(curl_easy_escape(curl, text.c_str(), static_cast<int>(text.size())));
  return form ? form.get() : "";
}

// libcurl asks about once a second. Nonzero: give up.
int worker_terminates(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return ngx_terminate != 0 ? 1 : 0;
}

// One transfer of libcurl with what all of ours have in common.
class Transfer {
 public:
  Transfer(const MailSettings& settings, std::int64_t timeout_ms) : curl_(curl_easy_init()) {
    if (!curl_) {
      return;
    }
    set(CURLOPT_NOSIGNAL, 1L);  // there are other threads
    set(CURLOPT_ERRORBUFFER, error_.data());
    set(CURLOPT_WRITEFUNCTION, discard);
    set(CURLOPT_NOPROGRESS, 0L);
    set(CURLOPT_XFERINFOFUNCTION, worker_terminates);
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_ms));
    // The limit above does not hold for the QUIT after a refusal.
    set(CURLOPT_SERVER_RESPONSE_TIMEOUT, static_cast<long>(timeout_ms / 1000 + 1));
#if LIBCURL_VERSION_NUM >= 0x075700
    set(CURLOPT_QUICK_EXIT, 1L);  // do not wait for a name server that does not answer
#endif
    if (!settings.ca_file.empty()) {
      set(CURLOPT_CAINFO, settings.ca_file.c_str());
    }
  }

  CURL* curl() const { return curl_.get(); }
  // libcurl copies strings.
  template <typename T>
  void set(CURLoption option, T value) {
    curl_easy_setopt(curl_.get(), option, value);
  }

  // Empty: it went through, whatever an HTTP status says.
  std::string perform() {
    const CURLcode code = curl_easy_perform(curl_.get());
    if (code == CURLE_OK) {
      do_not_wait_for_farewell();
      return "";
    }
    return error_[0] != '\0' ? std::string(error_.data()) : curl_easy_strerror(code);
  }

  // The last reply's.
  long status() const {
    long code = 0;
    curl_easy_getinfo(curl_.get(), CURLINFO_RESPONSE_CODE, &code);
    return code;
  }

 private:
  // The server has the mail. libcurl says QUIT when the handle goes, and would wait minutes for a reply.
  void do_not_wait_for_farewell() {
    curl_socket_t socket = CURL_SOCKET_BAD;
    if (curl_easy_getinfo(curl_.get(), CURLINFO_ACTIVESOCKET, &socket) == CURLE_OK &&
        socket != CURL_SOCKET_BAD) {
      shutdown(socket, SHUT_RD);
    }
  }

  CurlPointer<CURL> curl_;
  std::array<char, CURL_ERROR_SIZE> error_{};
};

std::string send_by_smtp(Transfer& transfer, const Delivery& delivery) {
  const MailSettings& settings = *delivery.settings;
  const CurlPointer<curl_slist> recipients(curl_slist_append(nullptr, delivery.mail.to.c_str()));
  const std::string message = mime_message(delivery.mail, delivery.now, delivery.id);
  std::string_view rest = message;
  // What follows the slash is the name we greet the server with.
  transfer.set(CURLOPT_URL, (settings.server + "/" + settings.sending_domain).c_str());
  switch (settings.starttls) {
    case MailSettings::StartTls::on: transfer.set(CURLOPT_USE_SSL, CURLUSESSL_ALL); break;
    case MailSettings::StartTls::off: transfer.set(CURLOPT_USE_SSL, CURLUSESSL_NONE); break;
    case MailSettings::StartTls::optional: transfer.set(CURLOPT_USE_SSL, CURLUSESSL_TRY); break;
  }
  if (!settings.user.empty()) {
    transfer.set(CURLOPT_USERNAME, settings.user.c_str());
    transfer.set(CURLOPT_PASSWORD, settings.secret.c_str());
  }
  transfer.set(CURLOPT_MAIL_FROM, delivery.mail.from.c_str());
  transfer.set(CURLOPT_MAIL_RCPT, recipients.get());
  transfer.set(CURLOPT_UPLOAD, 1L);
  transfer.set(CURLOPT_READFUNCTION, read_message);
  transfer.set(CURLOPT_READDATA, &rest);
  transfer.set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(message.size()));
  const std::string failure = transfer.perform();
  const long reply = transfer.status();
  return failure.empty() || reply < 400 ? failure : failure + " (last reply " + std::to_string(reply) + ")";
}

std::string send_by_mailgun(Transfer& transfer, const Delivery& delivery) {
  const MailSettings& settings = *delivery.settings;
  const Mail& mail = delivery.mail;
  CURL* curl = transfer.curl();
  const std::string form = "from=" + escaped(curl, mail.from) + "&to=" + escaped(curl, mail.to) +
                           "&subject=" + escaped(curl, mail.subject) + "&text=" + escaped(curl, mail.text) +
                           "&html=" + escaped(curl, mail.html);
  transfer.set(CURLOPT_URL, (settings.server + "/v3/" + settings.sending_domain + "/messages").c_str());
  transfer.set(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
  transfer.set(CURLOPT_USERNAME, "api");
  transfer.set(CURLOPT_PASSWORD, settings.secret.c_str());
  transfer.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(form.size()));
  transfer.set(CURLOPT_COPYPOSTFIELDS, form.c_str());
  std::string failure = transfer.perform();
  if (!failure.empty()) {
    return failure;
  }
  const long status = transfer.status();
  return status >= 200 && status < 300 ? "" : "HTTP status " + std::to_string(status);
}

}  // namespace

CurlLibrary::CurlLibrary() { curl_global_init(CURL_GLOBAL_DEFAULT); }
CurlLibrary::~CurlLibrary() { curl_global_cleanup(); }

std::string Delivery::operator()() const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  if (left <= 0) {
    return "it has waited too long in the queue";
  }
  if (ngx_terminate != 0) {
    return "the worker terminates";
  }
  Transfer transfer(*settings, left);
  if (transfer.curl() == nullptr) {
    return "no memory";
  }
  return settings->kind == MailSettings::Kind::smtp ? send_by_smtp(transfer, *this)
                                                    : send_by_mailgun(transfer, *this);
}

Task<bool> CurlMailer::send_verification(std::string address, std::string token) {
  std::string failure;
  auto id = random_id();
  if (!id) {
    failure = "no randomness";
  } else if (!fits_smtp(address)) {
    failure = "the address is longer than SMTP allows";
  } else {
    const auto deadline = Clock::now() + std::chrono::milliseconds(settings_.timeout_ms);
    Delivery delivery{&settings_,
                      verification_mail(settings_.sending_domain, settings_.server_domain, address, token),
                      static_cast<UnixTime>(ngx_time()), *std::move(id), deadline};
    auto outcome = co_await queue_.run(std::move(delivery), settings_.timeout_ms + kSlackMs);
    failure = outcome ? *std::move(outcome) : "the queue is full, or a thread hangs";
  }
  if (failure.empty()) {
    co_return true;
  }
  monitor_.error(settings_.server + " did not take a mail: " + failure);
  metrics_.count(Failure::mail);
  co_return false;
}

}  // namespace wallet_sync
