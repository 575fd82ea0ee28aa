#include "server/bucket_demands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "objstore/s3/fake_server_testing.h"

namespace akidb {
namespace {

using s3::FakeReply;
using s3::FakeRequest;
using testing::HasSubstr;

class BucketDemandsTest : public testing::Test {
 protected:
  BucketDemandsTest() {
    options_.endpoints = {server_.url()};
    options_.bucket = "vectors";
    options_.prefix = "a/db";
    options_.credentials.access_key = "AK";
    options_.credentials.secret_key = "SK";
  }
  s3::S3Bucket& bucket() {
    bucket_ = *s3::S3Bucket::Open(PosixFileSystem(), options_, nullptr);
    return *bucket_;
  }
  Status RequireWith(FakeReply reply) {
    server_.Expect(std::move(reply));
    return RequireOfBucket(ctx_, bucket());
  }

  s3::FakeServer server_;
  s3::S3Options options_;
  OpContext ctx_{RealClock()};
  std::shared_ptr<s3::S3Bucket> bucket_;
};

TEST_F(BucketDemandsTest, EveryKeyAboveOursIsLookedAt) {
  server_.Handle([](const FakeRequest&) { return FakeReply::Of("404 Not Found"); });
  EXPECT_TRUE(RefuseForeignObjects(ctx_, bucket()).ok());
  std::set<std::string> targets;
  for (const FakeRequest& request : server_.Requests()) targets.insert(request.method + " " + request.target);
  const std::string base = "HEAD /vectors/a";
  EXPECT_EQ(targets,
            (std::set<std::string>{base, base + "/db", base + "/db/catalog", base + "/db/nodes", base + "/db/probe",
                                   base + "/db/t", base + "/db/t/default", base + "/db/t/default/c"}));
}

TEST_F(BucketDemandsTest, ForeignObjectIsNamed) {
  server_.Handle([](const FakeRequest& request) {
    return FakeReply::Of(request.target == "/vectors/a/db/catalog" ? "200 OK" : "404 Not Found");
  });
  const Status refused = RefuseForeignObjects(ctx_, bucket());
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(refused.reason(), "foreign_object");
  EXPECT_THAT(refused.message(), HasSubstr("object 'a/db/catalog' in bucket 'vectors'"));
}

TEST_F(BucketDemandsTest, StoreThatCannotBeAskedIsLeftToTheNextRequest) {
  server_.Handle([](const FakeRequest&) { return FakeReply::Of("503 Service Unavailable"); });
  EXPECT_TRUE(RefuseForeignObjects(ctx_, bucket()).ok());
}

TEST_F(BucketDemandsTest, NothingIsAskedWhereNothingIsDemanded) {
  EXPECT_TRUE(RequireOfBucket(ctx_, bucket()).ok());
  EXPECT_TRUE(server_.Requests().empty());
}

TEST_F(BucketDemandsTest, VersioningIsDemandedByName) {
  options_.require_versioning = true;
  const auto versioning = [](const std::string& status) {
    return FakeReply::Of("200 OK", "", "<VersioningConfiguration>" + status + "</VersioningConfiguration>");
  };
  EXPECT_TRUE(RequireWith(versioning("<Status>Enabled</Status>")).ok());
  EXPECT_THAT(RequireWith(versioning("<Status>Suspended</Status>")).message(), HasSubstr("is suspended"));
  const Status off = RequireWith(versioning(""));
  EXPECT_EQ(off.reason(), "no_versioning");
  EXPECT_THAT(off.message(), HasSubstr("versioning of bucket 'vectors' is off"));
}

TEST_F(BucketDemandsTest, LockIsDemandedByName) {
  options_.lock.mode = s3::LockMode::kCompliance;
  options_.lock.retain = std::chrono::hours(1);
  EXPECT_TRUE(RequireWith(FakeReply::Of("200 OK", "",
                                        "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled>"
                                        "</ObjectLockConfiguration>"))
                  .ok());
  EXPECT_EQ(RequireWith(FakeReply::Error("404 Not Found", "ObjectLockConfigurationNotFoundError")).reason(), "no_lock");
}

TEST_F(BucketDemandsTest, LockThatDidNotHoldIsRefusedWhereItIsUsed) {
  StoreVerdict verdict{.store = "s3", .probed_at = "2026-11-26T10:00:00.000Z", .checks = {}};
  for (const StoreCheckName& check : kStoreChecks) {
    verdict.checks.push_back({std::string(check.name), CheckResult::kOk, "as it should be", 1});
  }
  verdict.checks.back().result = CheckResult::kFailed;
  EXPECT_TRUE(RequireOfVerdict(options_, verdict).ok());
  options_.lock.mode = s3::LockMode::kCompliance;
  EXPECT_EQ(RequireOfVerdict(options_, verdict).reason(), "store_unfit");
  verdict.checks.back().result = CheckResult::kNotApplicable;
  EXPECT_TRUE(RequireOfVerdict(options_, verdict).ok()) << "it could not be tried";
}

}  // namespace
}  // namespace akidb
