#include "objstore/s3/multipart_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/hash.h"
#include "objstore/kept_bytes.h"
#include "objstore/s3/fake_server_testing.h"
#include "objstore/s3/s3_admin.h"
#include "objstore/s3/s3_store.h"

namespace akidb::s3 {
namespace {

constexpr size_t kPart = 5u << 20;

// A server that takes one multipart upload, with its failures to order.
class MultipartWriterTest : public testing::Test {
 protected:
  MultipartWriterTest() {
    options_.endpoints = {server_.url()};
    options_.bucket = "vectors";
    options_.credentials.access_key = "AK";
    options_.credentials.secret_key = "SK";
    options_.part_bytes = kPart;
    options_.parts_in_flight = 3;
    bucket_ = *S3Bucket::Open(PosixFileSystem(), options_, nullptr);
    store_ = NewS3Store(bucket_, [](Duration) {});
    server_.Handle([this](const FakeRequest& request) { return Answer(request); });
  }

  FakeReply Answer(const FakeRequest& request) {
    const MutexLock lock(mutex_);
    if (request.method == "POST" && request.target.ends_with("?uploads=")) {
      return FakeReply::Of("200 OK", "",
                           "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>");
    }
    if (request.method == "PUT" && request.target.find("partNumber=") != std::string::npos) {
      const int number = std::stoi(request.target.substr(request.target.find("partNumber=") + 11));
      if (failing_parts_[number] > 0) {
        --failing_parts_[number];
        return FakeReply::Error("503 Service Unavailable", "SlowDown");
      }
      parts_[number] = request.body;
      arrived_.NotifyAll();
      at_once_max_ = std::max(at_once_max_, ++at_once_);
      while (answers_held_) arrived_.Wait(mutex_);
      --at_once_;
      while (number == 1 && first_waits_for_ > 0 && !parts_.contains(first_waits_for_) && !waited_in_vain_) {
        waited_in_vain_ = !arrived_.WaitFor(mutex_, std::chrono::seconds(5));
      }
      return FakeReply::Of("200 OK", "ETag: \"p" + std::to_string(number) + "\"\r\n");
    }
    if (request.method == "POST") return complete_;
    if (request.method == "DELETE") {
      ++aborts_;
      return FakeReply::Of("204 No Content");
    }
    return FakeReply::Object("");
  }

  Result<ObjectMeta> Write(size_t size, const PutCondition& condition = PutCondition::None()) {
    auto writer = store_->OpenWriter(ctx_, "k");
    std::string bytes(size, '\0');
    for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 7 / 1000);
    AKI_RETURN_IF_ERROR((*writer)->Append(ctx_, std::string_view(bytes).substr(0, size / 3)));
    AKI_RETURN_IF_ERROR((*writer)->Append(ctx_, std::string_view(bytes).substr(size / 3)));
    written_ = std::move(bytes);
    return (*writer)->Commit(ctx_, condition);
  }
  int aborts() {
    const MutexLock lock(mutex_);
    return aborts_;
  }

  S3Options options_;
  OpContext ctx_{RealClock()};
  std::shared_ptr<S3Bucket> bucket_;
  std::unique_ptr<ObjectStore> store_;
  std::string written_;
  Mutex mutex_;
  std::map<int, int> failing_parts_ AKI_GUARDED_BY(mutex_);
  std::map<int, std::string> parts_ AKI_GUARDED_BY(mutex_);
  CondVar arrived_;
  int first_waits_for_ AKI_GUARDED_BY(mutex_) = 0;  // part 1 is answered when this one has come
  bool waited_in_vain_ AKI_GUARDED_BY(mutex_) = false;
  bool answers_held_ AKI_GUARDED_BY(mutex_) = false;  // of parts
  int at_once_ AKI_GUARDED_BY(mutex_) = 0;
  int at_once_max_ AKI_GUARDED_BY(mutex_) = 0;
  int aborts_ AKI_GUARDED_BY(mutex_) = 0;
  FakeReply complete_ AKI_GUARDED_BY(mutex_) =
      FakeReply::Of("200 OK", "x-amz-version-id: v7\r\n",
                    "<CompleteMultipartUploadResult><ETag>\"all-3\"</ETag></CompleteMultipartUploadResult>");

  FakeServer server_;  // last: it must end before what its handler uses

