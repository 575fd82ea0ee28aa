// Reading back, trimming and collecting go on beside commits: they hold up nobody, and what is committed meanwhile is
// taken into account (I2, I7, I8).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/engine_testing.h"
#include "format/manifest_format.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

using std::chrono::seconds;
using testing::IsSupersetOf;
using testing::SizeIs;

std::vector<TestRow> ShortRows(int begin, int end, const std::string& tag = "a") {
  std::vector<TestRow> rows;
  for (int i = begin; i < end; ++i) {
    const auto x = static_cast<float>(i);
    rows.push_back({"id" + std::to_string(i), {x, 1}, "{\"tag\":\"" + tag + "\"}"});
  }
  return rows;
}

class UpkeepTest : public testing::Test {
 protected:
  static EngineOptions OneVersion() {
    EngineOptions options = TestDatabase::SmallOptions();
    options.retain_versions = 1;
    options.retain_age = {};
    return options;
  }
  void SetUp() override { Fresh(); }
  void Fresh() {
    docs_.reset();
    test_.emplace(OneVersion());
    docs_ = test_->Create("docs", 2);
  }
  void Flushed(const std::vector<TestRow>& rows) {
    test_->Upsert(*docs_, rows);
    ASSERT_TRUE(docs_->Flush(test_->ctx()).ok());
  }
  std::vector<std::string> Segments() {
    std::vector<std::string> keys;
    for (const ObjectMeta& object :
         test_->store().List(test_->ctx(), CollectionPrefix(docs_->id()) + "segments/", "", 1000)->objects)
      keys.push_back(object.key);
    return keys;
  }
  // Four segments, merged into one that was not read back; the collector has seen them, and would delete them once it
  // has read that one. Returns their keys.
  std::vector<std::string> ReplacedByAMerge() {
    for (int i = 0; i < 4; ++i) Flushed(ShortRows(i * 10, i * 10 + 10));
    auto replaced = Segments();
    EXPECT_TRUE(docs_->Merge(test_->ctx(), Collection::MergeScope::kFull).ok());
    test_->executor().Step("collect");
    test_->clock().Advance(seconds(121));
    return replaced;
  }
  void ExpectWhole(const RowMap& expected) {
    EXPECT_EQ(test_->Contents(*docs_), expected);
    docs_.reset();
    test_->Crash();
    docs_ = test_->Get("docs");
    EXPECT_EQ(test_->Contents(*docs_), expected);
  }

  std::optional<TestDatabase> test_;
  std::shared_ptr<Collection> docs_;
};

TEST_F(UpkeepTest, AFlushDoesNotWaitForAReadBack) {
  Flushed(ShortRows(0, 10));
  test_->clock().Advance(seconds(61));
  const ManifestVersion before = docs_->stats().manifest_version;
  test_->DuringNext(StoreOp::kGetRange, [&] { Flushed(ShortRows(10, 20)); });
  test_->executor().Step("trim");
  ASSERT_FALSE(test_->ForgetInterruption());
  EXPECT_EQ(docs_->stats().manifest_version, before.Next());
  EXPECT_THAT(test_->Contents(*docs_), SizeIs(20));
}

TEST_F(UpkeepTest, AFlushDoesNotWaitForTheCollector) {
  for (const StoreOp op : {StoreOp::kGet, StoreOp::kGetRange, StoreOp::kList, StoreOp::kDelete}) {
    bool again = true;
    for (uint64_t nth = 1; again; ++nth) {
      Fresh();
      const auto replaced = ReplacedByAMerge();
      test_->DuringNext(
          op,
          [&] {
            Flushed(ShortRows(35, 45, "b"));
            test_->Delete(*docs_, {"id3"});
            ASSERT_TRUE(docs_->Merge(test_->ctx(), Collection::MergeScope::kFull).ok());
            Flushed(ShortRows(90, 91, "c"));
          },
          nth);
      test_->executor().Step("collect");
      again = !test_->ForgetInterruption();
      if (again) {
        RowMap expected;
        for (const TestRow& row : ShortRows(0, 35)) expected[row.id] = row.payload;
        for (const TestRow& row : ShortRows(35, 45, "b")) expected[row.id] = row.payload;
        expected["id90"] = R"({"tag":"c"})";
        expected.erase("id3");
        SCOPED_TRACE(testing::Message() << kStoreOpNames[Index(op)] << " " << nth);
        ExpectWhole(expected);
        ASSERT_FALSE(HasFailure());
      } else {
        EXPECT_GT(nth, 1u) << kStoreOpNames[Index(op)] << " was never interrupted";
        EXPECT_THAT(Segments(), SizeIs(1)) << "what the merge replaced is gone";
      }
    }
  }
}

TEST_F(UpkeepTest, AMergeDuringTheListingBeginsTheGraceOfWhatItsInputReplacedAnew) {
  for (uint64_t nth = 1; nth <= 4; ++nth) {
    Fresh();
    const auto replaced = ReplacedByAMerge();
    test_->DuringNext(
        StoreOp::kList,
        [&] {
          // Neither the input nor the product of this merge was ever read back.
          Flushed(ShortRows(50, 60));
          ASSERT_TRUE(docs_->Merge(test_->ctx(), Collection::MergeScope::kFull).ok());
        },
        nth);
    test_->executor().Step("collect");
    ASSERT_FALSE(test_->ForgetInterruption());
    EXPECT_THAT(Segments(), IsSupersetOf(replaced)) << "listing " << nth;
    for (int i = 0; i < 10; ++i) {
      test_->clock().Advance(seconds(121));
      test_->executor().Step("collect");
    }
    EXPECT_THAT(Segments(), SizeIs(1));
    EXPECT_THAT(test_->Contents(*docs_), SizeIs(50));
  }
}

