#include "objstore/s3/s3_errors.h"

#include <algorithm>
#include <charconv>

namespace akidb::s3 {
namespace {

// What a write may have done when this is the answer.
constexpr Effect kNone = Effect::kNone;
constexpr Effect kMaybe = Effect::kUnknown;

struct Row {
  int status;             // 0: any
  std::string_view code;  // empty: any; a final '*' stands for any ending
  StatusCode to;
  Retry retry;
  Effect effect;
  std::string_view reason;
};

using enum StatusCode;
constexpr Retry kNever = Retry::kNever;
constexpr Retry kBackoff = Retry::kBackoff;

// The first row that fits. Effects: an answer that S3 gives before it writes leaves nothing; a store that failed while
// it wrote (500, or a quorum that was lost on the way: SlowDownWrite) may have kept the object.
constexpr Row kRows[] = {
    // Absence and conditions.
    {404, "NoSuchKey", kNotFound, kNever, kNone, ""},
    {404, "NoSuchVersion", kNotFound, kNever, kNone, ""},
    {404, "NoSuchUpload", kNotFound, kNever, kNone, "no_such_upload"},
    // A store that has lost its quorum says so too, for seconds: it may be there again.
    {404, "NoSuchBucket", kUnavailable, kBackoff, kNone, "no_such_bucket"},
    {0, "NoSuchObjectLockConfiguration", kNotFound, kNever, kNone, "no_lock"},
    {0, "ObjectLockConfigurationNotFoundError", kNotFound, kNever, kNone, "no_lock"},
    {412, "", kAborted, kBackoff, kNone, "condition_lost"},
    {409, "BucketAlreadyOwnedByYou", kAlreadyExists, kNever, kNone, ""},
    {409, "BucketAlreadyExists", kAlreadyExists, kNever, kNone, ""},
    {409, "InvalidBucketState", kFailedPrecondition, kNever, kNone, "bucket_state"},
    {409, "", kUnavailable, kBackoff, kNone, "conflict"},
    {416, "", kOutOfRange, kNever, kNone, ""},
    // Who we are.
    {0, "ExpiredToken*", kPermissionDenied, kNever, kNone, "expired_token"},
    {0, "InvalidToken*", kPermissionDenied, kNever, kNone, "expired_token"},
    {0, "TokenRefreshRequired", kPermissionDenied, kNever, kNone, "expired_token"},
    {0, "RequestTimeTooSkewed", kPermissionDenied, kNever, kNone, "clock_skew"},
    {0, "SignatureDoesNotMatch", kPermissionDenied, kNever, kNone, "signature_mismatch"},
    {0, "InvalidAccessKeyId", kPermissionDenied, kNever, kNone, "unknown_access_key"},
    {0, "InvalidClientTokenId", kPermissionDenied, kNever, kNone, "unknown_access_key"},
    {0, "AuthorizationHeaderMalformed", kFailedPrecondition, kNever, kNone, "wrong_region"},
    {0, "PermanentRedirect", kFailedPrecondition, kNever, kNone, "wrong_region"},
    {403, "", kPermissionDenied, kNever, kNone, "access_denied"},
    // Bytes that changed on the way, or did not all arrive.
    {400, "BadDigest", kUnavailable, kBackoff, kNone, "damaged_in_transit"},
    {400, "XAmzContentSHA256Mismatch", kUnavailable, kBackoff, kNone, "damaged_in_transit"},
    {400, "XAmzContentChecksumMismatch", kUnavailable, kBackoff, kNone, "damaged_in_transit"},
    {400, "IncompleteBody", kUnavailable, kBackoff, kNone, "damaged_in_transit"},
    {400, "RequestTimeout", kUnavailable, kBackoff, kNone, "stalled"},
    // What lies behind the store.
    {0, "kms:*", kUnavailable, kBackoff, kNone, "kms_unavailable"},
    {0, "KMS*", kUnavailable, kBackoff, kNone, "kms_unavailable"},
    {400, "XMinioBackendDown", kUnavailable, kBackoff, kMaybe, "backend_down"},
    {0, "XMinioStorageFull", kResourceExhausted, kBackoff, kMaybe, "disk_full"},
    {507, "", kResourceExhausted, kBackoff, kMaybe, "disk_full"},
    {0, "XMinioAdminBucketQuotaExceeded", kResourceExhausted, kBackoff, kNone, "quota"},
    {0, "QuotaExceeded", kResourceExhausted, kBackoff, kNone, "quota"},
    {400, "EntityTooLarge", kResourceExhausted, kNever, kNone, "too_large"},
    {400, "KeyTooLongError", kInvalidArgument, kNever, kNone, "invalid_key"},
    // Load. These are refused at the door.
    {429, "", kUnavailable, kBackoff, kNone, "slow_down"},
    {503, "SlowDown", kUnavailable, kBackoff, kNone, "slow_down"},
    {503, "RequestThrottled*", kUnavailable, kBackoff, kNone, "slow_down"},
    {503, "XMinioServerNotInitialized", kUnavailable, kBackoff, kNone, "starting"},
    {503, "", kUnavailable, kBackoff, kMaybe, "slow_down"},
    // The store does not do that.
    {0, "NotImplemented", kUnimplemented, kNever, kNone, ""},
    {501, "", kUnimplemented, kNever, kNone, ""},
    {405, "", kFailedPrecondition, kNever, kNone, "method_not_allowed"},
    {500, "", kUnavailable, kBackoff, kMaybe, "store_error"},
    {0, "", kFailedPrecondition, kNever, kNone, "refused"},
};

bool Matches(std::string_view pattern, std::string_view code) {
  if (pattern.empty()) return true;
  if (pattern.ends_with('*')) return code.starts_with(pattern.substr(0, pattern.size() - 1));
  return pattern == code;
}

Status Make(const Row& row, Access access, std::string message) {
  Status status = Status(row.to, std::move(message)).WithRetry(row.retry).WithReason(row.reason);
  const bool maybe = row.effect == Effect::kUnknown || (access == Access::kDelete && row.status == 503);
  if (access != Access::kRead && maybe) return std::move(status).WithEffectUnknown();
  return status;
}

Status FromTable(int http_status, const ErrorXml& error, Access access, std::string message) {
  // MinIO words a failing KMS as an InternalError whose message has the kms: code.
  const std::string_view code = error.message.starts_with("kms:") ? std::string_view(error.message) : error.code;
  for (const Row& row : kRows) {
    if ((row.status == 0 || row.status == http_status) && Matches(row.code, code)) {
      return Make(row, access, std::move(message));
    }
  }
  return Internal(std::move(message));
}

std::string_view UsualCode(int http_status) {
  switch (http_status) {
    case 403: return "AccessDenied";
    case 404: return "NoSuchKey";
    case 412: return "PreconditionFailed";
    default: return "";
  }
}

// Who answered is not S3: a load balancer, a login page, another web server.
Status NotS3(int http_status, Access access, std::string message) {
  message += "; the answer is not S3's (a proxy, or another service?)";
  const bool passing = http_status == 429 || http_status >= 500;
  Status status = passing ? Unavailable(std::move(message)).WithReason("proxy_error")
                          : FailedPrecondition(std::move(message)).WithReason("not_s3");
  // 5xx: whether the proxy had already passed the request on, nobody knows.
  if (access != Access::kRead && http_status >= 500) return std::move(status).WithEffectUnknown();
  return status;
}

bool IsHtml(const HttpHead& head) { return head.Header("content-type").starts_with("text/html"); }

}  // namespace

Status StatusOfAnswer(const HttpHead& head, std::string_view body, Access access, std::string_view what) {
  std::string message = std::string(what) + ": " + std::to_string(head.status);
  std::optional<ErrorXml> error = ParseErrorXml(body);
  if (!error) {
    // Answers without a body are S3's unless they say otherwise: HEAD, and 503 under load. MinIO names the code in a
    // header.
    const std::string_view code = head.Header("x-minio-error-code");
    const bool nothing_said = body.empty() && !IsHtml(head) && head.status >= 400;
    if (code.empty() && !nothing_said) return NotS3(head.status, access, std::move(message));
    if (code.empty() && (head.status == 502 || head.status == 504)) return NotS3(head.status, access, message);
    error = ErrorXml{
        std::string(code.empty() ? UsualCode(head.status) : code), std::string(head.Header("x-minio-error-desc")), {}};
  }
  message += " " + error->code;
  if (!error->message.empty()) message += " (" + error->message + ")";
  if (!error->region.empty()) message += ", region '" + error->region + "'";
  if (const auto pause = RetryAfterOf(head)) {
    message +=
        ", retry after " + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(*pause).count()) + " s";
  }
  return FromTable(head.status, *error, access, std::move(message));
}

Status StatusOfLateError(const ErrorXml& error, Access access, std::string_view what) {
  // The status line is gone; the code says which it would have been.
  int status = 500;
  if (error.code == "PreconditionFailed") status = 412;
  if (error.code == "NoSuchKey" || error.code == "NoSuchUpload") status = 404;
  if (error.code.starts_with("SlowDown")) status = 503;
  if (error.code == "ConditionalRequestConflict" || error.code == "OperationAborted") status = 409;
  if (error.code == "AccessDenied") status = 403;
  return FromTable(status, error, access,
                   std::string(what) + ": " + error.code + " under status 200 (" + error.message + ")");
}

std::string ErrorCodeOf(const HttpHead& head, std::string_view body) {
  if (const auto error = ParseErrorXml(body)) return error->code;
  return std::string(head.Header("x-minio-error-code"));
}

std::optional<Duration> RetryAfterOf(const HttpHead& head) {
  constexpr uint32_t kSecondsMax = 3600;
  const std::string_view text = head.Header("retry-after");
  uint32_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::chrono::seconds(std::min(seconds, kSecondsMax));
}

}  // namespace akidb::s3
