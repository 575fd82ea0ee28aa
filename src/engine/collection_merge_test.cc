// Merges beside commits whose outcome is not known yet: what readers are shown stays what they were told (I2).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/engine_testing.h"
#include "format/object_keys.h"
#include "objstore/forwarding_store_testing.h"
#include "objstore/memory/memory_store.h"

namespace akidb {
namespace {

using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

// While it is mute, manifests that are put arrive, but nobody is told, and nobody can look.
class MuteStore final : public ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  bool mute = false;

  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override {
    if (mute && key == last_) return std::unexpected(Unavailable("mute"));
    return base().Get(ctx, key, size_max);
  }
  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override {
    auto put = base().Put(ctx, key, body, condition);
    if (!mute || key.find("/manifest/") == std::string::npos) return put;
    last_ = key;
    return std::unexpected(Unavailable("mute").WithEffectUnknown());
  }

 private:
  std::string last_;
};

class MergeTest : public testing::Test {
 protected:
  void Open(bool shared) {
    EngineOptions options = TestDatabase::SmallOptions();
    options.shared_store = shared;
    options.node = "a";
    node_.emplace(options, store_);
    docs_ = node_->Create("docs", 2);
  }
  // A row that is in memory only.
  Lsn Apply(const std::string& id, const std::string& payload) {
    WriteRows rows;
    rows.ids = {id};
    const float vector[] = {1, 0};
    rows.vectors = vector;
    rows.dim = 2;
    rows.payloads = {payload};
    const auto written = docs_->Write(node_->ctx(), rows, WriteMode::kUpsert, BatchPolicy::kAllOrNothing);
    EXPECT_TRUE(written) << written.error().ToString();
    return written ? written->position.lsn : Lsn(0);
  }
  void Flushed(const std::string& id) {
    Apply(id, "{}");
    ASSERT_TRUE(docs_->Flush(node_->ctx()).ok());
  }

