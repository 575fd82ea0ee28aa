// Named interleavings of committers: flushes, merges, reverts, pins, clones and the collector.
#include <gmock/gmock.h>

#include "format/object_keys.h"
#include "scenario_testing.h"

namespace akidb::sim {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

using CommitScenario = ScenarioTest;

TEST_F(CommitScenario, CommitOfWhichAReadSays404AndThatLandsLaterHappensOnce) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  WhenSending(*a, StoreOp::kPut, "/manifest/", [] { return Fate::kLate; });
  Flush(*a);  // the read after it finds nothing, so the same bytes are sent again
  const ManifestVersion version = Head(docs->id())->version;
  EXPECT_EQ(bucket_.DeliverAll(), 0);
  EXPECT_EQ(Head(docs->id())->version, version);
  EXPECT_EQ(Head(docs->id())->segments.size(), 1u);
  EXPECT_EQ(Rows(*a), "1=10");
}

TEST_F(CommitScenario, CommitThatLandsWhenItsSenderHasGivenUpIsFoundByItsSender) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  Always(*a, StoreOp::kPut, "/manifest/", Fate::kLate);
  NodeContext ctx = a->Context(hours(5));
  EXPECT_EQ(Get(*a)->Flush(ctx).effect(), Effect::kUnknown);
  const ManifestVersion before = Head(docs->id())->version;
  EXPECT_EQ(bucket_.DeliverAll(), 1);
  EXPECT_EQ(Head(docs->id())->version, before.Next());
  Clear(*a);
  Flush(*a);
  EXPECT_EQ(Head(docs->id())->version, before.Next()) << "nothing was left to do";
  Write(*a, "2", 20);
  Flush(*a);
  EXPECT_EQ(Rows(*a), "1=10 2=20");
}

TEST_F(CommitScenario, CommitThatLandsAfterATakeoverIsRefused) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  Always(*a, StoreOp::kPut, "/manifest/", Fate::kLate);
  NodeContext ctx = a->Context(hours(5));
  EXPECT_EQ(Get(*a)->Flush(ctx).effect(), Effect::kUnknown);
  auto b = StartNode("b");
  Write(*b, "2", 20);
  EXPECT_EQ(bucket_.DeliverAll(), 0);
  Flush(*b);
  Clear(*a);
  RunFor(*a, seconds(10));
  EXPECT_EQ(Rows(*a), "1=10 2=20");
  EXPECT_EQ(Rows(*b), "1=10 2=20");
  EXPECT_EQ(Head(docs->id())->segments.size(), 1u);
}

TEST_F(CommitScenario, CreateAnsweredTwiceIsWonByItsSender) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  WhenSending(*a, StoreOp::kPut, "/manifest/", [] { return Fate::kTwice; });
  Flush(*a);
  WhenSending(*a, StoreOp::kPut, "/wal/", [] { return Fate::kTwice; });
  Write(*a, "2", 20);
  EXPECT_EQ(Rows(*a), "1=10 2=20");
  EXPECT_EQ(Head(docs->id())->epoch, Epoch(1));
}

TEST_F(CommitScenario, WriterThatStalledAnHourBetweenUploadAndCommitWhileTheCollectorRan) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  auto b = StartNode("b");
  std::string uploaded;
  WhenSending(*a, StoreOp::kPut, "/manifest/", [&] {
    uploaded = Keys("/segments/").back();
    for (int i = 2; i <= 4; ++i) {
      Write(*b, std::to_string(i), 10 * i);
      Flush(*b);
    }
    Merge(*b);
    RunFor(*b, hours(1));
    EXPECT_EQ(bucket_.Find(uploaded), nullptr) << "the collector ran";
    return Fate::kSend;
  });
  NodeContext ctx = a->Context(hours(5));
  EXPECT_EQ(Get(*a)->Flush(ctx).reason(), "not_the_writer");
  EXPECT_EQ(Rows(*a), "1=10 2=20 3=30 4=40");
  EXPECT_EQ(Rows(*b), "1=10 2=20 3=30 4=40");
  for (const std::string& key : truth_.Garbage()) ADD_FAILURE() << key;
}

