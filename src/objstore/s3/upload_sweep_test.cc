#include "objstore/s3/upload_sweep.h"

#include <gtest/gtest.h>

#include "objstore/s3/fake_server_testing.h"

namespace akidb::s3 {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class UploadSweepTest : public testing::Test {
 protected:
  UploadSweepTest() {
    S3Options options;
    options.endpoints = {server_.url()};
    options.bucket = "vectors";
    options.prefix = "db";
    options.credentials.access_key = "AK";
    options.credentials.secret_key = "SK";
    sweep_ = NewUploadSweep(*S3Bucket::Open(PosixFileSystem(), options, nullptr),
                            {.age = hours(24), .first = minutes(1), .interval = hours(1)});
  }
  NextStep Step() {
    OpContext ctx(RealClock());
    return sweep_->Step(ctx);
  }
  static std::string Upload(const std::string& key, const std::string& initiated) {
    return "<Upload><Key>" + key + "</Key><UploadId>id-" + key.substr(key.size() - 1) + "</UploadId><Initiated>" +
           initiated + "</Initiated></Upload>";
  }

  FakeServer server_;
  std::shared_ptr<Task> sweep_;
};

TEST_F(UploadSweepTest, OldUploadsBelowThePrefixAreAborted) {
  EXPECT_EQ(Step().delay, Duration(minutes(1)));
  EXPECT_TRUE(server_.Requests().empty()) << "the start has better things to do";
  server_.Expect(FakeReply::Of("200 OK", "",
                               "<ListMultipartUploadsResult>" + Upload("db/a", "2020-01-01T00:00:00Z") +
                                   Upload("other/b", "2020-01-01T00:00:00Z") + Upload("db/c", "2099-01-01T00:00:00Z") +
                                   "</ListMultipartUploadsResult>"));
  server_.Expect(FakeReply::Of("204 No Content"));
  EXPECT_EQ(Step().delay, Duration(hours(1)));
  const auto requests = server_.Requests();
  ASSERT_EQ(requests.size(), 2u);
  EXPECT_EQ(requests[1].method, "DELETE");
  EXPECT_EQ(requests[1].target, "/vectors/db/a?uploadId=id-a");
}

TEST_F(UploadSweepTest, StoreThatIsAwayIsTriedAgainAtTheNextTurn) {
  Step();
  server_.Expect(FakeReply::Error("503 Slow Down", "SlowDown"));
  const NextStep next = Step();
  EXPECT_EQ(next.kind, NextStep::Kind::kAfter);
  EXPECT_EQ(next.delay, Duration(hours(1)));
  server_.Expect(FakeReply::Of(
      "200 OK", "",
      "<ListMultipartUploadsResult>" + Upload("db/a", "2020-01-01T00:00:00Z") + "</ListMultipartUploadsResult>"));
  server_.Expect(FakeReply::Of("204 No Content"));
  Step();
  EXPECT_EQ(server_.Requests().size(), 3u);
}

}  // namespace
}  // namespace akidb::s3