  void HoldAnswers(bool held) {
    const MutexLock lock(mutex_);
    answers_held_ = held;
    arrived_.NotifyAll();
  }
  void CompleteWith(FakeReply reply) {
    const MutexLock lock(mutex_);
    complete_ = std::move(reply);
  }
};

TEST_F(MultipartWriterTest, OnePartIsOnePut) {
  ASSERT_TRUE(Write(kPart));
  const auto requests = server_.Requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].method + requests[0].target, "PUT/vectors/k");
  EXPECT_TRUE(requests[0].body == written_);
}

TEST_F(MultipartWriterTest, LargerOnesGoUpInPartsThatJoin) {
  const auto meta = Write(2 * kPart + 5, PutCondition::IfAbsent());
  ASSERT_TRUE(meta) << meta.error().ToString();
  EXPECT_EQ(meta->etag, "\"all-3\"");
  EXPECT_EQ(meta->version_id, "v7");
  EXPECT_EQ(meta->size_bytes, 2 * kPart + 5);
  {
    const MutexLock lock(mutex_);
    ASSERT_EQ(parts_.size(), 3u);
    EXPECT_TRUE(parts_[1] + parts_[2] + parts_[3] == written_);
  }
  const FakeRequest complete = server_.Requests().back();
  EXPECT_EQ(complete.target, "/vectors/k?uploadId=U1");
  EXPECT_EQ(complete.headers.at("if-none-match"), "*");
  EXPECT_NE(complete.body.find("<ETag>&quot;p3&quot;</ETag><PartNumber>3</PartNumber>"), std::string::npos);
  EXPECT_EQ(aborts(), 0);
}

TEST_F(MultipartWriterTest, WhatIsKeptGoesUpLikeWhatIsCopied) {
  auto kept = std::make_shared<std::string>(3 * kPart + 1000, '\0');
  for (size_t i = 0; i < kept->size(); ++i) (*kept)[i] = static_cast<char>(i * 7 / 1000);
  const std::weak_ptr<std::string> alive = kept;
  const std::string expected = *kept;
  const std::string_view bytes = *kept;
  auto writer = store_->OpenWriter(ctx_, "k");
  // One and a half parts side by side, a copy in between, and the rest.
  const size_t half = kPart / 2;
  for (size_t i = 0; i < 3; ++i) ASSERT_TRUE(AppendKept(ctx_, **writer, {bytes.substr(i * half, half), kept}).ok());
  ASSERT_TRUE((*writer)->Append(ctx_, std::string(bytes.substr(3 * half, 100))).ok());
  ASSERT_TRUE(AppendKept(ctx_, **writer, {bytes.substr(3 * half + 100), kept}).ok());
  kept.reset();
  EXPECT_FALSE(alive.expired());
  ASSERT_TRUE((*writer)->Commit(ctx_, PutCondition::None()));
  const MutexLock lock(mutex_);
  ASSERT_EQ(parts_.size(), 4u);
  EXPECT_TRUE(parts_[1] + parts_[2] + parts_[3] + parts_[4] == expected);
}

TEST_F(MultipartWriterTest, WhatIsKeptWaitsForNoRoomAndGoesUpAFewPartsAtATime) {
  const auto kept = std::make_shared<const std::string>(8 * kPart, 'x');
  HoldAnswers(true);
  auto writer = store_->OpenWriter(ctx_, "k");
  OpContext soon(RealClock());
  soon.set_timeout(std::chrono::seconds(20));
  EXPECT_TRUE(AppendKept(soon, **writer, {*kept, kept}).ok()) << "the store has not answered a part";
  HoldAnswers(false);
  ASSERT_TRUE((*writer)->Commit(ctx_, PutCondition::None()));
  const MutexLock lock(mutex_);
  EXPECT_EQ(parts_.size(), 8u);
  EXPECT_LE(at_once_max_, 3);
}

