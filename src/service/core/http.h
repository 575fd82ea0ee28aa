// An HTTP request and its answer as plain values, so that handlers know nothing of sockets.
//
// Threads: values. A Responder may be called once, from any thread.
// Errors:  none.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace akidb {

// Readable bytes that every body has behind its end, as simdjson wants them.
inline constexpr size_t kBodyPaddingBytes = 64;

struct HttpRequest {
  std::string method;
  std::string target;  // as sent: still percent-encoded
  std::vector<std::pair<std::string, std::string>> headers;
  // Its capacity is at least size() + kBodyPaddingBytes.
  std::string body;
  std::string remote;  // address of the peer

  // First header of that name, compared without case; empty if there is none.
  std::string_view Header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

using Responder = std::move_only_function<void(HttpResponse)>;

// "Not Found" for 404.
std::string_view HttpReason(int status);

bool EqualsIgnoringCase(std::string_view a, std::string_view b);

}  // namespace akidb
