#include "engine/bucket_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/engine_testing.h"
#include "format/object_keys.h"
#include "objstore/memory/memory_store.h"

namespace akidb {
namespace {

using testing::ElementsAre;

const CollectionId kCollection(3);
const Epoch kEpoch(2);

class BucketLogTest : public testing::Test {
 protected:
  BucketLogTest() {
    env_.clock = &clock_;
    env_.random = random_.get();
    env_.executor = &executor_;
    log_ = BucketLog::New(env_, store_, kCollection, kEpoch, Lsn(10));
    EXPECT_TRUE(log_->Begin(ctx_).ok());
  }
  Lsn Append(size_t bytes = 10) { return log_->Append(ctx_, WalRecordType::kDelete, std::string(bytes, 'x')).value(); }
  // First LSN and number of records of each object, but for the stream's first.
  std::vector<std::pair<uint64_t, uint32_t>> Objects() {
    std::vector<std::pair<uint64_t, uint32_t>> out;
    for (const ObjectMeta& each : store_->List(ctx_, WalPrefix(kCollection, kEpoch), "", 1000).value().objects) {
      const std::string bytes = store_->Get(ctx_, each.key, kWalObjectBytesMax).value().bytes;
      const WalObject object = DecodeWalObject(bytes, kCollection, kEpoch).value();
      if (object.header.sequence.value() > 1)
        out.emplace_back(object.header.first_lsn.value(), object.header.record_count);
    }
    return out;
  }
  Status Wait(Lsn lsn) { return log_->WaitDurable(ctx_, lsn); }

  ManualClock clock_;
  ManualExecutor executor_{clock_};
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  std::shared_ptr<ObjectStore> store_ = NewMemoryStore(clock_);
  OpContext ctx_{clock_};
  Environment env_;
  std::shared_ptr<BucketLog> log_;
};

TEST_F(BucketLogTest, SendsNothingBeforeSomebodyWaits) {
  Append();
  executor_.RunUntilIdle();
  EXPECT_THAT(Objects(), ElementsAre());
  EXPECT_EQ(log_->durable_lsn(), Lsn(10));
  EXPECT_TRUE(Wait(Lsn(11)).ok());
  EXPECT_THAT(Objects(), ElementsAre(std::pair(11, 1)));
}

TEST_F(BucketLogTest, SendsAllThatWaitsWithWhatWasAskedFor) {
  for (int i = 0; i < 3; ++i) Append(200'000);
  EXPECT_TRUE(Wait(Lsn(11)).ok());
  EXPECT_THAT(Objects(), ElementsAre(std::pair(11, 3)));
  EXPECT_EQ(log_->durable_lsn(), Lsn(13));
}

TEST_F(BucketLogTest, LeavesOutWhatWasPublishedBeforeAnybodyWaited) {
  Append();
  const Lsn published = Append();
  ASSERT_TRUE(log_->PrepareToPublish(ctx_, published).ok());
  EXPECT_THAT(Objects(), ElementsAre());
  log_->NotePublished(published);
  EXPECT_EQ(log_->durable_lsn(), published);
  EXPECT_TRUE(Wait(published).ok());
  EXPECT_THAT(Objects(), ElementsAre());
  EXPECT_TRUE(Wait(Append()).ok());
  EXPECT_THAT(Objects(), ElementsAre(std::pair(13, 1)));
}

TEST_F(BucketLogTest, KeepsWhatIsToBePublishedUntilItIs) {
  const Lsn lsn = Append();
  ASSERT_TRUE(log_->PrepareToPublish(ctx_, lsn).ok());  // and the commit fails
  EXPECT_TRUE(Wait(Append()).ok());
  EXPECT_THAT(Objects(), ElementsAre(std::pair(11, 2)));
}

TEST_F(BucketLogTest, SendsAGroupWholeThatReachesAboveWhatWasPublished) {
  const Lsn published = Append();
  const Lsn later = Append();
  ASSERT_TRUE(log_->PrepareToPublish(ctx_, published).ok());
  log_->NotePublished(published);
  EXPECT_EQ(log_->durable_lsn(), published);
  EXPECT_TRUE(Wait(later).ok());
  EXPECT_THAT(Objects(), ElementsAre(std::pair(11, 2)));
}

TEST_F(BucketLogTest, LogsBeforeItIsPublishedWhatSomebodyWaitsFor) {
  const Lsn asked = Append();
  const Lsn other = Append(300'000);
  int answered = 0;
  log_->NotifyDurable(ctx_, asked, [&](const Status& status) { answered += status.ok() ? 1 : 0; });
  EXPECT_EQ(answered, 0);
  ASSERT_TRUE(log_->PrepareToPublish(ctx_, other).ok());
  EXPECT_EQ(answered, 1);
  EXPECT_THAT(Objects(), ElementsAre(std::pair(11, 2)));
  EXPECT_EQ(log_->SequenceAt(other), WalSequence(2));
}

TEST_F(BucketLogTest, AnswersWhoWaitsWhenAManifestIsFaster) {
  const Lsn lsn = Append();
  ASSERT_TRUE(log_->PrepareToPublish(ctx_, lsn).ok());
  int answered = 0;
  log_->NotifyDurable(ctx_, lsn, [&](const Status& status) { answered += status.ok() ? 1 : 0; });
  log_->NotePublished(lsn);
  EXPECT_EQ(answered, 1);
}

TEST_F(BucketLogTest, SaysOfALostRecordThatAManifestMayCarryThatNobodyKnows) {
  const Lsn publishing = Append();
  ASSERT_TRUE(log_->PrepareToPublish(ctx_, publishing).ok());
  Status seen;
  log_->NotifyDurable(ctx_, publishing, [&](const Status& status) { seen = status; });
  ASSERT_TRUE(FenceStream(ctx_, env_, *store_, kCollection, kEpoch, WalSequence(0)));
  executor_.RunUntilIdle();
  EXPECT_EQ(seen.reason(), "not_the_writer");
  EXPECT_EQ(seen.effect(), Effect::kUnknown);
  EXPECT_EQ(Wait(publishing).effect(), Effect::kUnknown);
  EXPECT_EQ(Wait(publishing.Next()).effect(), Effect::kNone) << "no manifest was sent with it";
  EXPECT_FALSE(log_->PrepareToPublish(ctx_, publishing.Next()).ok());
}

TEST(CheckNothingMissingTest, RecordsBeginRightAfterWhatIsKnown) {
  EXPECT_TRUE(CheckNothingMissing(kCollection, Lsn(10), Lsn(11)).ok());
  EXPECT_TRUE(CheckNothingMissing(kCollection, Lsn(10), Lsn(4)).ok()) << "a manifest is ahead of the log";
  EXPECT_EQ(CheckNothingMissing(kCollection, Lsn(10), Lsn(12)).code(), StatusCode::kUnavailable);
}

}  // namespace
}  // namespace akidb
