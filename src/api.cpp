#include "api.hpp"

#include <array>
#include <random>

#include "handlers.hpp"
#include "query.hpp"

namespace wallet_sync {
namespace {

constexpr FieldType kText = FieldType::text;

constexpr std::array kSignupFieldsV1 = {FieldSpec{"email", kText}, FieldSpec{"password", kText}};
constexpr std::array kSignupFields = {FieldSpec{"email", kText}, FieldSpec{"password", kText},
                                      FieldSpec{"clientSaltSeed", kText}};
constexpr std::array kAuthFields = {FieldSpec{"email", kText}, FieldSpec{"password", kText},
                                    FieldSpec{"deviceId", kText}};
constexpr std::array kWalletFieldsV1 = {FieldSpec{"version", FieldType::integer}, FieldSpec{"token", kText},
                                        FieldSpec{"encryptedWallet", kText},
                                        FieldSpec{"sequence", FieldType::sequence}, FieldSpec{"hmac", kText}};
constexpr std::array kWalletFields = {FieldSpec{"token", kText}, FieldSpec{"encryptedWallet", kText},
                                      FieldSpec{"sequence", FieldType::sequence}, FieldSpec{"hmac", kText}};
constexpr std::array kPasswordFields = {FieldSpec{"email", kText},
                                        FieldSpec{"oldPassword", kText},
                                        FieldSpec{"newPassword", kText},
                                        FieldSpec{"clientSaltSeed", kText},
                                        FieldSpec{"encryptedWallet", kText},
                                        FieldSpec{"sequence", FieldType::sequence},
                                        FieldSpec{"hmac", kText}};
constexpr std::array kResendFields = {FieldSpec{"email", kText}};

constexpr std::array kDeletionFields = {FieldSpec{"email", kText}, FieldSpec{"password", kText}};

std::optional<Response> require_email_mode(const Settings& settings) {
  if (settings.accounts.mode == AccountPolicy::Mode::email) {
    return std::nullopt;
  }
  return error_response(403, "Account verification mode is not set to EmailVerify");
}

using enum Method;
constexpr std::string_view kPrefix = "/api/3";
constexpr std::array kEndpoints = {
    Endpoint{EndpointId::signup, Api::v1, "/signup", post, kSignupFieldsV1, signup},
    Endpoint{EndpointId::auth, Api::v1, "/auth/full", post, kAuthFields, authenticate},
    Endpoint{EndpointId::wallet, Api::v1, "/wallet", get, {}, get_wallet},
    Endpoint{EndpointId::wallet, Api::v1, "/wallet", post, kWalletFieldsV1, post_wallet},

    Endpoint{EndpointId::signup, Api::v3, "/signup", post, kSignupFields, signup},
    Endpoint{EndpointId::auth, Api::v3, "/auth/full", post, kAuthFields, authenticate},
    Endpoint{EndpointId::client_salt_seed, Api::v3, "/client-salt-seed", get, {}, get_client_salt_seed},
    Endpoint{EndpointId::wallet, Api::v3, "/wallet", get, {}, get_wallet},
    Endpoint{EndpointId::wallet, Api::v3, "/wallet", post, kWalletFields, post_wallet},
    Endpoint{EndpointId::password, Api::v3, "/password", post, kPasswordFields, change_password},
    Endpoint{EndpointId::verify, Api::v3, "/verify", get, {}, verify_account},
    Endpoint{EndpointId::verify_resend, Api::v3, "/verify/resend", post, kResendFields, resend_verification,
             require_email_mode},
    Endpoint{EndpointId::websocket, Api::v3, "/websocket", get, {}, open_websocket, nullptr, true},

    // Beyond the protocol.
    Endpoint{EndpointId::account, Api::v3, "/account", del, kDeletionFields, delete_account, nullptr, false,
             [](const Settings& settings) { return settings.account_deletion; }},
};

std::string_view allowed_methods(Api api, std::string_view path) {
  bool get_allowed = false;
  bool post_allowed = false;
  for (const Endpoint& endpoint : kEndpoints) {
    if (endpoint.api == api && endpoint.path == path) {
      if (endpoint.method == del) {
        return "DELETE";
      }
      get_allowed |= endpoint.method == get;
      post_allowed |= endpoint.method == post;
    }
  }
  return get_allowed && post_allowed ? "GET, POST" : get_allowed ? "GET" : "POST";
}

constexpr std::uint32_t kLongestRetryAfter = 5;  // seconds

Response unknown_path(Api api, std::string_view path) {
  if (api == Api::v3) {
    return error_response(404, "Unknown Endpoint");
  }
  if (path.starts_with("/api/")) {
    return error_response(404, "Wrong API version. Current version is 3.");
  }
  return error_response(404);
}

}  // namespace

std::string_view endpoint_name(EndpointId id) {
  switch (id) {
    case EndpointId::signup: return "signup";
    case EndpointId::auth: return "auth";
    case EndpointId::wallet: return "wallet";
    case EndpointId::client_salt_seed: return "client-salt-seed";
    case EndpointId::password: return "password";
    case EndpointId::verify: return "verify";
    case EndpointId::verify_resend: return "verify-resend";
    case EndpointId::websocket: return "websocket";
    case EndpointId::account: return "account";
    case EndpointId::none: break;
  }
  return "none";
}

Route route(const Request& request, const Settings& settings) {
  Api api = Api::v1;
  std::string_view path = request.path;
  if (path == kPrefix || (path.starts_with(kPrefix) && path[kPrefix.size()] == '/')) {
    api = Api::v3;
    path.remove_prefix(kPrefix.size());
  }
  Route found;
  for (const Endpoint& endpoint : kEndpoints) {
    if (endpoint.api != api || endpoint.path != path ||
        (endpoint.enabled != nullptr && !endpoint.enabled(settings))) {
      continue;
    }
    found.id = endpoint.id;
    if (endpoint.before_method != nullptr) {
      if (auto refusal = endpoint.before_method(settings)) {
        found.refusal = std::move(*refusal);
        return found;
      }
    }
    if (endpoint.method == request.method || endpoint.any_method) {
      found.endpoint = &endpoint;
      return found;
    }
  }
  if (found.id == EndpointId::none) {
    found.refusal = unknown_path(api, path);
  } else {
    found.refusal = error_response(405);
    found.refusal.allow = allowed_methods(api, path);
  }
  return found;
}

std::optional<Response> prepare(const Endpoint& endpoint, Call& call) {
  if (!endpoint.takes_body()) {
    return std::nullopt;
  }
  ParsedObject parsed = parse_object(call.request.body, endpoint.fields);
  if (!parsed.well_formed) {
    return error_response(400, call.api == Api::v1 ? "Request body JSON malformed or structure mismatch"
                                                   : "Error parsing JSON");
  }
  if (call.api == Api::v3 && parsed.has_unknown) {
    return error_response(400, "json: unknown field \"" + parsed.unknown + "\"");
  }
  call.fields = std::move(parsed.fields);
  return std::nullopt;
}

Response invalid(const Call& call, std::string_view detail) {
  std::string text = "Request failed validation";
  if (call.api == Api::v3) {
    text.append(": ").append(detail);
  }
  return error_response(400, text);
}

Response service_unavailable(std::string_view detail) {
  Response response = error_response(503, detail);
  response.retry_after = 1;
  response.cause = "unavailable";
  return response;
}

static Response unavailable(std::string_view cause, std::string_view detail = {}) {
  Response response = service_unavailable(detail);
  response.cause = cause;
  return response;
}

Response hashing_unavailable() { return unavailable("password_hashing"); }

Response mail_unavailable() { return unavailable("mail", "The mail could not be sent"); }

// Clients that were refused together shall not come back together.
static Response overloaded() {
  thread_local std::minstd_rand random{std::random_device{}()};
  Response response = unavailable("store_overloaded");
  response.retry_after = std::uniform_int_distribution<std::uint32_t>(1, kLongestRetryAfter)(random);
  return response;
}

Response store_failure(StoreError error) {
  switch (error) {
    case StoreError::internal: return error_response(500);
    case StoreError::unknown: return unavailable("store_unknown", "The outcome is unknown");
    case StoreError::unreplicated: return unavailable("store_unreplicated", "Stored, but not yet replicated");
    case StoreError::contended: return unavailable("store_contended", "Too many changes at once");
    case StoreError::overloaded: return overloaded();
    case StoreError::refused: return unavailable("store_refused");
    case StoreError::unavailable: break;
  }
  return unavailable("store_unavailable");
}

Response token_failure(TokenState state) {
  return state == TokenState::wrong_scope ? error_response(403, "Scope")
                                          : error_response(401, "Token Not Found");
}

Response too_many_failures(std::uint32_t seconds_left) {
  Response response = error_response(429, "Too many failed logins");
  response.retry_after = seconds_left > 0 ? seconds_left : 1;
  return response;
}

Response body_too_large() { return error_response(413); }

std::string_view request_token(const Request& request, std::string& decoded) {
  if (const auto token = query_parameter(request.query, "token", decoded); token && !token->empty()) {
    return *token;
  }
  constexpr std::string_view kScheme =
      "Bearer ";  // RFC 6750 2.1; the scheme's case does not matter (RFC 9110 11.1)
  std::string_view header = request.authorization;
  if (header.size() <= kScheme.size()) {
    return {};
  }
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    char c = header[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != (kScheme[i] == 'B' ? 'b' : kScheme[i])) {
      return {};
    }
  }
  header.remove_prefix(kScheme.size());
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return header;
}

}  // namespace wallet_sync
