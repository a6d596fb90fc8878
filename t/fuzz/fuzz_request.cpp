// A whole request, from its path to its reply, over a store that says what the input says. The input looks
// like a request of HTTP:
//
//   POST /api/3/wallet?a=b
//   Authorization: Bearer …
//   Store: what the store answers, one byte for each question
//                                           (an empty line)
//   {"token":…}
#include <algorithm>
#include <memory_resource>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "api.hpp"
#include "encoding.hpp"
#include "fuzz.hpp"
#include "json.hpp"

using namespace wallet_sync;

namespace {

constexpr UnixTime kNow = 1'700'000'000;

// Answers from a list; what it was told to write is counted.
class Outside final : public Store, public KeyDerivation, public Mailer, public Sockets {
 public:
  explicit Outside(std::string_view answers) : answers_(answers) {}
  int written = 0;  // changes that were said to be made
  int asked = 0;    // of any kind
  std::optional<Wallet> shown;

  Task<Result<LoginState>> read_login(Email) override {
    if (auto error = trouble()) co_return *error;
    LoginState state;
    if (choose(2) == 0) {
      state.account =
          Account{"x@example.com", 7, {"", std::string(32, '2')}, std::string(64, '5'), choose(2) == 0};
      state.account->password.key = choose(2) == 0 ? PasswordKey{kPasswordCost, kDigits}.text() : kDigits;
    }
    state.failed.count = static_cast<std::int64_t>(choose(12));
    state.failed.seconds_left = 5;
    co_return state;
  }
  Task<Result<FailedLogins>> count_failed_login(AccountId, std::uint32_t) override {
    if (auto error = trouble()) co_return *error;
    co_return FailedLogins{static_cast<std::int64_t>(choose(12)), 9};
  }
  Task<Result<bool>> create_account(AccountId, Account account, std::optional<Verification> pending,
                                    UnixTime) override {
    PROPERTY(account.verified == !pending.has_value());
    PROPERTY(is_utf8(account.email));
    co_return change<bool>(choose(2) == 0, true);
  }
  Task<Result<bool>> remove_unverified(AccountId, Verification) override {
    co_return change<bool>(true, true);
  }
  Task<Result<LoginResult>> save_token(AccountId, CheckedPassword checked, NewToken token, LoginLimit,
                                       UnixTime) override {
    PROPERTY(checked.renewed_key.empty() || PasswordKey::parse(checked.renewed_key));
    PROPERTY(token.digest.size() == 64 && is_lower_hex(token.digest));
    constexpr std::array kOutcomes{LoginOutcome::saved, LoginOutcome::credentials_changed,
                                   LoginOutcome::too_many_failures};
    co_return change<LoginResult>({kOutcomes[choose(3)], 3},
                                  [](const LoginResult& r) { return r.outcome == LoginOutcome::saved; });
  }
  Task<Result<ChangeResult>> change_password(AccountId, PasswordChange change_, LoginLimit,
                                             UnixTime) override {
    PROPERTY(PasswordKey::parse(change_.replacement.key));
    PROPERTY(!change_.wallet || change_.wallet->sequence > 0);
    constexpr std::array kOutcomes{ChangeOutcome::changed, ChangeOutcome::credentials_changed,
                                   ChangeOutcome::too_many_failures, ChangeOutcome::bad_sequence,
                                   ChangeOutcome::wallet_missing_in_request};
    co_return change<ChangeResult>({kOutcomes[choose(5)], 3},
                                   [](const ChangeResult& r) { return r.outcome == ChangeOutcome::changed; });
  }
  Task<Result<DeletionResult>> delete_account(AccountId, PasswordHash, LoginLimit) override {
    constexpr std::array kOutcomes{DeletionOutcome::deleted, DeletionOutcome::credentials_changed,
                                   DeletionOutcome::too_many_failures};
    co_return change<DeletionResult>({kOutcomes[choose(3)], 3}, [](const DeletionResult& r) {
      return r.outcome == DeletionOutcome::deleted;
    });
  }
  Task<Result<bool>> is_whitelisted(Email) override {
    if (auto error = trouble()) co_return *error;
    co_return choose(2) == 0;
  }
  Task<Result<WalletVersion>> show_wallet(Token, UnixTime, WalletReader& reader) override {
    if (auto error = trouble()) co_return *error;
    WalletVersion version;
    version.token = token_state();
    if (choose(3) != 0) {
      version.sequence = static_cast<Sequence>(1 + choose(4));
    }
    if (version.token == TokenState::valid && version.sequence > 0) {
      static constexpr std::array<std::string_view, 3> kTexts{"plain", "\"\\\n\x01", ""};
      std::string text(kTexts[choose(3)]);
      if (text.empty()) text.assign(5000, 'x');
      Wallet wallet{version.sequence, std::move(text), "mac"};
      shown = wallet;
      reader.on_wallet({wallet.sequence, wallet.encrypted, wallet.hmac});
    }
    co_return version;
  }
  Task<Result<WalletVersion>> get_wallet_version(Token, UnixTime) override {
    if (auto error = trouble()) co_return *error;
    co_return WalletVersion{token_state(), static_cast<Sequence>(choose(4))};
  }
  Task<Result<PutOutcome>> put_wallet(Token, Wallet wallet, UnixTime) override {
    PROPERTY(wallet.sequence > 0 && !wallet.encrypted.empty() && !wallet.hmac.empty());
    PROPERTY(is_utf8(wallet.encrypted) && is_utf8(wallet.hmac));
    constexpr std::array kOutcomes{PutOutcome::stored, PutOutcome::unknown_token, PutOutcome::wrong_scope,
                                   PutOutcome::conflict};
    shown = wallet;
    co_return change<PutOutcome>(kOutcomes[choose(4)], PutOutcome::stored);
  }
  Task<Result<TokenState>> read_token(Token, UnixTime) override {
    if (auto error = trouble()) co_return *error;
    co_return token_state();
  }
  Task<Result<Standing>> read_standing(Token, UnixTime) override {
    if (auto error = trouble()) co_return *error;
    co_return Standing{token_state(), 1, "salt"};
  }
  Task<std::vector<Result<Standing>>> read_standings(std::vector<AccountId>) override { std::abort(); }
  Task<Result<bool>> verify(Token, UnixTime) override { co_return change<bool>(choose(2) == 0, true); }
  Task<Result<Renewal>> renew_verification(Email, Verification, std::uint32_t, UnixTime) override {
    constexpr std::array kOutcomes{ResendOutcome::renewed, ResendOutcome::unknown_account,
                                   ResendOutcome::already_verified, ResendOutcome::too_soon};
    co_return change<Renewal>({kOutcomes[choose(4)], "x@example.com"},
                              [](const Renewal& r) { return r.outcome == ResendOutcome::renewed; });
  }
  Task<Result<bool>> forget_renewal(AccountId, Verification) override { co_return change<bool>(true, true); }

