// GET and POST /wallet
#include "handlers.hpp"

namespace wallet_sync {
namespace {

// A reply that carries a wallet. API 1 answers with the whole state and an error, successes and conflicts
// alike. The wallet is opaque text, of up to 100,000 bytes, and nearly always base64: where it stands between
// quotes as it is, it is sent from where it lies.
Response wallet_response(int status, Api api, Wallet&& wallet, std::string_view error = {}) {
  JsonWriter rest;
  rest.number("sequence", wallet.sequence).text("hmac", wallet.hmac);
  if (api == Api::v1) {
    rest.text("error", error);
  }
  Response response =
      json_response(status, api == Api::v1 ? R"({"version":1,"encryptedWallet":)" : R"({"encryptedWallet":)");
  response.tail = rest.finish();
  response.tail.front() = ',';  // one object of the two
  if (is_plain(wallet.encrypted)) {
    response.body.push_back('"');
    response.opaque = std::move(wallet.encrypted);
    response.tail.insert(0, 1, '"');
  } else {
    response.body.append(json_text(wallet.encrypted));
  }
  return response;
}

// The reply to a write that is out of sequence. API 1 carries the current state, so that the client can merge
// without a second request; it may be even newer than the one that stood in the way.
Task<Response> conflict(const Call& call, Token token) {
  if (call.api == Api::v3) {
    co_return error_response(409, "Bad sequence number");
  }
  auto view = co_await call.services.store.get_wallet(token, call.services.now());
  if (!view) {
    co_return store_failure(view.error());
  }
  if (view->token != TokenState::valid) {
    co_return token_failure(view->token);
  }
  co_return view->wallet ? wallet_response(409, call.api, *std::move(view->wallet), "Bad sequence number")
                         : error_response(409, "Bad sequence number (No existing wallet)");
}

}  // namespace

Task<Response> get_wallet(const Call& call) {
  const std::string text = request_token(call.request);
  if (text.empty()) {
    co_return error_response(400, "Missing token parameter");
  }
  const auto token = Token::parse(text);
  if (!token) {
    co_return token_failure(TokenState::unknown);
  }
  if (!call.request.if_none_match.empty()) {  // most who ask have it: the wallet itself is not even read then
    auto version = co_await call.services.store.get_wallet_version(*token, call.services.now());
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
  auto view = co_await call.services.store.get_wallet(*token, call.services.now());
  if (!view) {
    co_return store_failure(view.error());
  }
  if (view->token != TokenState::valid) {
    co_return token_failure(view->token);
  }
  if (!view->wallet) {
    co_return error_response(404, "No wallet");
  }
  const Sequence sequence = view->wallet->sequence;
  Response response = wallet_response(200, call.api, *std::move(view->wallet));
  response.version = sequence;
  co_return response;
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
      co_return call.api == Api::v1 ? wallet_response(200, call.api, std::move(wallet))
                                    : json_response(200, "{}");
    case PutOutcome::conflict: co_return co_await conflict(call, *token);
    case PutOutcome::wrong_scope: co_return token_failure(TokenState::wrong_scope);
    case PutOutcome::unknown_token: break;
  }
  co_return token_failure(TokenState::unknown);
}

}  // namespace wallet_sync
