// GET and POST /wallet
#include "handlers.hpp"

namespace wallet_sync {
namespace {

// API 1 answers with the whole state, successes and conflicts alike.
std::string state_v1(const Wallet& wallet, std::string_view error) {
  return JsonWriter()
      .number("version", 1)
      .text("encryptedWallet", wallet.encrypted)
      .number("sequence", wallet.sequence)
      .text("hmac", wallet.hmac)
      .text("error", error)
      .finish();
}

std::string state_v3(const Wallet& wallet) {
  return JsonWriter()
      .text("encryptedWallet", wallet.encrypted)
      .number("sequence", wallet.sequence)
      .text("hmac", wallet.hmac)
      .finish();
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
  co_return view->wallet ? json_response(409, state_v1(*view->wallet, "Bad sequence number"))
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
  Response response =
      json_response(200, call.api == Api::v1 ? state_v1(*view->wallet, "") : state_v3(*view->wallet));
  response.version = view->wallet->sequence;
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
    case PutOutcome::stored: co_return json_response(200, call.api == Api::v1 ? state_v1(wallet, "") : "{}");
    case PutOutcome::conflict: co_return co_await conflict(call, *token);
    case PutOutcome::wrong_scope: co_return token_failure(TokenState::wrong_scope);
    case PutOutcome::unknown_token: break;
  }
  co_return token_failure(TokenState::unknown);
}

}  // namespace wallet_sync
