// Signed requests to one service (S3, or STS) over pooled connections, with the repetitions that change nothing:
// a connection that the peer had closed while it was idle, a clock that is off, credentials that had just expired,
// a redirect to another host of the same store.
//
// Threads: thread-safe.
// Errors:  those of s3_errors.h for what the service answered, of HttpConnection for what it did not. A write has
//          effect unknown if all of it was handed to the system and no answer came.
// Cost:    one request, and rarely one more.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/context.h"
#include "objstore/s3/credentials.h"
#include "objstore/s3/http_pool.h"
#include "objstore/s3/s3_errors.h"
#include "objstore/s3/sigv4.h"

namespace akidb::s3 {

// What may be done when the connection breaks and nobody knows whether the request arrived.
enum class WhenLost : uint8_t { kRepeat, kReport };

struct S3Request {
  std::string_view method;
  std::string path;    // encoded
  NameValues query{};  // plain
  // Lower-case names. host, x-amz-date, x-amz-content-sha256 and the security token are added.
  NameValues headers{};
  std::string_view body{};
  std::string_view body_rest{};  // what follows it; only with payload_sha256
  std::string payload_sha256{};  // hexadecimal; empty: computed
  Access access = Access::kRead;
  WhenLost when_lost = WhenLost::kRepeat;  // the first use of an idle connection only
};

// The body of an answer, read once.
class AnswerBody {
 public:
  AnswerBody(HttpConnection& connection, const HttpHead& head) : connection_(connection), head_(head) {}
  // Exactly `size` bytes; kUnavailable (reason "truncated_body") if there are fewer.
  Status ReadExactly(OpContext& ctx, char* out, size_t size);
  // All of it; kResourceExhausted (reason "too_large") above `size_max`.
  Result<std::string> ReadAll(OpContext& ctx, uint64_t size_max);

 private:
  HttpConnection& connection_;
  const HttpHead& head_;
};

// Called once for an answer of class 2xx.
using OnAnswer = std::function<Status(OpContext&, const HttpHead&, AnswerBody&)>;

// How much the store's clock is ahead of ours, as its answers said. Shared by all clients of a process's store.
class ClockOffset {
 public:
  WallTime Now(OpContext& ctx) const {
    return ctx.clock().WallNow() + Duration(nanos_.load(std::memory_order_relaxed));
  }
  void Correct(OpContext& ctx, WallTime server_time) {
    nanos_.store((server_time - ctx.clock().WallNow()).count(), std::memory_order_relaxed);
  }

 private:
  std::atomic<int64_t> nanos_{0};
};

class S3Client {
 public:
  // `credentials` may be null: then requests are not signed (AssumeRoleWithWebIdentity).
  S3Client(std::string region, std::string service, std::shared_ptr<HttpPool> pool,
           std::shared_ptr<CredentialsProvider> credentials, std::shared_ptr<ClockOffset> clock_offset);

  // `what` names the request in messages.
  Status Send(OpContext& ctx, const S3Request& request, std::string_view what, const OnAnswer& on_answer);

  // The store's time as far as it is known.
  WallTime Now(OpContext& ctx) const { return clock_offset_->Now(ctx); }

 private:
  struct Attempt;
  Status Try(OpContext& ctx, const S3Request& request, std::string_view what, const OnAnswer& on_answer,
             Attempt* attempt);
  Status Answered(OpContext& ctx, const HttpHead& head, const S3Request& request, std::string_view what,
                  const HttpPool::Lease& lease, const Credentials* credentials, Attempt* attempt);
  std::string Head(OpContext& ctx, const S3Request& request, const Endpoint& endpoint, const Credentials* credentials);
  bool IsOurs(const Endpoint& endpoint) const;

  Signer signer_;
  const std::shared_ptr<HttpPool> pool_;
  const std::shared_ptr<CredentialsProvider> credentials_;
  const std::shared_ptr<ClockOffset> clock_offset_;
};

}  // namespace akidb::s3
