#include "objstore/s3/s3_client.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "objstore/s3/digest.h"
#include "objstore/s3/http_date.h"
#include "objstore/store_errors.h"

namespace akidb::s3 {
namespace {

constexpr uint64_t kErrorBodyBytesMax = 64u << 10;

// The time an answer was given, if it says.
std::optional<WallTime> DateOf(const HttpHead& head) { return ParseHttpDate(head.Header("date")); }

// An error's body as far as it comes; how it ends does not matter.
std::string ReadErrorBody(OpContext& ctx, HttpConnection& connection) {
  std::string body(kErrorBodyBytesMax, '\0');
  size_t size = 0;
  while (size < body.size()) {
    const Result<size_t> read = connection.ReadBody(ctx, body.data() + size, body.size() - size);
    if (!read || *read == 0) break;
    size += *read;
  }
  body.resize(size);
  return body;
}

Status Unreadable(const S3Request& request, Status status, bool sent) {
  if (request.access != Access::kRead && sent) return std::move(status).WithEffectUnknown();
  return status;
}

}  // namespace

// What has been tried already: each repetition happens once.
struct S3Client::Attempt {
  bool again = false;  // the last try ended in a reason to try again
  bool fresh_connection = false;
  bool clock_corrected = false;
  bool credentials_renewed = false;
  int redirects = 0;
  std::optional<Endpoint> only;
};

Status AnswerBody::ReadExactly(OpContext& ctx, char* out, size_t size) {
  while (size > 0) {
    AKI_ASSIGN_OR_RETURN(const size_t read, connection_.ReadBody(ctx, out, size));
    if (read == 0) return Unavailable("the body is shorter than announced").WithReason("truncated_body");
    out += read;
    size -= read;
  }
  return OkStatus();
}

Result<std::string> AnswerBody::ReadAll(OpContext& ctx, uint64_t size_max) {
  const auto too_large = [&](uint64_t size) {
    return std::unexpected(ResourceExhausted("the answer has " + std::to_string(size) +
                                             " bytes or more, the limit is " + std::to_string(size_max))
                               .WithRetry(Retry::kNever)
                               .WithReason("too_large"));
  };
  std::string out;
  if (head_.content_length) {
    if (*head_.content_length > size_max) return too_large(*head_.content_length);
    Status read;
    const auto announced = static_cast<size_t>(*head_.content_length);
    // The size that libstdc++ 12 passes is wrong, up to 30, when it leaves the buffer inside the string.
    out.resize_and_overwrite(announced, [&](char* data, size_t) {
      read = ReadExactly(ctx, data, announced);
      return read.ok() ? announced : 0;
    });
    AKI_RETURN_IF_ERROR(read);
    return out;
  }
  constexpr size_t kFirstBytes = 64u << 10;
  size_t size = 0;
  for (;;) {
    if (size == out.size()) out.resize(std::max(kFirstBytes, out.size() * 2));
    AKI_ASSIGN_OR_RETURN(const size_t read, connection_.ReadBody(ctx, out.data() + size, out.size() - size));
    if (read == 0) break;
    size += read;
    if (size > size_max) return too_large(size);
  }
  out.resize(size);
  return out;
}

S3Client::S3Client(std::string region, std::string service, std::shared_ptr<HttpPool> pool,
                   std::shared_ptr<CredentialsProvider> credentials, std::shared_ptr<ClockOffset> clock_offset)
    : signer_(std::move(region), std::move(service)),
      pool_(std::move(pool)),
      credentials_(std::move(credentials)),
      clock_offset_(std::move(clock_offset)) {}

Status S3Client::Send(OpContext& ctx, const S3Request& request, std::string_view what, const OnAnswer& on_answer) {
  Attempt attempt;
  for (;;) {
    attempt.again = false;
    Status status = Try(ctx, request, what, on_answer, &attempt);
    if (!attempt.again) return status;
  }
}

Status S3Client::Try(OpContext& ctx, const S3Request& request, std::string_view what, const OnAnswer& on_answer,
                     Attempt* attempt) {
  AKI_RETURN_IF_ERROR(ctx.Check());
  std::shared_ptr<const Credentials> credentials;
  if (credentials_ != nullptr) {
    AKI_ASSIGN_OR_RETURN(credentials, credentials_->Get(ctx));
  }
  Result<HttpPool::Lease> acquired = pool_->Acquire(
      ctx, attempt->only, attempt->fresh_connection ? HttpPool::Freshness::kFresh : HttpPool::Freshness::kAny);
  if (!acquired) return std::move(acquired).error().Annotate(what);
  HttpPool::Lease lease = std::move(*acquired);
  HttpConnection& connection = *lease.connection;
  const std::string head_bytes = Head(ctx, request, lease.endpoint, credentials.get());
  Result<HttpHead> head = connection.Exchange(
      ctx, {head_bytes, request.body, request.body_rest, /*answer_has_body=*/request.method != "HEAD"});
  if (!head) {
    const bool harmless = request.when_lost == WhenLost::kRepeat || !connection.request_sent();
    if (lease.reused && !attempt->fresh_connection && harmless && !connection.answer_started() &&
        head.error().reason() == "connection_lost") {
      attempt->fresh_connection = attempt->again = true;
      return OkStatus();
    }
    return Unreadable(request, std::move(head).error().Annotate(what), connection.request_sent());
  }
  if (head->status < 200 || head->status > 299) {
    Status status = Answered(ctx, *head, request, what, lease, credentials.get(), attempt);
    pool_->Release(ctx, std::move(lease));
    return status;
  }
  AnswerBody body(connection, *head);
  Status status = on_answer(ctx, *head, body);
  // Most handlers read no body where there is none; this takes the end in.
  char byte = 0;
  if (status.ok() && !connection.reusable()) (void)connection.ReadBody(ctx, &byte, 1);
  pool_->Release(ctx, std::move(lease));
  if (status.ok()) return status;
  return std::move(status).Annotate(what);
}

Status S3Client::Answered(OpContext& ctx, const HttpHead& head, const S3Request& request, std::string_view what,
                          const HttpPool::Lease& lease, const Credentials* credentials, Attempt* attempt) {
  constexpr int kRedirectsMax = 2;
  constexpr Duration kAvoidMax = std::chrono::seconds(60);
  const std::string body = ReadErrorBody(ctx, *lease.connection);
  const std::string code = ErrorCodeOf(head, body);
  if (head.status == 307) {
    const Result<Endpoint> target = EndpointOfUrl(head.Header("location"));
    if (!target || !IsOurs(*target)) {
      return FailedPrecondition(std::string(what) + ": redirected to '" +
                                (target ? target->Url() : std::string("no valid URL")) + "', which is not this store")
          .WithReason("foreign_redirect");
    }
    if (attempt->redirects++ < kRedirectsMax) {
      attempt->only = *target;
      attempt->again = true;
      return OkStatus();
    }
    return Unavailable(std::string(what) + ": redirected too often").WithReason("redirect_loop");
  }
  const std::optional<WallTime> server_time = DateOf(head);
  if (code == "RequestTimeTooSkewed" && server_time && !attempt->clock_corrected) {
    clock_offset_->Correct(ctx, *server_time);
    attempt->clock_corrected = attempt->again = true;
    return OkStatus();
  }
  Status status = StatusOfAnswer(head, body, request.access, what);
  const bool refused = status.reason() == "expired_token" || status.reason() == "unknown_access_key";
  if (refused && credentials != nullptr && !attempt->credentials_renewed && credentials_->Refused(*credentials)) {
    attempt->credentials_renewed = attempt->again = true;
    return OkStatus();
  }
  if (const auto pause = RetryAfterOf(head)) pool_->Avoid(ctx, lease.endpoint, std::min(*pause, kAvoidMax));
  return status;
}

// A redirect may name another machine of the same service, never another kind of service.
bool S3Client::IsOurs(const Endpoint& endpoint) const {
  return std::ranges::any_of(pool_->endpoints(), [&](const Endpoint& ours) {
    return ours == endpoint || (ours.scheme == endpoint.scheme && ours.port == endpoint.port);
  });
}

std::string S3Client::Head(OpContext& ctx, const S3Request& request, const Endpoint& endpoint,
                           const Credentials* credentials) {
  NameValues headers = request.headers;
  std::string payload = request.payload_sha256;
  if (payload.empty()) {
    AKI_CHECK(request.body_rest.empty());
    payload = request.body.empty() ? std::string(kEmptySha256) : Hex(AsBytes(Sha256Of(request.body)));
  }
  const std::string amz_date = FormatAmzDate(Now(ctx));
  headers.emplace_back("host", endpoint.HostHeader());
  const std::string query = CanonicalQuery(request.query);
  if (credentials != nullptr) {
    headers.emplace_back("x-amz-content-sha256", payload);
    headers.emplace_back("x-amz-date", amz_date);
    if (!credentials->session_token.empty()) headers.emplace_back("x-amz-security-token", credentials->session_token);
    std::string authorization =
        signer_.Sign(*credentials, amz_date, {request.method, request.path, query, headers, payload});
    headers.emplace_back("authorization", std::move(authorization));
  }
  std::string out;
  out.reserve(1024);
  out.append(request.method).append(" ").append(request.path);
  if (!query.empty()) out.append("?").append(query);
  out.append(" HTTP/1.1\r\n");
  for (const auto& [name, value] : headers) out.append(name).append(": ").append(value).append("\r\n");
  out.append("user-agent: akidb\r\n");
  const size_t body_bytes = request.body.size() + request.body_rest.size();
  if (body_bytes > 0 || request.method == "PUT" || request.method == "POST") {
    out.append("content-length: ").append(std::to_string(body_bytes)).append("\r\n");
  }
  out.append("\r\n");
  return out;
}

}  // namespace akidb::s3
