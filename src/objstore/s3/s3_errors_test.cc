// Every class of answer, as a table: what the store says, and what the caller gets.
#include "objstore/s3/s3_errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace akidb::s3 {
namespace {

using testing::HasSubstr;

struct Case {
  int status;
  std::string code;
  StatusCode expected;
  std::string reason;
  Retry retry;
  Effect effect;  // of a write
};

std::string ErrorBody(const std::string& code, const std::string& message = "m") {
  return "<Error><Code>" + code + "</Code><Message>" + message + "</Message></Error>";
}

constexpr Retry kNever = Retry::kNever;
constexpr Retry kBackoff = Retry::kBackoff;

TEST(S3ErrorsTest, AnswersBecomeWhatTheTableSays) {
  using enum StatusCode;
  const Case cases[] = {
      {404, "NoSuchKey", kNotFound, "", kNever, Effect::kNone},
      {404, "NoSuchVersion", kNotFound, "", kNever, Effect::kNone},
      {404, "NoSuchBucket", kUnavailable, "no_such_bucket", kBackoff, Effect::kNone},
      {412, "PreconditionFailed", kAborted, "condition_lost", kBackoff, Effect::kNone},
      {409, "ConditionalRequestConflict", kUnavailable, "conflict", kBackoff, Effect::kNone},
      {409, "OperationAborted", kUnavailable, "conflict", kBackoff, Effect::kNone},
      {409, "BucketAlreadyOwnedByYou", kAlreadyExists, "", kNever, Effect::kNone},
      {416, "InvalidRange", kOutOfRange, "", kNever, Effect::kNone},
      {403, "AccessDenied", kPermissionDenied, "access_denied", kNever, Effect::kNone},
      {403, "SignatureDoesNotMatch", kPermissionDenied, "signature_mismatch", kNever, Effect::kNone},
      {403, "InvalidAccessKeyId", kPermissionDenied, "unknown_access_key", kNever, Effect::kNone},
      {403, "RequestTimeTooSkewed", kPermissionDenied, "clock_skew", kNever, Effect::kNone},
      {400, "ExpiredToken", kPermissionDenied, "expired_token", kNever, Effect::kNone},
      {403, "InvalidTokenId", kPermissionDenied, "expired_token", kNever, Effect::kNone},
      {400, "AuthorizationHeaderMalformed", kFailedPrecondition, "wrong_region", kNever, Effect::kNone},
      {301, "PermanentRedirect", kFailedPrecondition, "wrong_region", kNever, Effect::kNone},
      {400, "BadDigest", kUnavailable, "damaged_in_transit", kBackoff, Effect::kNone},
      {400, "XAmzContentSHA256Mismatch", kUnavailable, "damaged_in_transit", kBackoff, Effect::kNone},
      {400, "XMinioBackendDown", kUnavailable, "backend_down", kBackoff, Effect::kUnknown},
      {400, "InvalidRequest", kFailedPrecondition, "refused", kNever, Effect::kNone},
      {429, "TooManyRequests", kUnavailable, "slow_down", kBackoff, Effect::kNone},
      {503, "SlowDown", kUnavailable, "slow_down", kBackoff, Effect::kNone},
      {503, "SlowDownWrite", kUnavailable, "slow_down", kBackoff, Effect::kUnknown},
      {503, "SlowDownRead", kUnavailable, "slow_down", kBackoff, Effect::kUnknown},
      {503, "XMinioServerNotInitialized", kUnavailable, "starting", kBackoff, Effect::kNone},
      {500, "InternalError", kUnavailable, "store_error", kBackoff, Effect::kUnknown},
      {500, "kms:KeyNotFound", kUnavailable, "kms_unavailable", kBackoff, Effect::kNone},
      {400, "KMS.DisabledException", kUnavailable, "kms_unavailable", kBackoff, Effect::kNone},
      {507, "XMinioStorageFull", kResourceExhausted, "disk_full", kBackoff, Effect::kUnknown},
      {400, "EntityTooLarge", kResourceExhausted, "too_large", kNever, Effect::kNone},
      {501, "NotImplemented", kUnimplemented, "", kNever, Effect::kNone},
      {405, "MethodNotAllowed", kFailedPrecondition, "method_not_allowed", kNever, Effect::kNone},
  };
  for (const Case& c : cases) {
    HttpHead head;
    head.status = c.status;
    const Status write = StatusOfAnswer(head, ErrorBody(c.code), Access::kWrite, "PUT b/k");
    EXPECT_EQ(write.code(), c.expected) << c.code;
    EXPECT_EQ(write.reason(), c.reason) << c.code;
    EXPECT_EQ(write.retry(), c.retry) << c.code;
    EXPECT_EQ(write.effect(), c.effect) << c.code;
    EXPECT_THAT(write.message(), HasSubstr("PUT b/k: " + std::to_string(c.status) + " " + c.code)) << c.code;
    const Status read = StatusOfAnswer(head, ErrorBody(c.code), Access::kRead, "GET b/k");
    EXPECT_EQ(read.code(), c.expected) << c.code;
    EXPECT_EQ(read.effect(), Effect::kNone) << c.code;
  }
}

TEST(S3ErrorsTest, DeleteThatIsRefusedForWantOfQuorumMayHappenLater) {
  HttpHead head;
  for (const char* code : {"SlowDown", "SlowDownWrite", "SlowDownRead", "XMinioServerNotInitialized"}) {
    head.status = 503;
    EXPECT_EQ(StatusOfAnswer(head, ErrorBody(code), Access::kDelete, "DELETE b/k").effect(), Effect::kUnknown) << code;
  }
  EXPECT_EQ(StatusOfAnswer(head, ErrorBody("SlowDown"), Access::kWrite, "PUT b/k").effect(), Effect::kNone);
  head.status = 429;
  EXPECT_EQ(StatusOfAnswer(head, ErrorBody("SlowDown"), Access::kDelete, "DELETE b/k").effect(), Effect::kNone);
  head.status = 403;
  EXPECT_EQ(StatusOfAnswer(head, ErrorBody("AccessDenied"), Access::kDelete, "DELETE b/k").effect(), Effect::kNone);
}

TEST(S3ErrorsTest, KmsErrorsAreKnownByTheirMessage) {
  HttpHead head;
  head.status = 500;
  EXPECT_EQ(StatusOfAnswer(head, ErrorBody("InternalError", "kms: no such key"), Access::kWrite, "PUT").reason(),
            "kms_unavailable");
}

TEST(S3ErrorsTest, ProxiesAreNotTakenForTheStore) {
  const std::string page = "<html><body>404 page not found</body></html>";
  HttpHead head;
  head.status = 404;
  head.headers = {{"content-type", "text/html; charset=utf-8"}};
  Status status = StatusOfAnswer(head, page, Access::kRead, "GET b/k");
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.reason(), "not_s3");
  // HEAD has no page to look at.
  EXPECT_EQ(StatusOfAnswer(head, "", Access::kRead, "HEAD b/k").reason(), "not_s3");
  for (const int passing : {502, 503, 504}) {
    head.status = passing;
    status = StatusOfAnswer(head, page, Access::kWrite, "PUT b/k");
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
    EXPECT_EQ(status.reason(), "proxy_error");
    EXPECT_EQ(status.effect(), Effect::kUnknown);
  }
}