  ManualClock clock_;
  std::shared_ptr<MuteStore> store_ = std::make_shared<MuteStore>(NewMemoryStore(clock_));
  std::optional<TestDatabase> node_;
  std::shared_ptr<Collection> docs_;
};

// Others show the new version of the row by then; this node does not know yet that it is committed.
TEST_F(MergeTest, LeavesOutNoRowWhoseReplacementIsNotSeenYet) {
  Open(true);
  for (const std::string id : {"1", "2", "3", "4"}) Flushed(id);
  ASSERT_EQ(docs_->stats().segment_count, 4u);
  Apply("1", R"({"v":2})");
  store_->mute = true;
  EXPECT_FALSE(docs_->Flush(node_->ctx()).ok());
  store_->mute = false;
  node_->clock().Advance(std::chrono::seconds(5));
  node_->executor().Step("follow");  // finds that the flush was committed, which is not its business
  const ManifestVersion before = docs_->stats().manifest_version;
  node_->executor().Step("merge");
  ASSERT_GT(docs_->stats().manifest_version, before);
  EXPECT_THAT(node_->Contents(*docs_),
              UnorderedElementsAre(Pair("1", "{}"), Pair("2", "{}"), Pair("3", "{}"), Pair("4", "{}")));
  ASSERT_TRUE(docs_->Flush(node_->ctx()).ok());
  const auto expected =
      UnorderedElementsAre(Pair("1", R"({"v":2})"), Pair("2", "{}"), Pair("3", "{}"), Pair("4", "{}"));
  EXPECT_THAT(node_->Contents(*docs_), expected);
  EXPECT_TRUE(docs_->Merge(node_->ctx(), Collection::MergeScope::kFull).ok());
  EXPECT_THAT(node_->Contents(*docs_), expected);
}

// The merge's commit finds the flush committed, and what it deletes from the inputs belongs to the product.
TEST_F(MergeTest, CarriesWhatAFlushOfUnknownOutcomeDeleted) {
  for (const bool shared : {true, false}) {
    Open(shared);
    for (const std::string id : {"1", "2", "3", "4"}) Flushed(id);
    node_->Delete(*docs_, {"1"});
    Apply("2", R"({"v":2})");
    store_->mute = true;
    EXPECT_FALSE(docs_->Flush(node_->ctx()).ok());
    store_->mute = false;
    node_->executor().Step("merge");
    ASSERT_TRUE(docs_->Flush(node_->ctx()).ok());
    ASSERT_EQ(docs_->stats().segment_count, 2u);
    const auto expected = UnorderedElementsAre(Pair("2", R"({"v":2})"), Pair("3", "{}"), Pair("4", "{}"));
    EXPECT_THAT(node_->Contents(*docs_), expected);
    docs_.reset();
    node_->Crash();
    docs_ = node_->Get("docs");
    EXPECT_THAT(node_->Contents(*docs_), expected) << "after a crash, shared " << shared;
    docs_.reset();
    node_.reset();
    store_ = std::make_shared<MuteStore>(NewMemoryStore(clock_));
  }
}

TEST_F(MergeTest, OfNothingButDeadRowsIsFoundCommittedWhenItsAnswerWasLost) {
  for (const bool shared : {true, false}) {
    Open(shared);
    for (const std::string id : {"1", "2"}) Flushed(id);
    // A product whose last row dies before it is named stays until it is merged, or something else is flushed.
    node_->DuringNext(StoreOp::kCommit, [&] {
      node_->Delete(*docs_, {"1", "2"});
      ASSERT_TRUE(docs_->Flush(node_->ctx()).ok());
    });
    ASSERT_TRUE(docs_->Merge(node_->ctx(), Collection::MergeScope::kFull).ok());
    ASSERT_EQ(docs_->stats().segment_count, 1u);
    store_->mute = true;
    EXPECT_FALSE(docs_->Merge(node_->ctx(), Collection::MergeScope::kFull).ok());
    store_->mute = false;
    const Status merged = docs_->Merge(node_->ctx(), Collection::MergeScope::kFull);
    EXPECT_TRUE(merged.ok()) << merged.ToString();
    EXPECT_EQ(docs_->stats().segment_count, 0u);
    EXPECT_THAT(node_->Contents(*docs_), IsEmpty());
    docs_.reset();
    node_.reset();
    store_ = std::make_shared<MuteStore>(NewMemoryStore(clock_));
  }
}

TEST_F(MergeTest, ADropEndsTheOneThatItMakesNeedless) {
  Open(false);
  Flushed("1");
  Flushed("2");
  const uint64_t uploads = node_->store().calls(StoreOp::kCommit);
  const uint64_t puts = node_->store().calls(StoreOp::kPut);
  uint64_t puts_of_drop = 0;
  node_->DuringNext(StoreOp::kOpenWriter, [&] {
    ASSERT_TRUE(node_->db().Drop(node_->ctx(), "docs").ok());
    puts_of_drop = node_->store().calls(StoreOp::kPut) - puts;
  });
  EXPECT_TRUE(docs_->Merge(node_->ctx(), Collection::MergeScope::kFull).ok());
  EXPECT_EQ(node_->store().calls(StoreOp::kCommit), uploads) << "the segment was not finished";
  EXPECT_EQ(node_->store().calls(StoreOp::kPut), puts + puts_of_drop) << "nor published";
}

// What another node commits meanwhile has a version that readers know to be of the revert.
TEST_F(MergeTest, VersionsAfterARevertOfUnknownOutcomeAreNotToldBeforeItIsShown) {
  Open(true);
  ASSERT_TRUE(docs_->CreateSnapshot(node_->ctx(), "s"));
  Flushed("1");
  const ManifestVersion target = docs_->stats().manifest_version;
  Flushed("2");
  const ManifestVersion before = docs_->stats().manifest_version;
  store_->mute = true;
  EXPECT_FALSE(docs_->Revert(node_->ctx(), AtVersion{target}));
  store_->mute = false;
  EngineOptions options = TestDatabase::SmallOptions();
  options.shared_store = true;
  options.node = "b";
  TestDatabase other(options, store_, 8);
  ASSERT_TRUE(other.Get("docs")->DeleteSnapshot(other.ctx(), "s").ok());
  node_->clock().Advance(std::chrono::seconds(5));
  node_->executor().Step("follow");
  const auto read = docs_->Read(node_->ctx());
  ASSERT_TRUE(read);
  EXPECT_EQ((*read)->position().version, before);
  EXPECT_EQ(node_->Contents(**read).size(), 2u);
  node_->executor().Step("trim");
  EXPECT_EQ(docs_->stats().manifest_version, ManifestVersion(before.value() + 2));
  EXPECT_THAT(node_->Contents(*docs_), UnorderedElementsAre(Pair("1", "{}")));
}

}  // namespace
}  // namespace akidb
