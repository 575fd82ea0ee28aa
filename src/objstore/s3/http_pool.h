// Kept-alive connections to the endpoints of one store, and which endpoint is next.
//
// Threads: thread-safe. A Lease belongs to one thread.
// Errors:  those of Dialer: the last one, when no endpoint could be reached.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/context.h"
#include "base/mutex.h"
#include "objstore/s3/byte_stream.h"
#include "objstore/s3/http_connection.h"
#include "objstore/s3/uri.h"

namespace akidb::s3 {

struct PoolOptions {
  size_t idle_max = 128;                             // kept for all endpoints together
  Duration idle_age_max = std::chrono::seconds(25);  // MinIO closes after 30
  Duration skip_for = std::chrono::seconds(10);      // how long an endpoint that cannot be reached is passed over
};

class HttpPool {
 public:
  // `endpoints` has at least one.
  HttpPool(std::vector<Endpoint> endpoints, const PoolOptions& options, std::unique_ptr<Dialer> dialer);

  struct Lease {
    Endpoint endpoint;
    std::unique_ptr<HttpConnection> connection;
    bool reused = false;  // it may have been closed by the peer a moment ago
  };
  enum class Freshness : uint8_t { kAny, kFresh };

  // A connection to `only`, or to the next endpoint of the round that can be reached.
  Result<Lease> Acquire(OpContext& ctx, const std::optional<Endpoint>& only, Freshness freshness);
  // Keeps the connection if it can be used again.
  void Release(OpContext& ctx, Lease lease);
  // Prefers other endpoints for a while: this one asked for it.
  void Avoid(OpContext& ctx, const Endpoint& endpoint, Duration pause);

  const std::vector<Endpoint>& endpoints() const { return endpoints_; }

 private:
  struct Idle {
    std::string url;
    std::unique_ptr<HttpConnection> connection;
    MonotonicTime since;
  };
  std::vector<Endpoint> Order(MonotonicTime now);
  std::unique_ptr<HttpConnection> TakeIdle(const std::string& url, MonotonicTime now);

  const std::vector<Endpoint> endpoints_;
  const PoolOptions options_;
  const std::unique_ptr<Dialer> dialer_;
  Mutex mutex_;
  std::deque<Idle> idle_ AKI_GUARDED_BY(mutex_);  // the longest idle first
  std::map<std::string, MonotonicTime> avoid_until_ AKI_GUARDED_BY(mutex_);
  size_t next_ AKI_GUARDED_BY(mutex_) = 0;
};

}  // namespace akidb::s3