TEST_F(UpkeepTest, AFlushThatEmptiesAMergedSegmentBeginsTheGraceOfWhatThatReplacedAnew) {
  const auto replaced = ReplacedByAMerge();
  Flushed(ShortRows(0, 40, "b"));  // of which nothing was read back either
  test_->executor().Step("collect");
  EXPECT_THAT(Segments(), IsSupersetOf(replaced));
  for (int i = 0; i < 10; ++i) {
    test_->clock().Advance(seconds(121));
    test_->executor().Step("collect");
  }
  EXPECT_THAT(Segments(), SizeIs(1));
  EXPECT_THAT(test_->Contents(*docs_), SizeIs(40));
}

TEST_F(UpkeepTest, ARevertWhileTheCollectorWorksKeepsItsObjects) {
  for (const StoreOp op : {StoreOp::kList, StoreOp::kGetRange, StoreOp::kGet}) {
    Fresh();
    for (int i = 0; i < 4; ++i) Flushed(ShortRows(i * 10, i * 10 + 10));
    const RowMap then = test_->Contents(*docs_);
    const ManifestVersion version = docs_->stats().manifest_version;
    ASSERT_TRUE(docs_->Merge(test_->ctx(), Collection::MergeScope::kFull).ok());
    test_->executor().Step("collect");
    test_->clock().Advance(seconds(121));
    // The boundary has not moved yet, so the version before the merge can still be reverted to.
    bool reverted = false;
    test_->DuringNext(op, [&] { reverted = docs_->Revert(test_->ctx(), AtVersion{version}).has_value(); });
    test_->executor().Step("collect");
    ASSERT_FALSE(test_->ForgetInterruption());
    EXPECT_TRUE(reverted);
    for (int i = 0; i < 10; ++i) {
      test_->clock().Advance(seconds(121));
      test_->executor().Step("collect");
    }
    ExpectWhole(then);
    EXPECT_THAT(Segments(), SizeIs(4));
  }
}

TEST_F(UpkeepTest, APinThatGoesWhileManifestsAreRetiredIsRetiredLater) {
  Flushed(ShortRows(0, 10));
  ASSERT_TRUE(docs_->CreateSnapshot(test_->ctx(), "one"));
  ASSERT_TRUE(docs_->CreateSnapshot(test_->ctx(), "two"));
  // The deletes of the second replace those of the first, which are garbage: the boundary moves.
  Flushed(ShortRows(0, 5, "b"));
  Flushed(ShortRows(5, 10, "b"));
  for (int i = 0; i < 5; ++i) {
    test_->clock().Advance(seconds(121));
    test_->executor().Step("collect");
  }
  const auto two = docs_->FindSnapshot("two");
  ASSERT_TRUE(two);
  ASSERT_TRUE(docs_->DeleteSnapshot(test_->ctx(), "one").ok());
  // While the one's manifest becomes a tombstone.
  test_->DuringNext(StoreOp::kPut, [&] { ASSERT_TRUE(docs_->DeleteSnapshot(test_->ctx(), "two").ok()); });
  for (int i = 0; i < 10; ++i) {
    test_->clock().Advance(seconds(121));
    test_->executor().Step("collect");
  }
  ASSERT_FALSE(test_->ForgetInterruption());
  const auto body = test_->store().Get(test_->ctx(), ManifestKey(docs_->id(), two->version), 1 << 20);
  ASSERT_TRUE(body);
  EXPECT_TRUE(DecodeManifestTombstone(body->bytes).value().has_value());
}

TEST_F(UpkeepTest, AVersionThatLostItsPinHidesNoneThatAreStillToBeRetired) {
  const auto refuse = [&] { test_->store().SetPlan(FaultPlan::Everywhere({.refuse = 1})); };
  for (int i = 0; i < 3; ++i) Flushed(ShortRows(0, 10, std::to_string(i)));
  ASSERT_TRUE(docs_->CreateSnapshot(test_->ctx(), "one"));
  for (int i = 3; i < 6; ++i) Flushed(ShortRows(0, 10, std::to_string(i)));
  ASSERT_TRUE(docs_->Merge(test_->ctx(), Collection::MergeScope::kFull).ok());
  // The boundary, one tombstone, and no more.
  test_->DuringNext(StoreOp::kPut, refuse, 3);
  for (int i = 0; i < 5; ++i) {
    test_->clock().Advance(seconds(121));
    test_->executor().Step("collect");
  }
  ASSERT_FALSE(test_->ForgetInterruption());
  test_->store().SetPlan(FaultPlan::Nothing());
  ASSERT_TRUE(docs_->DeleteSnapshot(test_->ctx(), "one").ok());
  test_->DuringNext(StoreOp::kPut, refuse, 2);
  test_->executor().Step("collect");
  ASSERT_FALSE(test_->ForgetInterruption());
  test_->store().SetPlan(FaultPlan::Nothing());
  docs_.reset();
  test_->Crash();
  docs_ = test_->Get("docs");
  Flushed(ShortRows(0, 1, "x"));
  for (int i = 0; i < 10; ++i) {
    test_->clock().Advance(seconds(121));
    test_->executor().Step("collect");
  }
  const ManifestVersion oldest = docs_->stats().oldest_version;
  EXPECT_GT(oldest.value(), 8u);
  for (ManifestVersion version(1); version < oldest; version = version.Next()) {
    const auto body = test_->store().Get(test_->ctx(), ManifestKey(docs_->id(), version), 1 << 20);
    ASSERT_TRUE(body);
    EXPECT_TRUE(DecodeManifestTombstone(body->bytes).value().has_value()) << version.value();
  }
}

}  // namespace
}  // namespace akidb