TEST_F(CommitScenario, CommitterThatWakesToFindItsVersionTurnedIntoATombstone) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  auto b = StartNode("b");
  std::string version;
  WhenSending(*a, StoreOp::kPut, "/manifest/", [&] { return Fate::kLoseAnswer; });
  WhenAnswered(*a, StoreOp::kPut, "/manifest/", [&] {
    version = Keys("/manifest/").back();
    for (int i = 2; i <= 4; ++i) {
      Write(*b, std::to_string(i), 10 * i);
      Flush(*b);
    }
    Merge(*b);
    RunFor(*b, hours(1));
  });
  NodeContext ctx = a->Context(hours(5));
  const Status flushed = Get(*a)->Flush(ctx);
  EXPECT_TRUE(DecodeManifestTombstone(*bucket_.Find(version)).value().has_value());
  EXPECT_TRUE(flushed.ok() || flushed.reason() == "not_the_writer") << flushed.ToString();
  WriteInSomeTries(*a, "5", 50);
  EXPECT_EQ(Rows(*a), "1=10 2=20 3=30 4=40 5=50");
}

TEST_F(CommitScenario, CloneWhoseSourceIsDroppedKeepsWhatItNeedsAndNotMore) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  Flush(*a);
  NodeContext ctx = a->Context(hours(5));
  ASSERT_TRUE(a->db().Clone(ctx, "docs", "copy", std::nullopt));
  Write(*a, "2", 20);
  Flush(*a);
  ASSERT_TRUE(a->db().Drop(ctx, "docs").ok());
  RunFor(*a, hours(1));
  EXPECT_EQ(Rows(*a, "copy"), "1=10");
  EXPECT_EQ(Keys(CollectionPrefix(docs->id()) + "segments/").size(), 1u);
  auto b = StartNode("b");
  EXPECT_EQ(Rows(*b, "copy"), "1=10");
  Write(*b, "3", 30, "copy");
  Merge(*b, "copy");
  RunFor(*b, hours(1));
  EXPECT_EQ(Rows(*b, "copy"), "1=10 3=30");
  EXPECT_TRUE(Keys(CollectionPrefix(docs->id()) + "segments/").empty()) << "a merge has made them its own";
  NodeContext later = b->Context();
  ASSERT_TRUE(b->db().Drop(later, "copy").ok());
  RunFor(*b, hours(1));
  EXPECT_TRUE(Keys("/segments/").empty());
  for (const std::string& key : truth_.Garbage()) ADD_FAILURE() << key;
}

TEST_F(CommitScenario, SourceDroppedWhileACloneIsMade) {
  auto a = StartNode("a");
  Create(*a, "docs");
  Write(*a, "1", 10);
  Flush(*a);
  auto b = StartNode("b");
  // The pin is committed; the clone's first manifest is about to be.
  WhenSending(*a, StoreOp::kPut, "c/2/manifest/", [&] {
    NodeContext ctx = b->Context(hours(5));
    EXPECT_TRUE(b->db().Drop(ctx, "docs").ok());
    RunFor(*b, hours(1));
    return Fate::kSend;
  });
  NodeContext ctx = a->Context(hours(5));
  const auto cloned = a->db().Clone(ctx, "docs", "copy", std::nullopt);
  if (cloned) {
    EXPECT_EQ(Rows(*a, "copy"), "1=10");
  } else {
    EXPECT_NE(cloned.error().code(), StatusCode::kDataLoss) << cloned.error().ToString();
  }
  RunFor(*b, hours(1));
  for (const std::string& key : truth_.Garbage()) ADD_FAILURE() << key;
}