TEST_F(MultipartWriterTest, CopiesWaitForRoom) {
  HoldAnswers(true);
  auto writer = store_->OpenWriter(ctx_, "k");
  const std::string part(kPart, 'x');
  // Three on their way, and one that is sent when more comes.
  for (int i = 0; i < 4; ++i) ASSERT_TRUE((*writer)->Append(ctx_, part).ok());
  OpContext soon(RealClock());
  soon.set_timeout(std::chrono::milliseconds(200));
  EXPECT_EQ((*writer)->Append(soon, part).code(), StatusCode::kDeadlineExceeded);
  HoldAnswers(false);
  EXPECT_EQ((*writer)->Append(ctx_, part).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(aborts(), 1);
}

TEST_F(MultipartWriterTest, PartWithBothIsSentInOrder) {
  const auto kept = std::make_shared<const std::string>(kPart + 1000, 'k');
  auto writer = store_->OpenWriter(ctx_, "k");
  ASSERT_TRUE(AppendKept(ctx_, **writer, {std::string_view(*kept).substr(0, kPart - 5), kept}).ok());
  ASSERT_TRUE((*writer)->Append(ctx_, "copy").ok());
  ASSERT_TRUE(AppendKept(ctx_, **writer, {std::string_view(*kept).substr(0, 1000), kept}).ok());
  ASSERT_TRUE((*writer)->Append(ctx_, std::string(100000, 'c')).ok());
  ASSERT_TRUE((*writer)->Commit(ctx_, PutCondition::None()));
  const MutexLock lock(mutex_);
  ASSERT_EQ(parts_.size(), 2u);
  EXPECT_TRUE(parts_[1] == std::string(kPart - 5, 'k') + "copy" + "k");
  EXPECT_TRUE(parts_[2] == std::string(999, 'k') + std::string(100000, 'c'));
}

TEST_F(MultipartWriterTest, OneKeptPartIsOnePut) {
  const auto kept = std::make_shared<const std::string>(kPart, 'x');
  auto writer = store_->OpenWriter(ctx_, "k");
  ASSERT_TRUE(AppendKept(ctx_, **writer, {*kept, kept}).ok());
  ASSERT_TRUE((*writer)->Commit(ctx_, PutCondition::None()));
  const auto requests = server_.Requests();
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_TRUE(requests[0].body == *kept);
}

TEST_F(MultipartWriterTest, EveryPartIsSignedForItsOwnBytesWhoeverHashesThem) {
  const auto kept = std::make_shared<const std::string>([] {
    std::string bytes(2 * kPart + 1000, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7 / 1000);
    return bytes;
  }());
  const std::string_view bytes = *kept;
  auto writer = store_->OpenWriter(ctx_, "k");
  Sha256 whole;
  ASSERT_TRUE(AppendKept(ctx_, **writer, {bytes.substr(0, 100), kept, &whole}).ok());
  ASSERT_TRUE(AppendKept(ctx_, **writer, {bytes.substr(100, kPart), kept, &whole}).ok());
  ASSERT_TRUE((*writer)->Append(ctx_, bytes.substr(100 + kPart, 300)).ok());
  whole.Update(bytes.substr(100 + kPart, 300));
  ASSERT_TRUE(AppendKept(ctx_, **writer, {bytes.substr(400 + kPart), kept, &whole}).ok());
  ASSERT_TRUE((*writer)->Commit(ctx_, PutCondition::None()));
  EXPECT_EQ(whole.HexDigest(), Sha256Hex(bytes));
  size_t sent = 0;
  for (const FakeRequest& request : server_.Requests()) {
    EXPECT_EQ(request.headers.at("x-amz-content-sha256"), Sha256Hex(request.body)) << request.target;
    if (request.method == "PUT") sent += request.body.size();
  }
  EXPECT_EQ(sent, bytes.size());
}

TEST_F(MultipartWriterTest, SlowPartDoesNotKeepOthersWaiting) {
  {
    const MutexLock lock(mutex_);
    first_waits_for_ = 5;  // more than may be in flight beside it
  }
  ASSERT_TRUE(Write(5 * kPart));
  const MutexLock lock(mutex_);
  EXPECT_FALSE(waited_in_vain_);
  EXPECT_TRUE(parts_[1] + parts_[2] + parts_[3] + parts_[4] + parts_[5] == written_);
}

TEST_F(MultipartWriterTest, PartsOfWhatIsLockedCarryTheirMd5) {
  options_.lock.mode = LockMode::kCompliance;
  options_.lock.retain = std::chrono::hours(1);
  store_ = NewS3Store(*S3Bucket::Open(PosixFileSystem(), options_, nullptr), [](Duration) {});
  ASSERT_TRUE(Write(2 * kPart));
  for (const FakeRequest& request : server_.Requests()) {
    if (request.method == "PUT") EXPECT_EQ(request.headers.at("content-md5"), Md5Base64(request.body));
  }
}

TEST_F(MultipartWriterTest, PartsThatFailForAMomentAreSentAgain) {
  {
    const MutexLock lock(mutex_);
    failing_parts_ = {{2, 3}};
  }
  EXPECT_TRUE(Write(3 * kPart));
}

TEST_F(MultipartWriterTest, PartThatKeepsFailingAbortsTheUpload) {
  {
    const MutexLock lock(mutex_);
    failing_parts_ = {{2, 100}};
  }
  const auto meta = Write(3 * kPart);
  ASSERT_FALSE(meta);
  EXPECT_EQ(meta.error().code(), StatusCode::kUnavailable);
  EXPECT_EQ(meta.error().effect(), Effect::kNone) << "parts are not an object";
  EXPECT_EQ(aborts(), 1);
}

TEST_F(MultipartWriterTest, DestructionAborts) {
  {
    auto writer = store_->OpenWriter(ctx_, "k");
    ASSERT_TRUE((*writer)->Append(ctx_, std::string(3 * kPart, 'x')).ok());
  }
  EXPECT_EQ(aborts(), 1);
  {
    auto unused = store_->OpenWriter(ctx_, "k");
  }
  EXPECT_EQ(aborts(), 1) << "nothing was begun, nothing is aborted";
}

TEST_F(MultipartWriterTest, LostConditionAborts) {
  CompleteWith(FakeReply::Error("412 Precondition Failed", "PreconditionFailed"));
  const auto meta = Write(2 * kPart, PutCondition::IfAbsent());
  EXPECT_EQ(meta.error().reason(), "condition_lost");
  EXPECT_EQ(meta.error().effect(), Effect::kNone);
  EXPECT_EQ(aborts(), 1);
}

TEST_F(MultipartWriterTest, ErrorsUnderStatus200AreErrors) {
  CompleteWith(FakeReply::Error("200 OK", "InternalError"));
  const auto meta = Write(2 * kPart);
  ASSERT_FALSE(meta);
  EXPECT_EQ(meta.error().code(), StatusCode::kUnavailable);
  EXPECT_EQ(meta.error().effect(), Effect::kUnknown);
}

TEST_F(MultipartWriterTest, LostAnswerOfTheCompletionIsUnknown) {
  CompleteWith(FakeReply::Breaks(FakeReply::When::kAfterRequest, FakeReply::Then::kReset));
  const auto meta = Write(2 * kPart, PutCondition::IfAbsent());
  ASSERT_FALSE(meta);
  EXPECT_EQ(meta.error().effect(), Effect::kUnknown);
  EXPECT_EQ(aborts(), 1);
}

TEST_F(MultipartWriterTest, CancellationStopsThePartsInFlight) {
  {
    const MutexLock lock(mutex_);
    complete_ = FakeReply::Breaks(FakeReply::When::kAfterRequest, FakeReply::Then::kHang);
  }
  auto writer = store_->OpenWriter(ctx_, "k");
  ASSERT_TRUE((*writer)->Append(ctx_, std::string(2 * kPart, 'x')).ok());
  OpContext late(RealClock());
  late.set_timeout(std::chrono::milliseconds(200));
  const auto meta = (*writer)->Commit(late, PutCondition::None());
  ASSERT_FALSE(meta);
  EXPECT_EQ(meta.error().code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ((*writer)->Append(ctx_, "more").code(), StatusCode::kFailedPrecondition);
}

TEST_F(MultipartWriterTest, StaleUploadsAreSweptPageByPage) {
  const auto upload = [](const std::string& key, const std::string& id, const std::string& when) {
    return "<Upload><Key>" + key + "</Key><UploadId>" + id + "</UploadId><Initiated>" + when + "</Initiated></Upload>";
  };
  server_.Expect(
      FakeReply::Of("200 OK", "",
                    "<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker>"
                    "<NextUploadIdMarker>U1</NextUploadIdMarker>" +
                        upload("a", "U1", "2020-01-01T00:00:00Z") + "</ListMultipartUploadsResult>"));
  server_.Expect(FakeReply::Of("204 No Content"));
  server_.Expect(FakeReply::Of("200 OK", "",
                               "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>" +
                                   upload("b", "U2", "2020-01-01T00:00:00Z") +
                                   upload("c", "U3", "2200-01-01T00:00:00Z") + "</ListMultipartUploadsResult>"));
  server_.Expect(FakeReply::Error("404 Not Found", "NoSuchUpload"));
  const auto swept = AbortStaleUploads(ctx_, *bucket_, std::chrono::hours(24));
  ASSERT_TRUE(swept) << swept.error().ToString();
  EXPECT_EQ(*swept, 2u);
  const auto requests = server_.Requests();
  ASSERT_EQ(requests.size(), 4u);
  EXPECT_EQ(requests[1].target, "/vectors/a?uploadId=U1");
  EXPECT_NE(requests[2].target.find("key-marker=a"), std::string::npos);
  EXPECT_EQ(requests[3].target, "/vectors/b?uploadId=U2");
}

}  // namespace
}  // namespace akidb::s3
