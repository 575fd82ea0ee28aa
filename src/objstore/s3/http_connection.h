// One HTTP/1.1 connection: a request out in one burst, the answer's head in, its body straight into its destination.
//
// Threads: one thread at a time.
// Errors:  kUnavailable (connection lost, reason "connection_lost"; body that ends early, reason "truncated_body");
//          kFailedPrecondition, reason "not_http" (the peer speaks something else); kDeadlineExceeded; kCancelled.
//          After an error, request_sent() says whether the peer can have seen the whole request.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/context.h"
#include "objstore/s3/byte_stream.h"

namespace akidb::s3 {

// Names in lower case.
struct HttpHead {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;
  std::optional<uint64_t> content_length;

  // The value of the first header of that name, or nothing.
  std::string_view Header(std::string_view name) const;
};

struct HttpRequest {
  std::string_view head;  // request line and headers, with the empty line
  std::string_view body{};
  std::string_view body_rest{};  // what follows it
  bool answer_has_body = true;   // false: HEAD
};

inline constexpr uint32_t kHttpHeadBytesMax = 64u << 10;

class HttpConnection {
 public:
  virtual ~HttpConnection() = default;

  // Sends the request and reads the head of its answer (interim answers are skipped).
  virtual Result<HttpHead> Exchange(OpContext& ctx, const HttpRequest& request) = 0;
  // Some bytes of the answer's body, at most `size`; 0 when it is complete.
  virtual Result<size_t> ReadBody(OpContext& ctx, char* out, size_t size) = 0;

  // Of the last Exchange: whether all of the request was handed to the system, and whether a byte of an answer came.
  virtual bool request_sent() const = 0;
  virtual bool answer_started() const = 0;
  // Whether another request may follow: the answer was read to its end, and the peer did not say that it closes.
  virtual bool reusable() const = 0;
  // Whether an idle connection is still open and silent.
  virtual bool Quiet() = 0;
};

std::unique_ptr<HttpConnection> NewHttpConnection(std::unique_ptr<ByteStream> stream);

}  // namespace akidb::s3