TEST_F(CommitScenario, TwoNodesCloneOneCollectionAtOnce) {
  auto a = StartNode("a");
  Create(*a, "docs");
  Write(*a, "1", 10);
  Flush(*a);
  auto b = StartNode("b");
  EXPECT_EQ(Rows(*b), "1=10");
  // Both take the next free id; the other one's pin is there first.
  WhenSending(*a, StoreOp::kPut, "/manifest/", [&] {
    NodeContext ctx = b->Context(hours(5));
    EXPECT_TRUE(b->db().Clone(ctx, "docs", "theirs", AtVersion{ManifestVersion(2)}));
    return Fate::kSend;
  });
  NodeContext ctx = a->Context(hours(5));
  const auto cloned = a->db().Clone(ctx, "docs", "mine", AtVersion{ManifestVersion(2)});
  ASSERT_TRUE(cloned) << cloned.error().ToString();
  EXPECT_EQ(Rows(*a, "mine"), "1=10");
  EXPECT_EQ(Rows(*b, "theirs"), "1=10");
  EXPECT_NE(Get(*a, "mine")->id(), Get(*a, "theirs")->id());
}

TEST_F(CommitScenario, CollectingGoesOnAfterACommitThatMetAnotherNodesAndWasRefused) {
  auto a = StartNode("a");
  Create(*a, "docs");
  Write(*a, "1", 10);
  NodeContext ctx = a->Context(hours(5));
  ASSERT_TRUE(a->db().Clone(ctx, "docs", "copy", std::nullopt));
  Write(*a, "2", 20, "copy");
  ASSERT_TRUE(Get(*a, "copy")->CreateSnapshot(ctx, "s"));
  auto b = StartNode("b");
  ASSERT_TRUE(Get(*b, "copy")->DeleteSnapshot(ctx, "s").ok());
  EXPECT_EQ(Get(*a, "copy")->DeleteSnapshot(ctx, "s").reason(), "snapshot_not_found");
  RunFor(*a, hours(1));
  Merge(*a, "copy");
  RunFor(*a, hours(1));
  EXPECT_EQ(Rows(*a, "copy"), "1=10 2=20");
  for (const std::string& key : truth_.Garbage()) ADD_FAILURE() << key;
}

TEST_F(CommitScenario, SnapshotAndCloneOfADeposedWriterAreRefused) {
  auto a = StartNode("a");
  Create(*a, "docs");
  auto b = StartNode("b");
  Write(*b, "1", 10);
  // The first node has nothing to publish and does not know that what was acknowledged is in another's log.
  NodeContext ctx = a->Context(hours(5));
  const auto refused = Get(*a)->CreateSnapshot(ctx, "s");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason(), "not_the_writer");
  ASSERT_TRUE(Get(*a)->CreateSnapshot(ctx, "s")) << "the next try takes over";
  EXPECT_EQ(Rows(**Get(*a)->ReadAt(ctx, AtSnapshot{"s"}), *a), "1=10");
  WriteInSomeTries(*b, "2", 20);
  const auto reverted = Get(*a)->Revert(ctx, AtSnapshot{"s"});
  ASSERT_FALSE(reverted);
  EXPECT_EQ(reverted.error().reason(), "not_the_writer");
  EXPECT_EQ(reverted.error().retry(), Retry::kBackoff);
}

TEST_F(CommitScenario, VersionThatTheCollectorHasJustDoomedIsPinnedByNobody) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  Flush(*a);
  auto b = StartNode("b");
  EXPECT_EQ(Rows(*b), "1=10");
  const ManifestVersion version = Head(docs->id())->version;
  Write(*a, "2", 20);
  Flush(*a);
  Merge(*a);
  RunFor(*a, seconds(110));
  EXPECT_LE(Head(docs->id())->gc_boundary, version) << "the grace is not over";
  WhenSending(*b, StoreOp::kPut, "/manifest/", [&] {
    RunFor(*a, seconds(50));
    EXPECT_GT(Head(docs->id())->gc_boundary, version) << "doomed";
    return Fate::kSend;
  });
  NodeContext ctx = b->Context(hours(5));
  const auto cloned = b->db().Clone(ctx, "docs", "copy", AtVersion{version});
  ASSERT_FALSE(cloned);
  EXPECT_EQ(cloned.error().reason(), "version_retired") << cloned.error().ToString();
  EXPECT_TRUE(Head(docs->id())->pins.empty());
  const auto reverted = Get(*b)->Revert(ctx, AtVersion{version});
  ASSERT_FALSE(reverted);
  EXPECT_EQ(reverted.error().reason(), "version_retired") << reverted.error().ToString();
}

