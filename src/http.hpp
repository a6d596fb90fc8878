// A request and its reply as the protocol sees them: plain values, no server's types.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace wallet_sync {

enum class Method { get, post, del, other };  // HEAD, OPTIONS and all the rest are `other`

class PendingSocket;

// What RFC 6455 looks at in the opening handshake; a missing header is empty.
struct UpgradeHeaders {
  bool http_1_1 = false;
  bool has_body = false;
  std::string_view connection;
  std::string_view upgrade;
  std::string_view key;
  std::string_view version;
};

// The views point into memory that outlives the handling of the request.
struct Request {
  Method method = Method::other;
  std::string_view path;   // decoded, normalized
  std::string_view query;  // as sent
  std::string_view body;
  std::string_view authorization;  // value of the header, empty if there is none
  std::string_view if_none_match;  // the same
  bool prefers_html = false;       // Accept names text/html
  UpgradeHeaders upgrade;          // filled in for the endpoint that upgrades
};

enum class ContentType { json, text, html };

struct Response {
  int status = 200;
  // The body is this, or the three below it, one after the other.
  std::string body;
  std::string_view head;  // this and `tail` are static, or in the request's memory
  std::string opaque;     // a large text of the store, sent from where it lies
  std::string_view tail;
  ContentType content_type = ContentType::json;
  std::string_view cause;                // of a 503, for the log: static text, a name of the metrics
  std::string_view allow;                // value of Allow; static text, empty for none
  std::uint32_t retry_after = 0;         // seconds, 0 for none
  std::optional<std::uint32_t> version;  // sequence of the wallet that is asked for: the ETag
  bool upgrade_required = false;         // say which websocket version is spoken

  std::size_t size() const { return body.size() + head.size() + opaque.size() + tail.size(); }

  // With status 101: the connection becomes this websocket.
  std::string websocket_accept;
  std::shared_ptr<PendingSocket> socket;
};

// Whether the value of If-None-Match names the version (RFC 9110 section 13.1.2, weak comparison).
bool names_version(std::string_view if_none_match, std::uint32_t version);

// {"error":"<reason phrase>"} or {"error":"<reason phrase>: <detail>"}.
Response error_response(int status, std::string_view detail = {});
Response json_response(int status, std::string body);

}  // namespace wallet_sync
