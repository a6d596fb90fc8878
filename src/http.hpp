// A request and its reply as the protocol sees them: plain values, no server's types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wallet_sync {

enum class Method { get, post, other };  // HEAD, OPTIONS and all the rest are `other`

// The views point into memory that outlives the handling of the request.
struct Request {
  Method method = Method::other;
  std::string_view path;   // decoded, normalized
  std::string_view query;  // as sent
  std::string_view body;
  std::string_view authorization;  // value of the header, empty if there is none
  bool prefers_html = false;       // Accept names text/html
};

enum class ContentType { json, text, html };

struct Response {
  int status = 200;
  std::string body;
  ContentType content_type = ContentType::json;
  std::string_view allow;                // value of Allow; static text, empty for none
  std::uint32_t retry_after = 0;         // seconds, 0 for none
  std::optional<std::uint32_t> version;  // sequence of the wallet in the body: the ETag
};

// {"error":"<reason phrase>"} or {"error":"<reason phrase>: <detail>"}.
Response error_response(int status, std::string_view detail = {});
Response json_response(int status, std::string body);

}  // namespace wallet_sync
