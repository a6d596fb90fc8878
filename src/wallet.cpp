// GET and POST /wallet
#include <array>
#include <charconv>
#include <limits>

#include "concatenate.hpp"
#include "handlers.hpp"

namespace wallet_sync {
namespace {

// A wallet of up to this size is copied into the reply, which then is one piece of the request's memory: that
// is less work than to hand on pieces.
constexpr std::size_t kCopied = 3 * 1024;

// A reply that carries a wallet. API 1 answers with the whole state and an error (plain text of ours),
// successes and conflicts alike. The wallet is opaque text, of up to 100,000 bytes, and nearly always base64:
// it stands between quotes as it is, and so it is sent, a large one from where it lies.
Response wallet_response(int status, const Call& call, const ShownWallet& wallet,
                         std::string_view error = {}) {
  const bool v1 = call.api == Api::v1;
  Response response;
  response.status = status;
  if (!is_plain(wallet.encrypted) || !is_plain(wallet.hmac)) {
    JsonWriter json;
    if (v1) {
      json.number("version", 1);
    }
    json.text("encryptedWallet", wallet.encrypted).number("sequence", wallet.sequence);
    json.text("hmac", wallet.hmac);
    if (v1) {
      json.text("error", error);
    }
    response.body = json.finish();
    return response;
  }
  std::array<char, std::numeric_limits<Sequence>::digits10 + 1> digits;
  char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), wallet.sequence).ptr;
  const std::string_view sequence(digits.data(), static_cast<std::size_t>(end - digits.data()));
  const std::string_view head = v1 ? R"({"version":1,"encryptedWallet":")" : R"({"encryptedWallet":")";
  const std::string_view before_error = v1 ? R"(","error":")" : "";
  if (wallet.encrypted.size() <= kCopied) {
    response.head = concatenate(call.memory, {head, wallet.encrypted, R"(","sequence":)", sequence,
                                              R"(,"hmac":")", wallet.hmac, before_error, error, R"("})"});
  } else {
    response.head = head;
    response.opaque = std::move(wallet.encrypted);
    response.tail = concatenate(call.memory, {R"(","sequence":)", sequence, R"(,"hmac":")", wallet.hmac,
                                              before_error, error, R"("})"});
  }
  return response;
}

// Makes the reply when the wallet is shown.
class WalletReply final : public WalletReader {
 public:
  WalletReply(int status, const Call& call, std::string_view error = {})
      : status_(status), call_(call), error_(error) {}
  void on_wallet(const ShownWallet& wallet) noexcept override {
    response = wallet_response(status_, call_, wallet, error_);
  }

  std::optional<Response> response;  // nullopt: there was no wallet to show

 private:
  int status_;
  const Call& call_;
  std::string_view error_;
};

// The reply to a write that is out of sequence. API 1 carries the current state, so that the client can merge
// without a second request; it may be even newer than the one that stood in the way.
Task<Response> conflict(const Call& call, Token token) {
  if (call.api == Api::v3) {
    co_return error_response(409, "Bad sequence number");
  }
  WalletReply reply(409, call, "Bad sequence number");
  const auto version = co_await call.services.store.show_wallet(token, call.services.now(), reply);
  if (!version) {
    co_return store_failure(version.error());
  }
  if (version->token != TokenState::valid) {
    co_return token_failure(version->token);
  }
  co_return reply.response ? *std::move(reply.response)
                           : error_response(409, "Bad sequence number (No existing wallet)");
}

}  // namespace

Task<Response> get_wallet(const Call& call) {
  std::string decoded;
  const std::string_view text = request_token(call.request, decoded);
  if (text.empty()) {
    co_return error_response(400, "Missing token parameter");
  }
  const auto token = Token::parse(text);
  if (!token) {
    co_return token_failure(TokenState::unknown);
  }
  if (!call.request.if_none_match.empty()) {  // most who ask have it: the wallet itself is not even read then
    const auto version = co_await call.services.store.get_wallet_version(*token, call.services.now());
    if (!version) {
      co_return store_failure(version.error());
    }
    if (version->token != TokenState::valid) {
      co_return token_failure(version->token);
    }
    if (version->sequence > 0 && names_version(call.request.if_none_match, version->sequence)) {
      Response unchanged;
      unchanged.status = 304;
      unchanged.version = version->sequence;
      co_return unchanged;
    }
  }
  WalletReply reply(200, call);
  const auto version = co_await call.services.store.show_wallet(*token, call.services.now(), reply);
  if (!version) {
    co_return store_failure(version.error());
  }
  if (version->token != TokenState::valid) {
    co_return token_failure(version->token);
  }
  if (!reply.response) {
    co_return error_response(404, "No wallet");
  }
  reply.response->version = version->sequence;
  co_return *std::move(reply.response);
}

Task<Response> post_wallet(const Call& call) {
  if (call.api == Api::v1 && call.fields.integer("version") != 1) {
    co_return invalid(call, "");
  }
  if (call.fields.text("token").empty()) {
    co_return invalid(call, "Missing 'token'");
  }
  Wallet wallet{call.fields.sequence("sequence"), call.fields.text("encryptedWallet"),
                call.fields.text("hmac")};
  if (wallet.encrypted.empty()) {
    co_return invalid(call, "Missing 'encryptedWallet'");
  }
  if (wallet.hmac.empty()) {
    co_return invalid(call, "Missing 'hmac'");
  }
  if (wallet.sequence == 0) {
    co_return invalid(call, "Missing or zero-value 'sequence'");
  }
  const auto token = Token::parse(call.fields.text("token"));
  if (!token) {
    co_return token_failure(TokenState::unknown);
  }

  auto outcome = co_await call.services.store.put_wallet(*token, wallet, call.services.now());
  if (!outcome) {
    co_return store_failure(outcome.error());
  }
  switch (*outcome) {
    case PutOutcome::stored:
      co_return call.api == Api::v1
          ? wallet_response(200, call, {wallet.sequence, wallet.encrypted, wallet.hmac})
          : json_response(200, "{}");
    case PutOutcome::conflict: co_return co_await conflict(call, *token);
    case PutOutcome::wrong_scope: co_return token_failure(TokenState::wrong_scope);
    case PutOutcome::unknown_token: break;
  }
  co_return token_failure(TokenState::unknown);
}

}  // namespace wallet_sync
