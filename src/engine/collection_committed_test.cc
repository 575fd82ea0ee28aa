// Writes that are acknowledged by their commit (ack=committed) on a shared store: they are in no log, and what a log
// has after them is worth nothing without the manifest that has them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/engine_testing.h"
#include "format/object_keys.h"
#include "objstore/memory/memory_store.h"

namespace akidb {
namespace {

using testing::Pair;
using testing::UnorderedElementsAre;

class CollectionCommittedTest : public testing::Test {
 protected:
  std::unique_ptr<TestDatabase> Node(const std::string& name, std::shared_ptr<Executor> computing = nullptr) {
    EngineOptions options = TestDatabase::SmallOptions();
    options.computing = std::move(computing);
    options.shared_store = true;
    options.node = name;
    return std::make_unique<TestDatabase>(options, bucket_, ++seed_);
  }
  std::vector<std::string> Keys(const std::string& prefix) {
    OpContext ctx(clock_);
    std::vector<std::string> keys;
    for (const ObjectMeta& object : bucket_->List(ctx, prefix, "", 1000).value().objects) keys.push_back(object.key);
    return keys;
  }
  size_t LogObjects(const Collection& c) { return Keys(WalPrefix(c.id())).size(); }
  Lsn Apply(TestDatabase& node, Collection& c, const std::string& id) {
    WriteRows rows;
    rows.ids = {id};
    const float vector[] = {1, 0};
    rows.vectors = vector;
    rows.dim = 2;
    rows.payloads = {"{}"};
    const auto written = c.Write(node.ctx(), rows, WriteMode::kUpsert, BatchPolicy::kAllOrNothing);
    EXPECT_TRUE(written) << written.error().ToString();
    return written ? written->position.lsn : Lsn(0);
  }
  // Writes a row and waits for its commit.
  void Commit(TestDatabase& node, Collection& c, const std::string& id) {
    bool answered = false;
    c.NotifyCommitted(node.ctx(), Apply(node, c, id), [&](const Status& status) {
      EXPECT_TRUE(status.ok()) << status.ToString();
      answered = true;
    });
    for (int i = 0; i < 3 && !answered; ++i) node.executor().Step("flush");
    EXPECT_TRUE(answered);
  }

  ManualClock clock_;
  uint64_t seed_ = 100;
  std::shared_ptr<ObjectStore> bucket_ = NewMemoryStore(clock_);
};

TEST_F(CollectionCommittedTest, CostsASegmentAndAManifestAndNoLogObject) {
  auto a = Node("a");
  const auto docs = a->Create("docs", 2);
  Commit(*a, *docs, "1");
  const size_t log_objects = LogObjects(*docs);
  const size_t keys = Keys("").size();
  Commit(*a, *docs, "2");
  EXPECT_EQ(LogObjects(*docs), log_objects);
  EXPECT_EQ(Keys("").size(), keys + 2);
}

TEST_F(CollectionCommittedTest, IsSeenWhenItIsCommittedAndNotBefore) {
  auto a = Node("a");
  const auto docs = a->Create("docs", 2);
  Apply(*a, *docs, "1");
  EXPECT_TRUE(a->Contents(*docs).empty());
  Commit(*a, *docs, "2");
  EXPECT_THAT(a->Contents(*docs), UnorderedElementsAre(Pair("1", "{}"), Pair("2", "{}")));
}

TEST_F(CollectionCommittedTest, RowsThatNobodyWaitsForAreLeftToTheExecutorThatComputesForLong) {
  const auto computing = std::make_shared<ManualExecutor>(clock_);
  auto a = Node("a", computing);
  const auto docs = a->Create("docs", 2);
  Apply(*a, *docs, "1");
  a->clock().Advance(std::chrono::minutes(1));
  for (int i = 0; i < 3; ++i) a->executor().Step("flush");
  EXPECT_TRUE(a->Contents(*docs).empty());
  for (int i = 0; i < 3; ++i) computing->Step("unhurried flush");
  EXPECT_THAT(a->Contents(*docs), UnorderedElementsAre(Pair("1", "{}")));
}

TEST_F(CollectionCommittedTest, IsNotLeftToTheExecutorThatComputesForLong) {
  const auto computing = std::make_shared<ManualExecutor>(clock_);
  auto a = Node("a", computing);
  const auto docs = a->Create("docs", 2);
  bool answered = false;
  a->clock().Advance(std::chrono::minutes(1));
  docs->NotifyCommitted(a->ctx(), Apply(*a, *docs, "1"), [&](const Status& status) { answered = status.ok(); });
  for (int i = 0; i < 3; ++i) computing->Step("unhurried flush");
  EXPECT_FALSE(answered);
  for (int i = 0; i < 3; ++i) a->executor().Step("flush");
  EXPECT_TRUE(answered);
}

TEST_F(CollectionCommittedTest, TakerReplaysWhatFollowsWhatTheLogLeftOut) {
  auto a = Node("a");
  const auto docs = a->Create("docs", 2);
  Commit(*a, *docs, "1");
  a->Upsert(*docs, {{"2", {1, 0}}});  // in the log
  Commit(*a, *docs, "3");
  Commit(*a, *docs, "4");
  a->Upsert(*docs, {{"5", {1, 0}}});
  Apply(*a, *docs, "6");  // nobody was told of it
  a.reset();

  auto b = Node("b");
  const auto found = b->Get("docs");
  const auto expected =
      UnorderedElementsAre(Pair("1", "{}"), Pair("2", "{}"), Pair("3", "{}"), Pair("4", "{}"), Pair("5", "{}"));
  EXPECT_THAT(b->Contents(*found), expected) << "a reader";
  EXPECT_EQ(b->Delete(*found, {"6"}), 0u);  // takes over
  EXPECT_THAT(b->Contents(*found), expected);
  Commit(*b, *found, "7");
  b.reset();
  auto c = Node("c");
  EXPECT_EQ(c->Contents(*c->Get("docs")).size(), 6u);
}

TEST_F(CollectionCommittedTest, LogBehindAManifestThatTheStoreLostIsNotReplayed) {
  auto a = Node("a");
  const auto docs = a->Create("docs", 2);
  Commit(*a, *docs, "1");
  const std::string prefix = CollectionPrefix(docs->id()) + "manifest/";
  Commit(*a, *docs, "2");
  const std::string lost = Keys(prefix).back();
  a->Upsert(*docs, {{"3", {1, 0}}});
  a.reset();
  OpContext ctx(clock_);
  ASSERT_TRUE(bucket_->Delete(ctx, lost).ok());

  auto b = Node("b");
  const auto found = b->db().Get(b->ctx(), "docs");
  const Status refused = found ? internal::ToStatus(b->Write(**found, {{"4", {1, 0}}})) : found.error();
  EXPECT_EQ(refused.code(), StatusCode::kUnavailable) << refused.ToString();
}

}  // namespace
}  // namespace akidb
