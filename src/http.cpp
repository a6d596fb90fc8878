#include "http.hpp"

#include <algorithm>

#include "json.hpp"

namespace wallet_sync {
namespace {

std::string_view reason_phrase(int status) {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Request Entity Too Large";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return status < 500 ? "Bad Request" : "Internal Server Error";
  }
}

}  // namespace

bool names_version(std::string_view if_none_match, std::uint32_t version) {
  const std::string tag = '"' + std::to_string(version) + '"';
  while (!if_none_match.empty()) {
    std::string_view item = if_none_match.substr(0, if_none_match.find(','));
    if_none_match.remove_prefix(std::min(item.size() + 1, if_none_match.size()));
    item.remove_prefix(std::min(item.find_first_not_of(" \t"), item.size()));
    item = item.substr(0, item.find_last_not_of(" \t") + 1);
    if (item.starts_with("W/")) {
      item.remove_prefix(2);
    }
    if (item == tag || item == "*") {
      return true;
    }
  }
  return false;
}

Response error_response(int status, std::string_view detail) {
  std::string text(reason_phrase(status));
  if (!detail.empty()) {
    text.append(": ").append(detail);
  }
  return json_response(status, JsonWriter().text("error", text).finish());
}

Response json_response(int status, std::string body) {
  Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

}  // namespace wallet_sync
