#include "websocket.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "encoding.hpp"
#include "handlers.hpp"

namespace wallet_sync {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

// Whether a comma-separated header names the token, without regard to case (RFC 9110 5.6.1).
bool names_token(std::string_view header, std::string_view token) {
  while (!header.empty()) {
    const std::size_t comma = std::min(header.find(','), header.size());
    std::string_view item = header.substr(0, comma);
    header.remove_prefix(std::min(comma + 1, header.size()));
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) {
      item.remove_prefix(1);
    }
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) {
      item.remove_suffix(1);
    }
    if (std::equal(item.begin(), item.end(), token.begin(), token.end(),
                   [](char a, char b) { return lower(a) == b; })) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<Response> refuse_handshake(const UpgradeHeaders& headers) {
  if (!headers.http_1_1) {
    return error_response(400, "Websockets need HTTP/1.1");
  }
  if (!names_token(headers.connection, "upgrade") || !names_token(headers.upgrade, "websocket") ||
      headers.version.empty() || headers.has_body) {
    return error_response(400, "Not a websocket upgrade");
  }
  if (headers.version != "13") {
    Response response = error_response(426, "Websocket version 13 is supported");
    response.upgrade_required = true;
    return response;
  }
  const auto key =
      headers.key.find_first_of("\r\n") == std::string_view::npos ? from_base64(headers.key) : std::nullopt;
  if (!key || key->size() != 16) {
    return error_response(400, "Invalid Sec-WebSocket-Key");
  }
  return std::nullopt;
}

std::string websocket_accept(std::string_view key) {
  constexpr std::string_view kGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455 section 1.3
  const std::string text = std::string(key).append(kGuid);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) {
    std::abort();  // for want of memory only
  }
  std::array<unsigned char, 32> encoded{};
  const int length = EVP_EncodeBlock(encoded.data(), digest.data(), static_cast<int>(size));
  return {reinterpret_cast<const char*>(encoded.data()), static_cast<std::size_t>(length)};
}

std::string wallet_update_message(Sequence sequence) { return "wallet-update:" + std::to_string(sequence); }

// Subscribe first, then check the token, then upgrade: a socket misses no write, and a password change either
// takes its token away before the check or finds it among the account's sockets. Before all that the token is
// read once: what is none shall not cost a subscription.
Task<Response> open_websocket(const Call& call) {
  std::string decoded;
  const std::string_view text = request_token(call.request, decoded);
  if (text.empty()) {
    co_return error_response(400, "Missing token parameter");
  }
  const auto token = Token::parse(text);
  if (!token) {
    co_return token_failure(TokenState::unknown);
  }
  const auto state = co_await call.services.store.read_token(*token, call.services.now());
  if (!state) {
    co_return store_failure(state.error());
  }
  if (*state != TokenState::valid) {
    co_return token_failure(*state);
  }
  if (call.request.method != Method::get) {
    Response response = error_response(405);
    response.allow = "GET";
    co_return response;
  }
  if (auto refusal = refuse_handshake(call.request.upgrade)) {
    co_return *std::move(refusal);
  }
  auto place = co_await call.services.sockets.reserve(token->account());
  if (!place) {
    co_return store_failure(place.error());
  }
  auto standing = co_await call.services.store.read_standing(*token, call.services.now());
  if (!standing) {
    co_return store_failure(standing.error());
  }
  if (standing->token != TokenState::valid) {
    co_return token_failure(standing->token);
  }
  Response response;
  response.status = 101;
  response.websocket_accept = websocket_accept(call.request.upgrade.key);
  response.socket = std::move(*place);
  response.socket->stand_at(std::move(*standing));
  co_return response;
}

}  // namespace wallet_sync
