// The endpoints of both API versions: the only place that knows which paths, methods and fields exist.
//
// Serving a request is: route() → (read the body) → prepare() → the endpoint's handler, each of which may
// end it with a reply. The order of the checks is PROTOCOL's "Checks common to all endpoints".
#pragma once

#include <memory_resource>
#include <optional>
#include <span>
#include <string_view>

#include "http.hpp"
#include "json.hpp"
#include "services.hpp"
#include "task.hpp"

namespace wallet_sync {

enum class Api { v1, v3 };

// Everything a handler works on. It outlives the handler's coroutine.
struct Call {
  Api api = Api::v1;
  const Request& request;
  const Settings& settings;
  Services& services;
  std::pmr::memory_resource& memory;  // lives as long as the request and its reply
  Fields fields;
};

// Stable names of the endpoints, for counting.
enum class EndpointId {
  signup,
  auth,
  wallet,
  client_salt_seed,
  password,
  verify,
  verify_resend,
  websocket,
  account,
  none
};
inline constexpr std::size_t kEndpointIds = static_cast<std::size_t>(EndpointId::none) + 1;
std::string_view endpoint_name(EndpointId id);

struct Endpoint {
  using Handler = Task<Response> (*)(const Call& call);
  using Precondition = std::optional<Response> (*)(const Settings& settings);

  EndpointId id = EndpointId::none;
  Api api = Api::v1;
  std::string_view path;
  Method method = Method::other;
  std::span<const FieldSpec> fields;
  Handler handler = nullptr;
  Precondition before_method = nullptr;  // checked before the method is (PROTOCOL, "Exceptions to the order")
  bool any_method = false;               // the handler checks the method itself, for the same reason
  bool (*enabled)(const Settings& settings) = nullptr;  // false: it is not there; null: it always is

  bool takes_body() const { return method == Method::post || method == Method::del; }
};

struct Route {
  EndpointId id = EndpointId::none;    // known even if the method is wrong
  const Endpoint* endpoint = nullptr;  // null: `refusal` is the reply
  Response refusal;
};

Route route(const Request& request, const Settings& settings);

// Reads the body's fields into the call; a reply if it is not what the endpoint takes.
std::optional<Response> prepare(const Endpoint& endpoint, Call& call);

// Replies that several handlers share.
Response invalid(const Call& call, std::string_view detail);  // "Request failed validation"
Response store_failure(StoreError error);
Response token_failure(TokenState state);
// All 503; the last two for a password that could not be hashed and a mail that could not be handed over.
Response service_unavailable(std::string_view detail = {});
Response hashing_unavailable();
Response mail_unavailable();
Response too_many_failures(std::uint32_t seconds_left);
Response body_too_large();

// The token of a GET: the query parameter or, beyond the protocol, the Authorization header; empty: none. It
// lies in the request, or in `decoded` if it had to be decoded.
std::string_view request_token(const Request& request, std::string& decoded);

}  // namespace wallet_sync
