// Sends a request to another node. It exists so that the service knows no sockets.
//
// Threads: thread-safe. Blocks, never beyond ctx's deadline.
// Errors:  kUnavailable, reason "connect_failed": nobody listens there; reason "not_sent": no connection in time, or it
//          broke before the request was out; effect none. Everything else may have happened: effect unknown.
#pragma once

#include <string>

#include "base/context.h"
#include "base/status.h"
#include "service/core/http.h"

namespace akidb {

class WriteForwarder {
 public:
  virtual ~WriteForwarder() = default;
  // The answer of `address` ("http://HOST:PORT") to `request`, whatever its status. Nothing is ever sent twice.
  virtual Result<HttpResponse> Send(OpContext& ctx, const std::string& address, const HttpRequest& request) = 0;
};

}  // namespace akidb