TEST(S3ErrorsTest, AnswersWithoutBodyAreReadByTheirHeaders) {
  HttpHead head;
  head.status = 404;
  EXPECT_EQ(StatusOfAnswer(head, "", Access::kRead, "HEAD b/k").code(), StatusCode::kNotFound);
  head.headers = {{"x-minio-error-code", "NoSuchBucket"}};
  EXPECT_EQ(StatusOfAnswer(head, "", Access::kRead, "HEAD b/k").reason(), "no_such_bucket");
  head.headers.clear();
  head.status = 403;
  EXPECT_EQ(StatusOfAnswer(head, "", Access::kRead, "HEAD b/k").code(), StatusCode::kPermissionDenied);
}

TEST(S3ErrorsTest, RetryAfterIsReadAndBounded) {
  HttpHead head;
  head.status = 429;
  EXPECT_FALSE(RetryAfterOf(head));
  head.headers = {{"retry-after", "60"}};
  EXPECT_EQ(RetryAfterOf(head), std::chrono::seconds(60));
  EXPECT_THAT(StatusOfAnswer(head, ErrorBody("TooManyRequests"), Access::kRead, "GET").message(),
              HasSubstr("retry after 60 s"));
  head.headers = {{"retry-after", "99999999"}};
  EXPECT_EQ(RetryAfterOf(head), std::chrono::hours(1));
  head.headers = {{"retry-after", "Tue, 24 Nov 2026 01:02:03 GMT"}};
  EXPECT_FALSE(RetryAfterOf(head));
}

TEST(S3ErrorsTest, LateErrorsKeepTheirClass) {
  EXPECT_EQ(StatusOfLateError({"PreconditionFailed", "m", ""}, Access::kWrite, "w").reason(), "condition_lost");
  const Status internal = StatusOfLateError({"InternalError", "m", ""}, Access::kWrite, "w");
  EXPECT_EQ(internal.code(), StatusCode::kUnavailable);
  EXPECT_EQ(internal.effect(), Effect::kUnknown);
}

}  // namespace
}  // namespace akidb::s3
