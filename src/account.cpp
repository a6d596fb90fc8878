// GET /api/3/client-salt-seed and GET /api/3/verify
#include "encoding.hpp"
#include "handlers.hpp"
#include "query.hpp"

namespace wallet_sync {
namespace {

// /verify is opened by a person: plain text, or a small page for a browser.
Response tell_person(const Call& call, int status, std::string_view sentence) {
  Response response;
  response.status = status;
  if (!call.request.prefers_html) {
    response.content_type = ContentType::text;
    response.body = sentence;
    return response;
  }
  response.content_type = ContentType::html;
  response.body.append(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\"><title>Wallet sync</title></head>\n<body><p>");
  response.body.append(sentence).append("</p></body>\n</html>\n");
  return response;
}

}  // namespace

Task<Response> get_client_salt_seed(const Call& call) {
  std::string unescaped;
  const auto parameter = query_parameter(call.request.query, "email", unescaped);
  const auto decoded = parameter ? from_base64(*parameter) : std::nullopt;
  const auto email = decoded ? Email::parse(*decoded) : std::nullopt;
  if (!email) {
    co_return error_response(400, "Invalid email");
  }
  auto state = co_await call.services.store.read_login(*email);
  if (!state) {
    co_return store_failure(state.error());
  }
  if (!state->account || state->account->client_salt_seed.empty()) {
    co_return error_response(404, "No match for email");
  }
  co_return json_response(200,
                          JsonWriter().text("clientSaltSeed", state->account->client_salt_seed).finish());
}

Task<Response> verify_account(const Call& call) {
  std::string unescaped;
  const auto parameter = query_parameter(call.request.query, "verifyToken", unescaped);
  if (!parameter || parameter->empty()) {
    co_return tell_person(call, 400,
                          "There seems to be a problem with this URL: Missing verifyToken parameter");
  }
  constexpr std::string_view kGone =
      "The verification token was not found, already used, or expired. If you want to try again, generate a "
      "new one "
      "from your app.";
  const auto token = Token::parse(*parameter);
  if (!token) {
    co_return tell_person(call, 403, kGone);
  }
  auto verified = co_await call.services.store.verify(*token, call.services.now());
  if (!verified) {
    Response failure = store_failure(verified.error());
    Response answer =
        tell_person(call, failure.status, "This does not work right now. Please try again in a moment.");
    answer.retry_after = failure.retry_after;
    co_return answer;
  }
  co_return *verified ? tell_person(call, 200, "Your account has been verified.")
                      : tell_person(call, 403, kGone);
}

}  // namespace wallet_sync
