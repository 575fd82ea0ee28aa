// Which handler answers which method and path. The table is the truth: openapi.json is compared with it by a test.
//
// Threads: immutable; thread-safe.
// Errors:  Match: a null route; `allow` then tells an unknown path (empty) from a method the path does not have.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "service/core/handlers.h"

namespace akidb {

// On which of several nodes a request is answered.
enum class Place : uint8_t {
  kAnywhere,
  kWriter,      // where the collection's writer is
  kWriterSlow,  // likewise, and it may take long
  kAckWriter,   // where the writer is, if it binds the collection to a node or releases it; else anywhere
  kJob,         // where the job is
};

struct Route {
  std::string_view method;
  std::string_view pattern;    // "/collections/{collection}/vectors"
  std::string_view operation;  // operationId in openapi.json
  Handler handler;
  std::vector<std::string_view> query;  // known query parameters
  Place place = Place::kAnywhere;
};

const std::vector<Route>& Routes();

// Which lane of the store its requests take: questions before changes.
Priority PriorityOf(const Route& route);

struct RouteMatch {
  const Route* route = nullptr;
  size_t index = 0;                 // in Routes()
  std::vector<std::string> params;  // what the placeholders stand for
  std::string allow;                // methods of the path, "GET, HEAD, POST"
};
// HEAD is answered by GET routes.
RouteMatch MatchRoute(std::string_view method, const std::vector<std::string>& segments);

}  // namespace akidb