  Task<std::optional<std::string>> derive(std::string, std::string, ScryptCost) override {
    ++asked;
    switch (choose(3)) {
      case 0: co_return kDigits;
      case 1: co_return std::string(64, 'f');
      default: co_return std::nullopt;
    }
  }
  Task<bool> send_verification(std::string address, std::string token) override {
    PROPERTY(std::none_of(address.begin(), address.end(),
                          [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; }));
    PROPERTY(Token::parse(token));
    co_return choose(2) == 0;
  }
  Task<Result<std::unique_ptr<PendingSocket>>> reserve(AccountId) override {
    if (auto error = trouble()) co_return *error;
    struct Place : PendingSocket {
      void stand_at(Standing) override {}
    };
    co_return Result<std::unique_ptr<PendingSocket>>(std::make_unique<Place>());
  }

 private:
  inline static const std::string kDigits = std::string(64, '1');

  std::size_t choose(std::size_t count) {
    const std::size_t answer = at_ < answers_.size() ? static_cast<unsigned char>(answers_[at_++]) - 'a' : 0;
    return answer % count;
  }
  std::optional<StoreError> trouble() {
    ++asked;
    const std::size_t kind = choose(24);
    if (kind < 18) return std::nullopt;
    return static_cast<StoreError>(kind - 18);
  }
  TokenState token_state() { return static_cast<TokenState>(choose(3)); }
  template <typename T, typename Made>
  Result<T> change(T outcome, Made made) {
    if (auto error = trouble()) return *error;
    if constexpr (std::is_invocable_v<Made, const T&>) {
      written += made(outcome) ? 1 : 0;
    } else {
      written += outcome == made ? 1 : 0;
    }
    return outcome;
  }

