#include "objstore/s3/s3_probe.h"

#include <gmock/gmock.h>

#include "objstore/s3/digest.h"
#include "objstore/s3/fake_server_testing.h"

namespace akidb::s3 {
namespace {

using testing::ElementsAre;

class S3ProbeTest : public testing::Test {
 protected:
  std::shared_ptr<S3Bucket> Bucket(const std::string& prefix) {
    S3Options options;
    options.endpoints = {server_.url()};
    options.bucket = "vectors";
    options.prefix = prefix;
    options.credentials.access_key = "AK";
    options.credentials.secret_key = "SK";
    return *S3Bucket::Open(PosixFileSystem(), options, nullptr);
  }
  Result<bool> IsObjectThere() { return IsObject(ctx_, *Bucket("db"), "db"); }

  FakeServer server_;
  OpContext ctx_{RealClock()};
};

TEST_F(S3ProbeTest, KeysAboveAreEveryBeginningOfThePrefixAndTheFolders) {
  EXPECT_THAT(KeysAbove(*Bucket("a/b/db"), {"catalog", "t/default"}),
              ElementsAre("a", "a/b", "a/b/db", "a/b/db/catalog", "a/b/db/t/default"));
  EXPECT_THAT(KeysAbove(*Bucket(""), {"catalog"}), ElementsAre("catalog"));
}

TEST_F(S3ProbeTest, ObjectIsSeenByHead) {
  server_.Expect(FakeReply::Of("200 OK"));
  EXPECT_TRUE(*IsObjectThere());
  server_.Expect(FakeReply::Of("404 Not Found"));
  EXPECT_FALSE(*IsObjectThere());
  server_.Expect(FakeReply::Of("503 Slow Down"));
  EXPECT_EQ(IsObjectThere().error().code(), StatusCode::kUnavailable);
}

TEST_F(S3ProbeTest, ObjectIsSeenInAListingWhereHeadIsNotAllowed) {
  const auto page = [](const std::string& key) {
    return FakeReply::Of("200 OK", "",
                         "<ListBucketResult><Contents><Key>" + key +
                             "</Key><LastModified>2026-11-24T01:02:03Z</LastModified><Size>1</Size></Contents>"
                             "</ListBucketResult>");
  };
  server_.Expect(FakeReply::Of("403 Forbidden"));
  server_.Expect(page("db"));
  EXPECT_TRUE(*IsObjectThere());
  server_.Expect(FakeReply::Of("403 Forbidden"));
  server_.Expect(page("db/catalog/1"));
  EXPECT_FALSE(*IsObjectThere());
  server_.Expect(FakeReply::Of("403 Forbidden"));
  server_.Expect(FakeReply::Error("403 Forbidden", "AccessDenied"));
  EXPECT_FALSE(*IsObjectThere()) << "who may not look cannot say";
}

TEST_F(S3ProbeTest, DamagedBodyIsSentUnderTheDigestOfTheRightOne) {
  const auto extensions = NewS3ProbeExtensions(Bucket("db"));
  server_.Expect(FakeReply::Error("400 Bad Request", "XAmzContentSHA256Mismatch"));
  const Status refused = extensions->PutWithWrongChecksum(ctx_, "probe/x", "body");
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument) << "a refusal is a verdict, not a store that is away";
  const FakeRequest request = server_.Requests().at(0);
  EXPECT_EQ(request.target, "/vectors/db/probe/x");
  EXPECT_EQ(request.headers.at("x-amz-content-sha256"), Hex(AsBytes(Sha256Of("body"))));
  EXPECT_EQ(request.headers.at("x-amz-checksum-sha256"), Base64(AsBytes(Sha256Of("body"))));
  EXPECT_NE(request.body, "body");
  server_.Expect(FakeReply::Of("200 OK"));
  EXPECT_TRUE(extensions->PutWithWrongChecksum(ctx_, "probe/x", "body").ok());
}

TEST_F(S3ProbeTest, NothingIsLockedInABucketWithoutLock) {
  const auto extensions = NewS3ProbeExtensions(Bucket("db"));
  server_.Expect(FakeReply::Error("404 Not Found", "ObjectLockConfigurationNotFoundError"));
  EXPECT_EQ(extensions->PutLocked(ctx_, "probe/x", "body").error().code(), StatusCode::kUnimplemented);
  EXPECT_EQ(server_.Requests().size(), 1u);
}

TEST_F(S3ProbeTest, OldVersionsAndMarkersBelowThePrefixAreRemoved) {
  const auto extensions = NewS3ProbeExtensions(Bucket("db"));
  const auto entry = [](const std::string& kind, const std::string& key, const std::string& version) {
    return "<" + kind + "><Key>" + key + "</Key><VersionId>" + version + "</VersionId></" + kind + ">";
  };
  server_.Expect(FakeReply::Of("200 OK", "",
                               "<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>db/probe/a"
                               "</NextKeyMarker>" +
                                   entry("DeleteMarker", "db/probe/a", "v2") + entry("Version", "db/probe/a", "v1") +
                                   "</ListVersionsResult>"));
  server_.Expect(FakeReply::Error("400 Bad Request", "InvalidRequest", "it is locked"));
  server_.Expect(FakeReply::Of("204 No Content"));
  server_.Expect(FakeReply::Of("200 OK", "",
                               "<ListVersionsResult>" + entry("Version", "db/probe/b", "v3") +
                                   entry("Version", "db/other", "v4") + "</ListVersionsResult>"));
  server_.Expect(FakeReply::Of("204 No Content"));
  EXPECT_EQ(extensions->PurgeVersions(ctx_, "probe/").code(), StatusCode::kFailedPrecondition);
  std::vector<std::string> removed;
  for (const FakeRequest& request : server_.Requests()) {
    if (request.method == "DELETE") removed.push_back(request.target);
  }
  EXPECT_THAT(removed, ElementsAre("/vectors/db/probe/a?versionId=v2", "/vectors/db/probe/a?versionId=v1",
                                   "/vectors/db/probe/b?versionId=v3"));
}

}  // namespace
}  // namespace akidb::s3
