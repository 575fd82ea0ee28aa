// A small synchronous HTTP/1.1 client over one kept-alive connection.
//
// Threads: one client, one thread.
// Errors:  Send: kUnavailable (no connection, connection lost), kDeadlineExceeded, kCancelled (Ctrl-C). Any HTTP status
//          is an answer, not an error; 429 and 503 are tried again until `retry_for` is over.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace akidb {

struct ServerUrl {
  std::string host;
  std::string port;
};
// "http://HOST[:PORT]", the port defaulting to 8080.
Result<ServerUrl> ParseServerUrl(std::string_view text);

struct HttpOptions {
  Duration timeout = std::chrono::seconds(30);    // of one try
  Duration retry_for = std::chrono::seconds(60);  // from the first failed try on
};

struct HttpReply {
  int status = 0;
  std::string body;
  Duration retry_after{};  // zero if the answer does not say
};

// Whether sending twice does no harm.
enum class Repeat : uint8_t { kSafe, kUnsafe };

class HttpClient {
 public:
  HttpClient(ServerUrl url, HttpOptions options, Clock& clock);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // `target` is a path with its query, already encoded. Unsafe requests are not sent again after a lost connection.
  Result<HttpReply> Send(std::string_view method, std::string_view target, std::string_view content_type,
                         std::string_view body, Repeat repeat);

 private:
  struct Connection;
  Result<HttpReply> Try(std::string_view method, std::string_view target, std::string_view content_type,
                        std::string_view body);

  const ServerUrl url_;
  const HttpOptions options_;
  Clock& clock_;
  std::unique_ptr<Connection> connection_;
};

// The pause before try number `attempt` (from 1): what the server asked for, else doubling from 50 ms to 5 s.
Duration RetryPause(int attempt, Duration retry_after);

}  // namespace akidb