TEST_F(CommitScenario, SnapshotTakenWhileTheCollectorDoomsKeepsItsObjects) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  for (int i = 1; i <= 2; ++i) {
    Write(*a, std::to_string(i), 10 * i);
    Flush(*a);
  }
  Merge(*a);
  auto b = StartNode("b");
  EXPECT_EQ(Rows(*b), "1=10 2=20");
  // The collector is about to commit its boundary; a reader node pins the head first.
  bool pinned = false;
  RunFor(*a, seconds(100));
  WhenSending(*a, StoreOp::kPut, "/manifest/", [&] {
    NodeContext ctx = b->Context(hours(5));
    pinned = b->db().Clone(ctx, "docs", "copy", AtVersion{Head(docs->id())->version}).has_value();
    return Fate::kSend;
  });
  RunFor(*a, hours(1));
  EXPECT_TRUE(pinned);
  EXPECT_EQ(Rows(*b, "copy"), "1=10 2=20");
}

TEST_F(CommitScenario, DeleteAgainstASegmentThatAMergeReplaces) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  for (int i = 1; i <= 3; ++i) {
    Write(*a, std::to_string(i), 10 * i);
    Flush(*a);
  }
  // The merge has read its inputs. One row goes and is published as deleted, one goes and stays in the log.
  WhenSending(*a, StoreOp::kPut, "/segments/", [&] {
    Delete(*a, "1");
    Flush(*a);
    Delete(*a, "2");
    Write(*a, "3", 31);
    return Fate::kSend;
  });
  Merge(*a);
  EXPECT_EQ(Rows(*a), "3=31");
  a->Kill();
  auto b = StartNode("b");
  EXPECT_EQ(Rows(*b), "3=31");
  Write(*b, "4", 40);
  Flush(*b);
  EXPECT_EQ(Rows(*b), "3=31 4=40");
}

TEST_F(CommitScenario, MergeAcrossARevertIsGivenUp) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  NodeContext ctx = a->Context(hours(5));
  ASSERT_TRUE(Get(*a)->CreateSnapshot(ctx, "s"));
  for (int i = 2; i <= 3; ++i) {
    Write(*a, std::to_string(i), 10 * i);
    Flush(*a);
  }
  WhenSending(*a, StoreOp::kPut, "/segments/", [&] {
    NodeContext inner = a->Context();
    EXPECT_TRUE(Get(*a)->Revert(inner, AtSnapshot{"s"}));
    return Fate::kSend;
  });
  const Status merged = Get(*a)->Merge(ctx, Collection::MergeScope::kFull);
  EXPECT_EQ(merged.code(), StatusCode::kAborted) << merged.ToString();
  EXPECT_EQ(Rows(*a), "1=10");
  EXPECT_EQ(Head(docs->id())->segments.size(), 1u);
  RunFor(*a, hours(1));
  auto b = StartNode("b");
  EXPECT_EQ(Rows(*b), "1=10");
}

TEST_F(CommitScenario, RevertWhoseAnswerIsLostIsFoundByTheNextCommit) {
  auto a = StartNode("a");
  const auto docs = Create(*a, "docs");
  Write(*a, "1", 10);
  NodeContext ctx = a->Context(hours(5));
  ASSERT_TRUE(Get(*a)->CreateSnapshot(ctx, "s"));
  Write(*a, "2", 20);
  Flush(*a);
  Always(*a, StoreOp::kPut, "/manifest/", Fate::kLate);
  const auto reverted = Get(*a)->Revert(ctx, AtSnapshot{"s"});
  ASSERT_FALSE(reverted);
  EXPECT_EQ(reverted.error().effect(), Effect::kUnknown);
  EXPECT_EQ(bucket_.DeliverAll(), 1);
  Clear(*a);
  Write(*a, "3", 30);
  Flush(*a);
  EXPECT_EQ(Rows(*a), "1=10 3=30");
  EXPECT_EQ(Head(docs->id())->revert_generation, 1u);
  a->Kill();
  auto b = StartNode("b");
  EXPECT_EQ(Rows(*b), "1=10 3=30");
}

}  // namespace
}  // namespace akidb::sim
