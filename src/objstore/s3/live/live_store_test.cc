// What only a real store can show: parts, versions, locks, encryption, wrong credentials.
#include <gmock/gmock.h>

#include "objstore/s3/live/live_testing.h"

namespace akidb::s3 {
namespace {

constexpr uint64_t kSizeMax = 256u << 20;

// Bytes that differ everywhere, so that moved or cut content shows.
std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  uint32_t state = 1;
  for (char& c : bytes) {
    state = state * 1664525 + 1013904223;
    c = static_cast<char>(state >> 24);
  }
  return bytes;
}

class S3LiveTest : public testing::Test {
 protected:
  void SetUp() override {
    if (options_.endpoints.front().empty()) FAIL() << kNoStore;
  }
  // A bucket of its own; false after a failure.
  bool Make(const BucketSettings& settings) {
    bucket_ = MakeLiveBucket(options_, settings);
    if (bucket_ == nullptr) return false;
    store_ = MakeLiveStore(bucket_);
    return true;
  }
  Result<ObjectMeta> Write(const std::string& key, std::string_view bytes, const PutCondition& condition) {
    AKI_ASSIGN_OR_RETURN(const std::unique_ptr<ObjectWriter> writer, store_->OpenWriter(ctx_, key));
    for (size_t begin = 0; begin < bytes.size(); begin += 3'000'001) {
      AKI_RETURN_IF_ERROR(writer->Append(ctx_, bytes.substr(begin, 3'000'001)));
    }
    return writer->Commit(ctx_, condition);
  }
  std::string GetText(const std::string& key) {
    Result<ObjectBody> body = store_->Get(ctx_, key, kSizeMax);
    return body ? std::move(body->bytes) : body.error().ToString();
  }