  std::string answers_;
  std::size_t at_ = 0;
};

Response serve(const Request& request, const Settings& settings, Services& services,
               std::pmr::memory_resource& memory) {
  Route found = route(request, settings);
  if (found.endpoint == nullptr) {
    return std::move(found.refusal);
  }
  Call call{.api = found.endpoint->api,
            .request = request,
            .settings = settings,
            .services = services,
            .memory = memory,
            .fields = {}};
  if (auto refusal = prepare(*found.endpoint, call)) {
    return *std::move(refusal);
  }
  // What was understood is understood again when we write it.
  if (found.endpoint->takes_body() && request.method == found.endpoint->method) {
    JsonWriter writer;
    for (const FieldSpec& field : found.endpoint->fields) {
      if (field.type == FieldType::text) {
        writer.text(field.name, call.fields.text(field.name));
      } else if (field.type == FieldType::sequence) {
        writer.number(field.name, call.fields.sequence(field.name));
      } else {
        writer.number(field.name, call.fields.integer(field.name));
      }
    }
    const std::string body = writer.finish();
    const ParsedObject again = parse_object(body, found.endpoint->fields);
    PROPERTY(again.well_formed && !again.has_unknown);
    for (const FieldSpec& field : found.endpoint->fields) {
      if (field.type == FieldType::text) {
        PROPERTY(again.fields.text(field.name) == call.fields.text(field.name));
      } else {
        PROPERTY(again.fields.integer(field.name) == call.fields.integer(field.name));
      }
    }
  }
  Task<Response> task = found.endpoint->handler(call);
  task.start();
  PROPERTY(task.done());
  return task.take();
}

void check(const Request& request, const Response& response, const Outside& outside) {
  static const std::set<int> kStatuses{101, 200, 201, 304, 400, 401, 403, 404, 405, 409, 426, 429, 500, 503};
  PROPERTY(kStatuses.contains(response.status));
  PROPERTY((response.retry_after > 0) == (response.status == 503 || response.status == 429));
  PROPERTY(response.allow.empty() == (response.status != 405));
  PROPERTY(response.version.has_value() <= (response.status == 200 || response.status == 304));

  std::string text = response.body;
  text.append(response.head).append(response.opaque).append(response.tail);
  PROPERTY(text.size() == response.size());
  PROPERTY(is_utf8(text));
  static constexpr std::array kFields{FieldSpec{"encryptedWallet", FieldType::text},
                                      FieldSpec{"hmac", FieldType::text},
                                      FieldSpec{"sequence", FieldType::sequence}};
  if (response.status == 101 || response.status == 304) {
    PROPERTY(text.empty());
  } else if (response.content_type == ContentType::json) {
    const ParsedObject body = parse_object(text, kFields);
    PROPERTY(body.well_formed);
    if (!body.fields.text("encryptedWallet").empty()) {
      PROPERTY(outside.shown.has_value());
      PROPERTY(body.fields.text("encryptedWallet") == outside.shown->encrypted);
      PROPERTY(body.fields.text("hmac") == outside.shown->hmac);
      PROPERTY(body.fields.sequence("sequence") == outside.shown->sequence);
    }
  } else {
    // Nothing of the request is in a page.
    PROPERTY(text.find('\0') == text.npos && text.size() < 600);
  }
  // A change is acknowledged because it was made, and for no other reason.
  const bool acknowledged = (request.method == Method::post || request.method == Method::del) &&
                            (response.status == 200 || response.status == 201);
  const bool resend = request.path == "/api/3/verify/resend";  // which does not tell
  PROPERTY(!acknowledged || resend || outside.written > 0);
  // The upgrade of RFC 6455, said once more.
  PROPERTY((response.status == 101) == (response.socket != nullptr));
  if (response.status == 101) {
    PROPERTY(request.method == Method::get && request.upgrade.http_1_1 && !request.upgrade.has_body);
    PROPERTY(request.upgrade.version == "13" && request.upgrade.key.size() == 24);
    PROPERTY(response.websocket_accept.size() == 28 && from_base64(response.websocket_accept));
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  Request request;
  const std::string_view method = input.until(' ');
  request.method = method == "GET"      ? Method::get
                   : method == "POST"   ? Method::post
                   : method == "DELETE" ? Method::del
                                        : Method::other;
  std::string_view target = input.until('\n');
  request.path = target.substr(0, target.find('?'));
  target.remove_prefix(std::min(request.path.size() + 1, target.size()));
  request.query = target;

  Settings settings;
  settings.accounts.mode = AccountPolicy::Mode::open;
  request.upgrade.http_1_1 = true;
  std::string_view answers;
  for (std::string_view line = input.until('\n'); !line.empty(); line = input.until('\n')) {
    const std::string_view name = line.substr(0, line.find(": "));
    const std::string_view value = line.substr(std::min(name.size() + 2, line.size()));
    if (name == "Authorization") request.authorization = value;
    if (name == "If-None-Match") request.if_none_match = value;
    if (name == "Accept") request.prefers_html = true;
    if (name == "Connection") request.upgrade.connection = value;
    if (name == "Upgrade") request.upgrade.upgrade = value;
    if (name == "Sec-WebSocket-Key") request.upgrade.key = value;
    if (name == "Sec-WebSocket-Version") request.upgrade.version = value;
    if (name == "Content-Length") request.upgrade.has_body = true;
    if (name == "HTTP/1.0") request.upgrade.http_1_1 = false;
    if (name == "Deletion") settings.account_deletion = true;
    if (name == "Stored") settings.accounts.stored = true;
    if (name == "Mode") settings.accounts.mode = AccountPolicy::Mode::email;
    if (name == "Whitelist") {
      settings.accounts.mode = AccountPolicy::Mode::whitelist;
      settings.accounts.whitelist.emplace(value);
    }
    if (name == "Store") answers = value;
  }
  request.body = input.rest();

  Outside outside(answers);
  Services services{outside, outside, outside, &outside, [] { return kNow; }};
  std::pmr::monotonic_buffer_resource memory;
  const Response response = serve(request, settings, services, memory);
  check(request, response, outside);
  return 0;
}
