// HTTP/1.1 in front of the service: connections, framing, limits and time-outs; no knowledge of the API.
//
// Threads: `threads` I/O threads have an event loop each; a connection belongs to the loop that has fewest of them when
//          it comes, and handlers run in its thread, so that they must not take long. Start and Shutdown are called by
//          the owner's thread.
// Errors:  Start: kInvalidArgument (address), kUnavailable (port taken). Shutdown: kDeadlineExceeded when requests were
//          cut off after the grace time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/fine_ticks.h"
#include "base/status.h"
#include "service/core/service.h"
#include "service/core/work_queue.h"

namespace akidb {

struct HttpServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 8080;  // 0: any free one
  int threads = 4;       // that serve connections; one more accepts them
  uint64_t body_bytes_max = 32ull << 20;
  uint32_t header_bytes_max = 16u << 10;
  uint32_t connections_max = 4096;
  Duration idle_timeout = std::chrono::seconds(75);    // between requests
  Duration header_timeout = std::chrono::seconds(10);  // from a request's first byte to its last header
  // A body may take this long plus one second for each `bytes_per_second_min` of it; an answer likewise.
  Duration transfer_timeout = std::chrono::seconds(30);
  uint64_t bytes_per_second_min = 64u << 10;
  Duration linger_timeout = std::chrono::seconds(2);  // reading on after an early answer, so that it arrives
  // Where bodies of more than 256 KiB are read, so that I/O threads are there for who asks little; must outlive the
  // server. Null: I/O threads read them too.
  WorkQueue* body_queue = nullptr;
  // Told of each request that an I/O thread has read; must outlive the server. May be null.
  FineTicks* ticks = nullptr;
};

class HttpServer {
 public:
  static Result<std::unique_ptr<HttpServer>> Start(Service& service, const HttpServerOptions& options);
  virtual ~HttpServer() = default;  // shuts down without grace
  virtual uint16_t port() const = 0;
  // Stops accepting, closes idle connections, lets requests in flight end, then closes what is left.
  virtual Status Shutdown(Duration grace) = 0;
};

// Refuses every address that other machines can reach: there is no authentication yet.
Status CheckListenAddress(const std::string& address);

// A work queue of `threads` threads. Destroying it finishes what was posted.
std::unique_ptr<WorkQueue> NewThreadWorkQueue(int threads);

}  // namespace akidb