  S3Options options_ = LiveOptions();
  OpContext ctx_{RealClock()};
  std::shared_ptr<S3Bucket> bucket_;
  std::shared_ptr<ObjectStore> store_;
};

TEST_F(S3LiveTest, PartsJoinToTheObject) {
  ASSERT_TRUE(Make({}));
  const std::string body = Pattern((37 << 20) + 5);
  const Result<ObjectMeta> meta = Write("big", body, PutCondition::IfAbsent());
  ASSERT_TRUE(meta) << meta.error().ToString();
  EXPECT_EQ(meta->size_bytes, body.size());
  EXPECT_TRUE(GetText("big") == body);
  EXPECT_EQ(store_->Head(ctx_, "big")->etag, meta->etag);
  std::string part(100'000, '\0');
  const uint64_t begin = (8 << 20) - 50'000;  // across two parts
  ASSERT_TRUE(store_->GetRange(ctx_, "big", {begin, begin + part.size()}, "", part.data()).ok());
  EXPECT_TRUE(part == body.substr(begin, part.size()));
  EXPECT_EQ(*AbortStaleUploads(ctx_, *bucket_, Duration(0)), 0u);
}

TEST_F(S3LiveTest, ConditionOfPartsIsCheckedAtTheEnd) {
  ASSERT_TRUE(Make({}));
  ASSERT_TRUE(store_->Put(ctx_, "k", "first", PutCondition::None()));
  const Result<ObjectMeta> lost = Write("k", Pattern(20 << 20), PutCondition::IfAbsent());
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code(), StatusCode::kAborted);
  EXPECT_EQ(lost.error().reason(), "condition_lost");
  EXPECT_EQ(lost.error().effect(), Effect::kNone);
  EXPECT_EQ(GetText("k"), "first");
  EXPECT_EQ(*AbortStaleUploads(ctx_, *bucket_, Duration(0)), 0u) << "the lost upload was left behind";
}

TEST_F(S3LiveTest, AbandonedPartsAreAborted) {
  ASSERT_TRUE(Make({}));
  {
    const auto writer = store_->OpenWriter(ctx_, "abandoned");
    ASSERT_TRUE((*writer)->Append(ctx_, Pattern(20 << 20)).ok());
  }
  EXPECT_EQ(*AbortStaleUploads(ctx_, *bucket_, Duration(0)), 0u);
  EXPECT_TRUE(store_->List(ctx_, "", "", 10)->objects.empty());
}

TEST_F(S3LiveTest, ADeletedVersionIsGoneAndLeavesNoMarker) {
  ASSERT_TRUE(Make({.versioning = true}));
  const Result<ObjectMeta> first = store_->Put(ctx_, "k", "first", PutCondition::None());
  const Result<ObjectMeta> second = store_->Put(ctx_, "k", "second", PutCondition::None());
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(store_->DeleteVersion(ctx_, "k", second->version_id).ok());
  EXPECT_EQ(GetText("k"), "first") << "the one before it shows again";
  EXPECT_TRUE(store_->DeleteVersion(ctx_, "k", first->version_id).ok());
  EXPECT_TRUE(store_->DeleteVersion(ctx_, "k", first->version_id).ok()) << "twice is no error";
  EXPECT_EQ(store_->Head(ctx_, "k").error().code(), StatusCode::kNotFound);
  EXPECT_TRUE(store_->Put(ctx_, "k", "again", PutCondition::IfAbsent()));
}

TEST_F(S3LiveTest, DigestsAreKeptAndDamagedBodiesRefused) {
  ASSERT_TRUE(Make({}));
  ASSERT_TRUE(store_->Put(ctx_, "k", "body", PutCondition::IfAbsent()));
  S3Request get{"GET", bucket_->ObjectPath("k")};
  get.headers = {{"x-amz-checksum-mode", "ENABLED"}};
  std::string kept;
  const Status read = bucket_->client().Send(ctx_, get, "GET", [&](OpContext&, const HttpHead& head, AnswerBody&) {
    kept = head.Header("x-amz-checksum-sha256");
    return OkStatus();
  });
  EXPECT_TRUE(read.ok()) << read.ToString();
  EXPECT_EQ(kept, Base64(AsBytes(Sha256Of("body"))));
  S3Request put{"PUT", bucket_->ObjectPath("damaged")};
  put.access = Access::kWrite;
  put.body = "bodY";
  put.payload_sha256 = Hex(AsBytes(Sha256Of("body")));
  const Status refused =
      bucket_->client().Send(ctx_, put, "PUT", [](OpContext&, const HttpHead&, AnswerBody&) { return OkStatus(); });
  EXPECT_EQ(refused.reason(), "damaged_in_transit") << refused.ToString();
  EXPECT_EQ(refused.effect(), Effect::kNone);
  EXPECT_EQ(store_->Head(ctx_, "damaged").error().code(), StatusCode::kNotFound);
}

TEST_F(S3LiveTest, StaleUploadsAreSwept) {
  options_.prefix = "nodes/a";
  ASSERT_TRUE(Make({}));
  const auto writer = store_->OpenWriter(ctx_, "a/b/stale");
  ASSERT_TRUE((*writer)->Append(ctx_, Pattern(20 << 20)).ok());
  EXPECT_EQ(*AbortStaleUploads(ctx_, *bucket_, std::chrono::hours(1)), 0u) << "it is young";
  const auto swept = AbortStaleUploads(ctx_, *bucket_, -std::chrono::hours(1));
  ASSERT_TRUE(swept) << swept.error().ToString();
  EXPECT_EQ(*swept, 1u);
  const auto meta = (*writer)->Commit(ctx_, PutCondition::IfAbsent());
  ASSERT_FALSE(meta);
  EXPECT_EQ(meta.error().reason(), "no_such_upload") << meta.error().ToString();
}

TEST_F(S3LiveTest, VersionsAreReadByTheirId) {
  ASSERT_TRUE(Make({.versioning = true}));
  EXPECT_EQ(*GetVersioning(ctx_, *bucket_), Versioning::kEnabled);
  const ObjectMeta first = *store_->Put(ctx_, "k", "first", PutCondition::IfAbsent());
  const ObjectMeta second = *store_->Put(ctx_, "k", "other", PutCondition::None());
  ASSERT_FALSE(first.version_id.empty());
  EXPECT_NE(first.version_id, second.version_id);
  std::string out(5, '#');
  ASSERT_TRUE(store_->GetRange(ctx_, "k", {0, 5}, first.version_id, out.data()).ok());
  EXPECT_EQ(out, "first");
  ASSERT_TRUE(store_->Delete(ctx_, "k").ok());
  EXPECT_EQ(store_->Head(ctx_, "k").error().code(), StatusCode::kNotFound);
  ASSERT_TRUE(store_->GetRange(ctx_, "k", {0, 5}, second.version_id, out.data()).ok());
  EXPECT_EQ(out, "other");
  EXPECT_EQ(store_->GetRange(ctx_, "k", {0, 6}, second.version_id, out.data()).code(), StatusCode::kOutOfRange);
  ASSERT_TRUE(DeleteVersion(ctx_, *bucket_, "k", first.version_id).ok());
  EXPECT_EQ(store_->GetRange(ctx_, "k", {0, 5}, first.version_id, out.data()).code(), StatusCode::kNotFound);
}

TEST_F(S3LiveTest, LockedVersionsCannotBeRemovedOrShortened) {
  options_.lock.mode = LockMode::kCompliance;
  options_.lock.retain = std::chrono::hours(1);
  ASSERT_TRUE(Make({.object_lock = true}));
  const auto lock = GetObjectLock(ctx_, *bucket_);
  ASSERT_TRUE(lock) << lock.error().ToString();
  EXPECT_TRUE(lock->enabled);
  for (const bool in_parts : {false, true}) {
    const std::string key = in_parts ? "parts" : "put";
    const auto meta = Write(key, in_parts ? Pattern(9 << 20) : "small", PutCondition::IfAbsent());
    ASSERT_TRUE(meta) << meta.error().ToString();
    auto retention = GetRetention(ctx_, *bucket_, key, meta->version_id);
    ASSERT_TRUE(retention) << retention.error().ToString();
    EXPECT_EQ(retention->mode, LockMode::kCompliance);
    const Status deleted = DeleteVersion(ctx_, *bucket_, key, meta->version_id);
    EXPECT_THAT(deleted.code(), testing::AnyOf(StatusCode::kPermissionDenied, StatusCode::kFailedPrecondition));
    retention->until -= std::chrono::minutes(30);
    EXPECT_FALSE(SetRetention(ctx_, *bucket_, key, meta->version_id, *retention).ok());
    retention->until += std::chrono::hours(1);
    const Status longer = SetRetention(ctx_, *bucket_, key, meta->version_id, *retention);
    EXPECT_TRUE(longer.ok()) << longer.ToString();
  }
}

TEST_F(S3LiveTest, LegalHoldsAndDefaultRetentionAreSetAndRead) {
  ASSERT_TRUE(Make({.object_lock = true}));
  ASSERT_TRUE(SetDefaultRetention(ctx_, *bucket_, LockMode::kGovernance, 1).ok());
  const auto lock = GetObjectLock(ctx_, *bucket_);
  ASSERT_TRUE(lock) << lock.error().ToString();
  EXPECT_EQ(lock->default_mode, LockMode::kGovernance);
  EXPECT_EQ(lock->default_days, 1u);
  ASSERT_TRUE(SetDefaultRetention(ctx_, *bucket_, LockMode::kNone, 0).ok());
  const ObjectMeta meta = *store_->Put(ctx_, "k", "x", PutCondition::None());
  const auto retention = GetRetention(ctx_, *bucket_, "k", meta.version_id);
  ASSERT_TRUE(retention) << retention.error().ToString();
  EXPECT_EQ(retention->mode, LockMode::kNone);
  EXPECT_FALSE(*GetLegalHold(ctx_, *bucket_, "k", meta.version_id));
  ASSERT_TRUE(SetLegalHold(ctx_, *bucket_, "k", meta.version_id, LegalHold::kOn).ok());
  EXPECT_TRUE(*GetLegalHold(ctx_, *bucket_, "k", meta.version_id));
  EXPECT_FALSE(DeleteVersion(ctx_, *bucket_, "k", meta.version_id).ok());
  ASSERT_TRUE(SetLegalHold(ctx_, *bucket_, "k", meta.version_id, LegalHold::kOff).ok());
  EXPECT_TRUE(DeleteVersion(ctx_, *bucket_, "k", meta.version_id).ok());
}

TEST_F(S3LiveTest, BucketWithoutLockSaysSo) {
  ASSERT_TRUE(Make({}));
  EXPECT_FALSE(GetObjectLock(ctx_, *bucket_)->enabled);
  EXPECT_EQ(*GetVersioning(ctx_, *bucket_), Versioning::kNever);
  EXPECT_TRUE(*BucketExists(ctx_, *bucket_));
  EXPECT_EQ(CreateBucket(ctx_, *bucket_, {}).code(), StatusCode::kAlreadyExists);
}

TEST_F(S3LiveTest, PrefixesKeepStoresApart) {
  options_.prefix = "nodes/a";
  ASSERT_TRUE(Make({}));
  S3Options other = options_;
  other.prefix = "nodes/a2";
  const auto neighbour = MakeLiveStore(*S3Bucket::Open(PosixFileSystem(), other, nullptr));
  ASSERT_TRUE(store_->Put(ctx_, "x/1", "mine", PutCondition::None()));
  ASSERT_TRUE(store_->Put(ctx_, "x/2", "mine", PutCondition::None()));
  ASSERT_TRUE(neighbour->Put(ctx_, "x/1", "other", PutCondition::IfAbsent()));
  const auto page = store_->List(ctx_, "", "x/1", 10);
  ASSERT_TRUE(page) << page.error().ToString();
  ASSERT_EQ(page->objects.size(), 1u);
  EXPECT_EQ(page->objects[0].key, "x/2");
  EXPECT_EQ(store_->List(ctx_, "x/", "", 10)->objects.size(), 2u);
  EXPECT_EQ(GetText("x/1"), "mine");
}

TEST_F(S3LiveTest, MissingBucketIsUnavailableAndNotAbsence) {
  const auto bucket = S3Bucket::Open(PosixFileSystem(), options_, nullptr);
  ASSERT_TRUE(bucket) << bucket.error().ToString();
  const auto store = MakeLiveStore(*bucket);
  for (const Status& status :
       {store->Get(ctx_, "k", 10).error(), store->Head(ctx_, "k").error(), store->List(ctx_, "", "", 10).error(),
        store->Put(ctx_, "k", "x", PutCondition::IfAbsent()).error()}) {
    EXPECT_EQ(status.code(), StatusCode::kUnavailable) << status.ToString();
    EXPECT_EQ(status.reason(), "no_such_bucket");
  }
  EXPECT_FALSE(*BucketExists(ctx_, **bucket));
}

TEST_F(S3LiveTest, WrongKeysAreRefusedByName) {
  ASSERT_TRUE(Make({}));
  S3Options wrong = options_;
  wrong.credentials.secret_key = "not-the-secret";
  auto store = MakeLiveStore(*S3Bucket::Open(PosixFileSystem(), wrong, nullptr));
  Status status = store->Get(ctx_, "k", 10).error();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(status.reason(), "signature_mismatch") << status.ToString();
  wrong.credentials.access_key = "nobody";
  store = MakeLiveStore(*S3Bucket::Open(PosixFileSystem(), wrong, nullptr));
  status = store->List(ctx_, "", "", 1).error();
  EXPECT_EQ(status.code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(status.reason(), "unknown_access_key") << status.ToString();
}

// A clock that is half an hour behind.
class SlowClock final : public Clock {
 public:
  MonotonicTime Now() override { return RealClock().Now(); }
  WallTime WallNow() override { return RealClock().WallNow() - std::chrono::minutes(30); }
};

TEST_F(S3LiveTest, ClockThatIsOffIsCorrected) {
  ASSERT_TRUE(Make({}));
  SlowClock clock;
  OpContext ctx(clock);
  const auto put = store_->Put(ctx, "k", "x", PutCondition::IfAbsent());
  ASSERT_TRUE(put) << put.error().ToString();
  EXPECT_EQ(store_->Get(ctx, "k", 10)->bytes, "x");
}

TEST_F(S3LiveTest, StsCredentialsWork) {
  ASSERT_TRUE(Make({}));
  S3Options sts = options_;
  sts.credentials.role_arn = "arn:minio:iam:::role/any";
  const auto store = MakeLiveStore(*S3Bucket::Open(PosixFileSystem(), sts, nullptr));
  const auto put = store->Put(ctx_, "k", "x", PutCondition::IfAbsent());
  ASSERT_TRUE(put) << put.error().ToString();
  EXPECT_EQ(GetText("k"), "x");
}

// Runs where the store has a KMS key of the name in AKIDB_TEST_S3_KMS_KEY.
TEST_F(S3LiveTest, EncryptedObjectsReadBack) {
  options_.sse_kms_key = Variable("AKIDB_TEST_S3_KMS_KEY");
  if (options_.sse_kms_key.empty()) GTEST_SKIP() << "AKIDB_TEST_S3_KMS_KEY is not set";
  ASSERT_TRUE(Make({}));
  const std::string body = Pattern((9 << 20) + 1);
  const ObjectMeta small = *store_->Put(ctx_, "small", "secret", PutCondition::IfAbsent());
  ASSERT_TRUE(Write("big", body, PutCondition::IfAbsent()));
  EXPECT_EQ(GetText("small"), "secret");
  EXPECT_TRUE(GetText("big") == body);
  EXPECT_EQ(store_->Head(ctx_, "small")->etag, small.etag);
}

}  // namespace
}  // namespace akidb::s3
