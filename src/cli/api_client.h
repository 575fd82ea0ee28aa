// The REST API as the commands use it: JSON in, JSON out, problem documents turned into statuses.
//
// Threads: one client, one thread.
// Errors:  those of HttpClient, and those the server's problem documents name (code becomes the reason).
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

#include "cli/http_client.h"

namespace akidb {

class ApiClient {
 public:
  ApiClient(ServerUrl url, HttpOptions options, Clock& clock) : http_(std::move(url), options, clock) {}

  // The parsed answer; it lives until the next call.
  Result<simdjson::dom::element> Get(std::string_view target) { return Call("GET", target, {}, {}, Repeat::kSafe); }
  Result<simdjson::dom::element> Post(std::string_view target, std::string_view json, Repeat repeat) {
    return Call("POST", target, "application/json", json, repeat);
  }
  Result<simdjson::dom::element> Call(std::string_view method, std::string_view target, std::string_view content_type,
                                      std::string_view body, Repeat repeat);
  // The text of the last answer.
  const std::string& text() const { return text_; }
  int http_status() const { return http_status_; }

 private:
  HttpClient http_;
  simdjson::dom::parser parser_;
  std::string text_;
  int http_status_ = 0;
};

// "/collections/NAME", "/aliases/NAME", with the name percent-encoded.
std::string CollectionPath(std::string_view name);
std::string AliasPath(std::string_view name);

// Fields that may be missing.
std::string JsonText(const simdjson::dom::element& object, std::string_view key);
uint64_t JsonUint(const simdjson::dom::element& object, std::string_view key);

}  // namespace akidb
