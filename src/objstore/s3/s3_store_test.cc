// The store over real sockets, against a server that answers, or breaks off, as it is told.
#include "objstore/s3/s3_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "objstore/s3/fake_server_testing.h"
#include "objstore/s3/s3_admin.h"

namespace akidb::s3 {
namespace {

using testing::HasSubstr;
using When = FakeReply::When;
using Then = FakeReply::Then;

class S3StoreTest : public testing::Test {
 protected:
  S3StoreTest() {
    options_.endpoints = {server_.url()};
    options_.bucket = "vectors";
    options_.credentials.access_key = "AK";
    options_.credentials.secret_key = "SK";
  }

  ObjectStore& store() {
    if (store_ == nullptr) {
      auto bucket = S3Bucket::Open(PosixFileSystem(), options_, nullptr);
      EXPECT_TRUE(bucket) << bucket.error().ToString();
      bucket_ = *bucket;
      store_ = NewS3Store(bucket_, [](Duration) {});
    }
    return *store_;
  }
  Status PutStatus(const PutCondition& condition = PutCondition::IfAbsent()) {
    return internal::ToStatus(store().Put(ctx_, "k", "body", condition));
  }
  Status GetStatus() { return internal::ToStatus(store().Get(ctx_, "k", 100)); }
  // One good GET, so that the next request finds a connection to use again.
  void WarmUp() {
    server_.Expect(FakeReply::Object("warm"));
    ASSERT_TRUE(store().Get(ctx_, "k", 100));
  }

  FakeServer server_;
  S3Options options_;
  OpContext ctx_{RealClock()};
  std::shared_ptr<S3Bucket> bucket_;
  std::unique_ptr<ObjectStore> store_;
};

TEST_F(S3StoreTest, PutCarriesItsDigestAndCondition) {
  server_.Expect(FakeReply::Of("200 OK", "ETag: \"e9\"\r\nx-amz-version-id: v1\r\n"));
  const auto meta = store().Put(ctx_, "a/b", "body", PutCondition::IfAbsent());
  ASSERT_TRUE(meta) << meta.error().ToString();
  EXPECT_EQ(meta->etag, "\"e9\"");
  EXPECT_EQ(meta->version_id, "v1");
  EXPECT_EQ(meta->size_bytes, 4u);
  const FakeRequest request = server_.Requests().at(0);
  EXPECT_EQ(request.method, "PUT");
  EXPECT_EQ(request.target, "/vectors/a/b");
  EXPECT_EQ(request.body, "body");
  EXPECT_EQ(request.headers.at("if-none-match"), "*");
  EXPECT_EQ(request.headers.at("x-amz-content-sha256"), Hex(AsBytes(Sha256Of("body"))));
  EXPECT_EQ(request.headers.at("x-amz-checksum-sha256"), Base64(AsBytes(Sha256Of("body"))));
  EXPECT_THAT(request.headers.at("authorization"),
              HasSubstr("SignedHeaders=host;if-none-match;x-amz-checksum-sha256;x-amz-content-sha256;x-amz-date"));
  EXPECT_EQ(request.headers.count("x-amz-server-side-encryption"), 0u);
}

TEST_F(S3StoreTest, EtagConditionsAreQuotedOnce) {
  server_.Expect(FakeReply::Object(""));
  server_.Expect(FakeReply::Object(""));
  EXPECT_TRUE(PutStatus(PutCondition::IfEtagIs("e1")).ok());
  EXPECT_TRUE(PutStatus(PutCondition::IfEtagIs("\"e1\"")).ok());
  for (const FakeRequest& request : server_.Requests()) EXPECT_EQ(request.headers.at("if-match"), "\"e1\"");
  EXPECT_EQ(PutStatus(PutCondition::IfEtagIs("a\r\nx: y")).code(), StatusCode::kInvalidArgument);
}

TEST_F(S3StoreTest, ProtectionIsAskedForWithEveryObject) {
  options_.sse_kms_key = "key-1";
  options_.lock.mode = LockMode::kCompliance;
  options_.lock.retain = std::chrono::hours(24);
  options_.lock.legal_hold = true;
  server_.Expect(FakeReply::Object(""));
  ASSERT_TRUE(PutStatus().ok());
  const auto headers = server_.Requests().at(0).headers;
  EXPECT_EQ(headers.at("x-amz-server-side-encryption"), "aws:kms");
  EXPECT_EQ(headers.at("x-amz-server-side-encryption-aws-kms-key-id"), "key-1");
  EXPECT_EQ(headers.at("x-amz-object-lock-mode"), "COMPLIANCE");
  EXPECT_EQ(headers.at("x-amz-object-lock-legal-hold"), "ON");
  EXPECT_EQ(headers.at("x-amz-object-lock-retain-until-date").size(), 20u);
}

TEST_F(S3StoreTest, RangesNameKeyAndVersion) {
  server_.Expect(FakeReply::Of("206 Partial Content", "ETag: \"e\"\r\nContent-Range: bytes 2-4/10\r\n", "234"));
  std::string out(3, '#');
  ASSERT_TRUE(store().GetRange(ctx_, "k", {2, 5}, "v 1", out.data()).ok());
  EXPECT_EQ(out, "234");
  EXPECT_EQ(server_.Requests().at(0).headers.at("range"), "bytes=2-4");
  EXPECT_EQ(server_.Requests().at(0).target, "/vectors/k?versionId=v%201");
}

TEST_F(S3StoreTest, RangePastTheObjectIsOutOfRange) {
  std::string out(10, '#');
  server_.Expect(FakeReply::Of("206 Partial Content", "Content-Range: bytes 2-4/5\r\n", "234"));
  EXPECT_EQ(store().GetRange(ctx_, "k", {2, 9}, "", out.data()).code(), StatusCode::kOutOfRange);
  server_.Expect(FakeReply::Error("416 Range Not Satisfiable", "InvalidRange"));
  EXPECT_EQ(store().GetRange(ctx_, "k", {7, 9}, "", out.data()).code(), StatusCode::kOutOfRange);
}

TEST_F(S3StoreTest, StoreThatIgnoresRangesIsNotOne) {
  std::string out(2, '#');
  server_.Expect(FakeReply::Object("0123456789"));
  EXPECT_EQ(store().GetRange(ctx_, "k", {0, 2}, "", out.data()).reason(), "not_s3");
  EXPECT_EQ(out, "##");
}

TEST_F(S3StoreTest, LargeObjectsAreRefusedBeforeTheirBodyIsRead) {
  server_.Expect(FakeReply::Breaks(When::kAfterRequest, Then::kHang,
                                   "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 1000000\r\n\r\n"));
  const Status status = GetStatus();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(status.retry(), Retry::kNever);
}

TEST_F(S3StoreTest, WholeBodiesAreCheckedAgainstTheStoresDigest) {
  const std::string good = "x-amz-checksum-sha256: " + Base64(AsBytes(Sha256Of("body"))) + "\r\n";
  server_.Expect(FakeReply::Object("body", good));
  EXPECT_TRUE(GetStatus().ok());
  EXPECT_EQ(server_.Requests().at(0).headers.at("x-amz-checksum-mode"), "ENABLED");
  server_.Expect(FakeReply::Object("bodY", good));
  const Status damaged = GetStatus();
  EXPECT_EQ(damaged.code(), StatusCode::kDataLoss);
  EXPECT_EQ(damaged.reason(), "checksum");
  server_.Expect(FakeReply::Object("bodY", "x-amz-checksum-sha256: abc=-2\r\n"));
  EXPECT_TRUE(GetStatus().ok()) << "a digest of parts says nothing about the whole";
}

TEST_F(S3StoreTest, ListsAreCheckedAgainstWhatWasAsked) {
  options_.prefix = "p";
  const auto page = [](const std::string& keys, bool truncated) {
    return FakeReply::Of("200 OK", "",
                         "<ListBucketResult><IsTruncated>" + std::string(truncated ? "true" : "false") +
                             "</IsTruncated>" + keys + "</ListBucketResult>");
  };
  const auto entry = [](const std::string& key) {
    return "<Contents><Key>" + key + "</Key><Size>1</Size><LastModified>2026-11-24T01:02:03Z</LastModified></Contents>";
  };
  server_.Expect(page(entry("p/a/1") + entry("p/a/2"), true));
  const auto list = store().List(ctx_, "a/", "a/0", 2);
  ASSERT_TRUE(list) << list.error().ToString();
  EXPECT_EQ(list->objects.at(1).key, "a/2");
  EXPECT_TRUE(list->truncated);
  EXPECT_EQ(server_.Requests().at(0).target,
            "/vectors?encoding-type=url&list-type=2&max-keys=2&prefix=p%2Fa%2F&start-after=p%2Fa%2F0");
  for (const FakeReply& bad :
       {page(entry("p/a/2") + entry("p/a/1"), false), page(entry("p/a/0"), false), page(entry("p/b/1"), false),
        page("", true), page(entry("p/a/1") + entry("p/a/2") + entry("p/a/3"), false),
        FakeReply::Of("200 OK", "", "hi")}) {
    server_.Expect(bad);
    EXPECT_EQ(store().List(ctx_, "a/", "a/0", 2).error().reason(), "not_s3") << bad.bytes;
  }
}

TEST_F(S3StoreTest, SuccessWithoutAnEtagIsNotS3s) {
  server_.Expect(FakeReply::Of("200 OK", "Content-Type: text/html\r\n", "<html>log in</html>"));
  EXPECT_EQ(GetStatus().reason(), "not_s3");
  server_.Expect(FakeReply::Of("200 OK", "Content-Type: text/html\r\n", "<html>log in</html>"));
  const Status put = PutStatus();
  EXPECT_EQ(put.reason(), "not_s3");
  EXPECT_EQ(put.effect(), Effect::kUnknown);
}

TEST_F(S3StoreTest, ConditionLostIsWordedAsEverywhere) {
  server_.Expect(FakeReply::Error("412 Precondition Failed", "PreconditionFailed"));
  const Status status = PutStatus();
  EXPECT_EQ(status.code(), StatusCode::kAborted);
  EXPECT_EQ(status.reason(), "condition_lost");
  EXPECT_EQ(status.effect(), Effect::kNone);
}

TEST_F(S3StoreTest, ResetBeforeTheBodyWasTakenChangesNothing) {
  // The head alone is larger than nothing, the body larger than any socket buffer: it cannot all have left.
  server_.Expect(FakeReply::Breaks(When::kAfterHead, Then::kReset));
  const std::string body(64 << 20, 'x');
  const auto put = store().Put(ctx_, "k", body, PutCondition::IfAbsent());
  ASSERT_FALSE(put);
  EXPECT_EQ(put.error().code(), StatusCode::kUnavailable);
  EXPECT_EQ(put.error().reason(), "connection_lost");
  EXPECT_EQ(put.error().effect(), Effect::kNone);
}

TEST_F(S3StoreTest, ResetAfterTheRequestLeavesTheEffectUnknown) {
  for (const Then then : {Then::kReset, Then::kClose}) {
    server_.Expect(FakeReply::Breaks(When::kAfterRequest, then));
    const Status status = PutStatus();
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
    EXPECT_EQ(status.reason(), "connection_lost");
    EXPECT_EQ(status.effect(), Effect::kUnknown);
  }
  EXPECT_EQ(server_.Requests().size(), 2u) << "a conditional write is not repeated";
}

TEST_F(S3StoreTest, ReadsHaveNoEffect) {
  server_.Expect(FakeReply::Breaks(When::kAfterRequest, Then::kReset));
  const Status status = GetStatus();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(status.effect(), Effect::kNone);
}

TEST_F(S3StoreTest, ConnectionsAreUsedAgain) {
  WarmUp();
  WarmUp();
  EXPECT_EQ(server_.Requests().at(1).connection, 0);
}

TEST_F(S3StoreTest, ReadOnAnIdleConnectionThatWasClosedIsRepeatedOnce) {
  WarmUp();
  server_.Expect(FakeReply::Breaks(When::kAfterRequest, Then::kClose));
  server_.Expect(FakeReply::Object("again"));
  EXPECT_EQ(store().Get(ctx_, "k", 100)->bytes, "again");
  const auto requests = server_.Requests();
  ASSERT_EQ(requests.size(), 3u);
  EXPECT_EQ(requests[1].connection, 0);
  EXPECT_EQ(requests[2].connection, 1);
  // A fresh connection that is closed is the store's answer.
  server_.Expect(FakeReply::Breaks(When::kAfterRequest, Then::kClose));
  server_.Expect(FakeReply::Breaks(When::kAfterRequest, Then::kClose));
  EXPECT_EQ(GetStatus().code(), StatusCode::kUnavailable);
}

TEST_F(S3StoreTest, ConditionalWriteOnAnIdleConnectionThatWasClosedIsReported) {
  WarmUp();
  server_.Expect(FakeReply::Breaks(When::kAfterRequest, Then::kClose));
  const Status status = PutStatus();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(status.effect(), Effect::kUnknown);
  EXPECT_EQ(server_.Requests().size(), 2u);
}

TEST_F(S3StoreTest, PlainWriteOnAnIdleConnectionThatWasClosedIsRepeated) {
  WarmUp();
  server_.Expect(FakeReply::Breaks(When::kAfterRequest, Then::kClose));
  server_.Expect(FakeReply::Object(""));
  EXPECT_TRUE(PutStatus(PutCondition::None()).ok());
}

TEST_F(S3StoreTest, TruncatedBodiesAreUnavailable) {
  const std::string half = "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 10\r\n\r\n01234";
  for (const Then then : {Then::kClose, Then::kReset}) {
    server_.Expect(FakeReply::Breaks(When::kAfterRequest, then, half));
    const Status status = GetStatus();
    EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status.ToString();
    EXPECT_EQ(status.reason(), "truncated_body");
  }
}

TEST_F(S3StoreTest, WhatIsNotHttpIsRefused) {
  server_.Expect(FakeReply::Breaks(When::kAfterRequest, Then::kClose, "SSH-2.0-OpenSSH_9.2\r\n\r\n"));
  EXPECT_EQ(GetStatus().reason(), "not_http");
}

TEST_F(S3StoreTest, DeadlinesHoldWhileTheStoreIsSilent) {
  for (const bool write : {false, true}) {
    server_.Expect(FakeReply::Breaks(When::kAfterRequest, Then::kHang));
    OpContext ctx(RealClock());
    ctx.set_timeout(std::chrono::milliseconds(50));
    const Status status = write ? internal::ToStatus(store().Put(ctx, "k", "b", PutCondition::IfAbsent()))
                                : internal::ToStatus(store().Get(ctx, "k", 100));
    EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
    EXPECT_EQ(status.effect(), write ? Effect::kUnknown : Effect::kNone);
  }
}

TEST_F(S3StoreTest, SilenceIsNoticedWithoutADeadline) {
  options_.dial.stall_timeout = std::chrono::milliseconds(30);
  server_.Expect(FakeReply::Breaks(When::kAfterRequest, Then::kHang));
  const Status status = GetStatus();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(status.reason(), "stalled");
}

TEST_F(S3StoreTest, CancellationEndsAWait) {
  server_.Handle([this](const FakeRequest&) {
    ctx_.Cancel();
    return FakeReply::Breaks(When::kAfterRequest, Then::kHang);
  });
  EXPECT_EQ(GetStatus().code(), StatusCode::kCancelled);
}

TEST_F(S3StoreTest, RefusedConnectionHasNoEffect) {
  server_.StopListening();
  const Status status = PutStatus();
  EXPECT_EQ(status.code(), StatusCode::kUnavailable);
  EXPECT_EQ(status.reason(), "connect_failed");
  EXPECT_EQ(status.effect(), Effect::kNone);
}

TEST_F(S3StoreTest, OtherEndpointsServeWhenOneIsDown) {
  FakeServer second;
  options_.endpoints.push_back(second.url());
  server_.StopListening();
  second.Handle([](const FakeRequest&) { return FakeReply::Object("x"); });
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(GetStatus().ok());
  EXPECT_EQ(second.Requests().size(), 4u);
}

TEST_F(S3StoreTest, ClockThatIsOffIsCorrectedOnce) {
  server_.Expect(FakeReply::Error("403 Forbidden", "RequestTimeTooSkewed"));
  server_.Expect(FakeReply::Object("x"));
  EXPECT_TRUE(GetStatus().ok());
  EXPECT_EQ(server_.Requests().at(1).headers.at("x-amz-date").substr(0, 11), "20261124T01") << "the Date of the answer";
  server_.Expect(FakeReply::Error("403 Forbidden", "RequestTimeTooSkewed"));
  server_.Expect(FakeReply::Error("403 Forbidden", "RequestTimeTooSkewed"));
  EXPECT_EQ(GetStatus().reason(), "clock_skew");
}

TEST_F(S3StoreTest, StaticKeysAreNotTriedAgain) {
  server_.Expect(FakeReply::Error("403 Forbidden", "InvalidAccessKeyId"));
  EXPECT_EQ(GetStatus().reason(), "unknown_access_key");
  EXPECT_EQ(server_.Requests().size(), 1u);
}

TEST_F(S3StoreTest, WrongRegionIsNamed) {
  server_.Expect(FakeReply::Of("400 Bad Request", "",
                               "<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"));
  const Status status = GetStatus();
  EXPECT_EQ(status.reason(), "wrong_region");
  EXPECT_THAT(status.message(), HasSubstr("eu-west-1"));
}

TEST_F(S3StoreTest, RedirectsStayWithinTheStore) {
  FakeServer second;
  options_.endpoints.push_back(second.url());
  const auto redirect = [](const std::string& to) {
    return FakeReply::Error("307 Temporary Redirect", "TemporaryRedirect", "", "Location: " + to + "\r\n");
  };
  server_.Expect(redirect(second.url() + "/elsewhere/other"));
  second.Expect(FakeReply::Object("x"));
  EXPECT_TRUE(GetStatus().ok());
  EXPECT_EQ(second.Requests().at(0).target, "/vectors/k") << "only the host of a Location counts";
  server_.Expect(redirect("http://169.254.169.254/latest"));
  second.Expect(redirect("http://169.254.169.254/latest"));
  EXPECT_EQ(GetStatus().reason(), "foreign_redirect");
}

TEST_F(S3StoreTest, RedirectsEnd) {
  server_.Handle([this](const FakeRequest&) {
    return FakeReply::Error("307 Temporary Redirect", "TemporaryRedirect", "", "Location: " + server_.url() + "/\r\n");
  });
  EXPECT_EQ(GetStatus().reason(), "redirect_loop");
  EXPECT_EQ(server_.Requests().size(), 3u);
}

TEST_F(S3StoreTest, OnlyKeysThatTheLockAppliesToAreLocked) {
  options_.lock.mode = LockMode::kCompliance;
  options_.lock.retain = std::chrono::hours(24);
  options_.lock.applies = [](std::string_view key) { return key != "scratch"; };
  for (const std::string key : {"kept", "scratch"}) {
    server_.Expect(FakeReply::Of("200 OK", "ETag: \"e9\"\r\n"));
    ASSERT_TRUE(store().Put(ctx_, key, "body", PutCondition::None()));
    EXPECT_EQ(server_.Requests().back().headers.contains("x-amz-object-lock-mode"), key == "kept");
  }
}

TEST_F(S3StoreTest, DeleteThatIsRefusedForWantOfQuorumHasAnUnknownEffect) {
  server_.Expect(FakeReply::Error("503 Slow Down", "SlowDown"));
  const Status refused = store().Delete(ctx_, "k");
  EXPECT_EQ(refused.reason(), "slow_down");
  EXPECT_EQ(refused.effect(), Effect::kUnknown);
}

TEST_F(S3StoreTest, BodiesOfEverySmallSizeAreRead) {
  for (size_t size = 0; size < 70; ++size) {
    server_.Expect(FakeReply::Object(std::string(size, 'x')));
    const auto body = store().Get(ctx_, "k", 100);
    ASSERT_TRUE(body) << size << " bytes: " << body.error().ToString();
    EXPECT_EQ(body->bytes, std::string(size, 'x'));
  }
}

TEST_F(S3StoreTest, DeletedKeysMayBeMissing) {
  server_.Expect(FakeReply::Of("204 No Content"));
  EXPECT_TRUE(store().Delete(ctx_, "k").ok());
  server_.Expect(FakeReply::Error("404 Not Found", "NoSuchKey"));
  EXPECT_TRUE(store().Delete(ctx_, "k").ok());
  server_.Expect(FakeReply::Error("404 Not Found", "NoSuchBucket"));
  EXPECT_EQ(store().Delete(ctx_, "k").code(), StatusCode::kUnavailable);
}

TEST_F(S3StoreTest, KeysAreLimitedTogetherWithThePrefix) {
  options_.prefix = "prefix";
  const std::string key(1020, 'k');
  EXPECT_EQ(store().Head(ctx_, key).error().reason(), "invalid_key");
  EXPECT_TRUE(server_.Requests().empty());
}

}  // namespace
}  // namespace akidb::s3
