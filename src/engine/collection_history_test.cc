// Snapshots, reads of earlier versions, reverts and retention, on the paths one process takes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "engine/engine_testing.h"
#include "format/json_fields.h"
#include "format/object_keys.h"
#include "query/search.h"

namespace akidb {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

EngineOptions Retaining(uint32_t versions, Duration age) {
  EngineOptions options = TestDatabase::SmallOptions();
  options.retain_versions = versions;
  options.retain_age = age;
  return options;
}

ReadPoint Version(uint64_t version) { return AtVersion{ManifestVersion(version)}; }

SnapshotInfo Take(TestDatabase& test, Collection& collection, const std::string& name) {
  const auto taken = collection.CreateSnapshot(test.ctx(), name);
  EXPECT_TRUE(taken) << (taken ? "" : taken.error().ToString());
  return taken ? *taken : SnapshotInfo{};
}

std::string ReasonAt(TestDatabase& test, Collection& collection, const ReadPoint& point) {
  const auto read = collection.ReadAt(test.ctx(), point);
  return read ? "" : std::string(read.error().reason());
}

void RunBackground(TestDatabase& test, int minutes_long) {
  for (int i = 0; i < 2 * minutes_long; ++i) {
    test.clock().Advance(seconds(30));
    test.executor().RunUntilIdle();
  }
}

size_t ObjectCount(TestDatabase& test, const std::string& prefix) {
  const auto page = test.store().List(test.ctx(), prefix, "", 1000);
  EXPECT_TRUE(page);
  return page ? page->objects.size() : 0;
}

bool IsTombstone(TestDatabase& test, uint64_t version) {
  const auto body = test.store().Get(test.ctx(), ManifestKey(CollectionId(1), ManifestVersion(version)), 1 << 20);
  EXPECT_TRUE(body);
  const auto tombstone = DecodeManifestTombstone(body ? body->bytes : "");
  EXPECT_TRUE(tombstone);
  return tombstone && tombstone->has_value();
}

TEST(SnapshotTest, KeepsExactlyWhatWasThere) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, TaggedRows(0, 10));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  test.Delete(*c, {"id3"});
  test.Upsert(*c, TaggedRows(8, 12, "b"));  // unflushed: published by the snapshot
  const RowMap then = test.Contents(*c);
  const SnapshotInfo taken = Take(test, *c, "first");
  EXPECT_EQ(taken.name, "first");
  EXPECT_EQ(test.ContentsAt(*c, Named("first")), then);
  test.Delete(*c, {"id0", "id9"});
  test.Upsert(*c, TaggedRows(1, 3, "later"));
  test.Upsert(*c, TaggedRows(20, 30));
  const RowMap now = test.Contents(*c);
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(test.ContentsAt(*c, Named("first")), then) << round;
    EXPECT_EQ(test.ContentsAt(*c, AtVersion{taken.version}), then) << round;
    EXPECT_EQ(test.Contents(*c), now) << round;
    if (round == 0) ASSERT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
    if (round == 1) {
      c.reset();
      test.Restart();
      c = test.Get("docs");
    }
  }
  const auto snapshot = c->ReadAt(test.ctx(), Named("first"));
  ASSERT_TRUE(snapshot);
  EXPECT_EQ((*snapshot)->live_rows(), then.size());
  EXPECT_EQ((*snapshot)->position().version, taken.version);
  EXPECT_EQ(*Count(test.ctx(), **snapshot, nullptr), then.size());
  SearchRequest request;
  request.vector = {3, 6, 1, -3};  // where the deleted id3 was
  request.top_k = 1;
  const auto found = Search(test.ctx(), **snapshot, request);
  ASSERT_TRUE(found);
  EXPECT_NE(found->front().id, "id3");
  EXPECT_FALSE((*snapshot)->Find("id20"));
  EXPECT_TRUE((*snapshot)->Find("id0"));
}

TEST(SnapshotTest, CostsOneRequestWhateverTheSizeWhenNothingIsUnflushed) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  for (int round = 0; round < 8; ++round) {
    test.Upsert(*c, TaggedRows(round * 200, round * 200 + 200));
    ASSERT_TRUE(c->Flush(test.ctx()).ok());
    const uint64_t before = test.requests();
    const uint64_t puts = test.store().calls(StoreOp::kPut);
    Take(test, *c, "s" + std::to_string(round));
    EXPECT_EQ(test.requests() - before, 1u);
    EXPECT_EQ(test.store().calls(StoreOp::kPut) - puts, 1u);
  }
  const uint64_t before = test.requests();
  EXPECT_EQ(c->Snapshots().size(), 8u);
  EXPECT_TRUE(c->FindSnapshot("s3"));
  EXPECT_EQ(test.requests(), before);
  ASSERT_TRUE(c->DeleteSnapshot(test.ctx(), "s3").ok());
  EXPECT_EQ(test.requests() - before, 1u);
}

TEST(SnapshotTest, NamesAreUniqueCheckedAndCounted) {
  EngineOptions options = TestDatabase::SmallOptions();
  options.limits.snapshots_max = 2;
  TestDatabase test(options);
  auto c = test.Create("docs", 4);
  Take(test, *c, "a");
  EXPECT_EQ(c->CreateSnapshot(test.ctx(), "a").error().reason(), "snapshot_exists");
  EXPECT_EQ(c->CreateSnapshot(test.ctx(), "a/b").error().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(c->CreateSnapshot(test.ctx(), "..").error().code(), StatusCode::kInvalidArgument);
  Take(test, *c, "b");
  EXPECT_EQ(c->CreateSnapshot(test.ctx(), "c").error().reason(), "too_many_snapshots");
  EXPECT_EQ(c->stats().snapshot_count, 2u);
  EXPECT_EQ(c->DeleteSnapshot(test.ctx(), "c").reason(), "snapshot_not_found");
  EXPECT_EQ(c->FindSnapshot("c").error().reason(), "snapshot_not_found");
  ASSERT_TRUE(c->DeleteSnapshot(test.ctx(), "a").ok());
  Take(test, *c, "c");
  const auto names = c->Snapshots();
  ASSERT_EQ(names.size(), 2u);
  EXPECT_EQ(names[0].name, "b");
  EXPECT_EQ(names[1].name, "c");
  EXPECT_EQ(ReasonAt(test, *c, Named("a")), "snapshot_not_found");
  ASSERT_TRUE(test.db().Drop(test.ctx(), "docs").ok());
  EXPECT_EQ(c->CreateSnapshot(test.ctx(), "d").error().reason(), "collection_dropped");
  EXPECT_EQ(c->Revert(test.ctx(), Named("b")).error().reason(), "collection_dropped");
}

TEST(SnapshotTest, ALostAnswerIsFoundOutAndNotRepeated) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, TaggedRows(0, 3));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  test.store().Script(StoreOp::kPut, 1, Fault::kLoseAnswer);
  Take(test, *c, "a");
  EXPECT_EQ(c->Snapshots().size(), 1u);
  const auto version = c->stats().manifest_version;
  Take(test, *c, "b");
  EXPECT_EQ(c->stats().manifest_version, version.Next());
}

TEST(ReadAtTest, SharesOpenSegmentsAndStaysOpen) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, TaggedRows(0, 50));
  const SnapshotInfo taken = Take(test, *c, "a");
  test.Upsert(*c, TaggedRows(50, 60));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  const uint64_t memory = c->stats().memory_bytes;
  const uint64_t before = test.requests();
  const auto first = c->ReadAt(test.ctx(), Named("a"));
  ASSERT_TRUE(first);
  EXPECT_EQ(test.requests() - before, taken.version == c->stats().manifest_version ? 0u : 1u)
      << "more than the manifest";
  EXPECT_EQ(c->stats().memory_bytes, memory);
  EXPECT_EQ(&(*first)->units().front()->vectors(), &(*c->Read(test.ctx()))->units().front()->vectors());
  const uint64_t opened = test.requests();
  EXPECT_EQ(*c->ReadAt(test.ctx(), AtVersion{taken.version}), *first);
  EXPECT_EQ(test.requests(), opened);
  // What only the old version needs counts once the current one is merged away, until nobody asks for it.
  test.Delete(*c, {"id1"});
  ASSERT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
  const uint64_t both = c->stats().memory_bytes;
  test.clock().Advance(minutes(6));
  test.executor().Step("collect");
  EXPECT_LT(c->stats().memory_bytes, both);
  EXPECT_EQ(test.ContentsAt(*c, Named("a")).size(), 50u);
}

// Sealed again, so that nothing but the chain of hashes shows the edit.
std::string EditedByHand(std::string manifest) {
  constexpr std::string_view kField = "\"attempt_id\":\"";
  char& digit = manifest[manifest.find(kField) + kField.size()];
  digit = digit == '0' ? '1' : '0';
  manifest.resize(manifest.rfind(",\"xxh3\""));
  return SealJson(manifest + "}");
}

TEST(ReadAtTest, AVersionThatWasEditedByHandIsNeitherShownNorGoneBackTo) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, TaggedRows(0, 5));
  const SnapshotInfo taken = Take(test, *c, "s");
  test.Upsert(*c, TaggedRows(5, 10));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  const std::string key = ManifestKey(CollectionId(1), taken.version);
  const std::string bytes = test.store().Get(test.ctx(), key, 1 << 20)->bytes;
  ASSERT_TRUE(test.store().Put(test.ctx(), key, EditedByHand(bytes), PutCondition::None()));
  test.Restart();
  c = test.Get("docs");
  const auto read = c->ReadAt(test.ctx(), Named("s"));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), StatusCode::kDataLoss);
  EXPECT_THAT(read.error().message(), HasSubstr(key));
  EXPECT_EQ(c->Revert(test.ctx(), Named("s")).error().code(), StatusCode::kDataLoss);
  EXPECT_EQ(test.Contents(*c).size(), 10u) << "the rows of now are not concerned";
  ASSERT_TRUE(test.store().Put(test.ctx(), key, bytes, PutCondition::None()));
  test.Restart();
  EXPECT_EQ(test.ContentsAt(*test.Get("docs"), Named("s")).size(), 5u);
}

TEST(ReadAtTest, FindsTheVersionOfATimeWithFewRequests) {
  TestDatabase test(Retaining(1000, hours(24)));
  auto c = test.Create("docs", 4);
  std::map<WallTime, RowMap> states;
  for (int round = 0; round < 64; ++round) {
    test.clock().Advance(seconds(10));
    test.Upsert(*c, TaggedRows(round, round + 2, "r" + std::to_string(round)));
    ASSERT_TRUE(c->Flush(test.ctx()).ok());
    states[test.clock().WallNow()] = test.Contents(*c);
  }
  c.reset();
  test.Restart();  // knows no version but the head
  c = test.Get("docs");
  const uint64_t before = test.requests();
  const auto middle = std::next(states.begin(), 2);
  EXPECT_EQ(test.ContentsAt(*c, AtTime{middle->first + seconds(3)}), middle->second);
  EXPECT_LE(test.requests() - before, 16u);
  for (auto it = states.begin(); it != states.end(); std::advance(it, 7)) {
    EXPECT_EQ(test.ContentsAt(*c, AtTime{it->first}), it->second);
    EXPECT_EQ(test.ContentsAt(*c, AtTime{it->first + seconds(9)}), it->second);
    if (std::distance(it, states.end()) <= 7) break;
  }
  EXPECT_EQ(test.ContentsAt(*c, AtTime{test.clock().WallNow() + hours(1)}), states.rbegin()->second);
  EXPECT_EQ(ReasonAt(test, *c, AtTime{test.clock().WallNow() - hours(1)}), "version_not_found");
}

TEST(ReadAtTest, SaysWhatIsKept) {
  TestDatabase test(Retaining(3, hours(1)));
  auto c = test.Create("docs", 4);
  test.Upsert(*c, TaggedRows(0, 10));
  const SnapshotInfo taken = Take(test, *c, "kept");
  for (int round = 0; round < 12; ++round) {
    test.Upsert(*c, TaggedRows(0, 10, std::to_string(round)));
    ASSERT_TRUE(c->Flush(test.ctx()).ok());
  }
  const auto beyond = c->ReadAt(test.ctx(), Version(c->stats().manifest_version.value() + 1));
  EXPECT_EQ(beyond.error().reason(), "version_not_found");
  EXPECT_EQ(ReasonAt(test, *c, Version(0)), "version_not_found");
  const WallTime early = test.clock().WallNow();
  RunBackground(test, 20);
  EXPECT_GT(c->stats().oldest_version, ManifestVersion(5));
  const auto retired = c->ReadAt(test.ctx(), Version(taken.version.value() + 1));
  ASSERT_FALSE(retired);
  EXPECT_EQ(retired.error().reason(), "version_retired");
  EXPECT_THAT(std::string(retired.error().message()),
              HasSubstr("kept (" + std::to_string(taken.version.value()) + ")"));
  EXPECT_EQ(ReasonAt(test, *c, AtTime{early - seconds(1)}), "version_retired");
  EXPECT_EQ(test.ContentsAt(*c, Named("kept")).size(), 10u);
}

TEST(RetentionTest, KeepsVersionsForTheirAgeThenCollectsThemAndGoesQuiet) {
  TestDatabase test(Retaining(100, minutes(30)));
  auto c = test.Create("docs", 4);
  test.Upsert(*c, TaggedRows(0, 40));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  const ManifestVersion old_version = c->stats().manifest_version;
  const RowMap old = test.Contents(*c);
  test.Upsert(*c, TaggedRows(0, 30, "b"));
  test.Delete(*c, {"id7"});
  ASSERT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
  RunBackground(test, 25);
  EXPECT_EQ(test.ContentsAt(*c, AtVersion{old_version}), old);
  EXPECT_EQ(ObjectCount(test, "t/default/c/1/segments/"), 3u);
  RunBackground(test, 20);
  EXPECT_EQ(ReasonAt(test, *c, AtVersion{old_version}), "version_retired");
  EXPECT_EQ(ObjectCount(test, "t/default/c/1/segments/"), 1u);
  EXPECT_EQ(ObjectCount(test, "t/default/c/1/deletes/"), 0u);
  EXPECT_TRUE(IsTombstone(test, old_version.value()));
  const uint64_t before = test.requests();
  RunBackground(test, 60);
  EXPECT_EQ(test.requests(), before) << "an idle collection is left alone";
}

TEST(RetentionTest, KeepsNoMoreVersionsThanAsked) {
  TestDatabase test(Retaining(4, hours(24)));
  auto c = test.Create("docs", 4);
  std::map<uint64_t, RowMap> states;
  for (int round = 0; round < 30; ++round) {
    test.Upsert(*c, TaggedRows(round, round + 3, std::to_string(round)));
    ASSERT_TRUE(c->Flush(test.ctx()).ok());
    RunBackground(test, 1);
    states[c->stats().manifest_version.value()] = test.Contents(*c);
  }
  RunBackground(test, 20);
  const uint64_t head = c->stats().manifest_version.value();
  for (uint64_t version = head - 3; version <= head; ++version) {
    EXPECT_EQ(ReasonAt(test, *c, Version(version)), "") << version;
    if (states.contains(version)) EXPECT_EQ(test.ContentsAt(*c, Version(version)), states[version]) << version;
  }
  EXPECT_EQ(ReasonAt(test, *c, Version(head - 10)), "version_retired");
  EXPECT_TRUE(IsTombstone(test, 1));
}

TEST(RetentionTest, EachVersionIsReadAtMostOnceAProcess) {
  TestDatabase test(Retaining(50, hours(24)));
  auto c = test.Create("docs", 4);
  const uint64_t created = test.store().calls(StoreOp::kGet);
  for (int round = 0; round < 20; ++round) {
    test.Upsert(*c, TaggedRows(0, 5, std::to_string(round)));
    ASSERT_TRUE(c->Flush(test.ctx()).ok());
  }
  test.executor().Step("collect");
  EXPECT_EQ(test.store().calls(StoreOp::kGet), created) << "what was just written is not read";
  c.reset();
  test.Crash();
  c = test.Get("docs");
  test.Upsert(*c, TaggedRows(0, 5, "again"));
  const uint64_t before = test.store().calls(StoreOp::kGet);
  test.executor().Step("collect");
  const uint64_t first = test.store().calls(StoreOp::kGet) - before;
  EXPECT_GE(first, 15u);
  for (int i = 0; i < 5; ++i) {
    test.Upsert(*c, TaggedRows(0, 5, "more" + std::to_string(i)));
    ASSERT_TRUE(c->Flush(test.ctx()).ok());
    test.executor().Step("collect");
  }
  EXPECT_EQ(test.store().calls(StoreOp::kGet) - before, first);
}

TEST(RetentionTest, AnUnpinnedVersionIsRetired) {
  TestDatabase test(Retaining(1, seconds(0)));
  auto c = test.Create("docs", 4);
  test.Upsert(*c, TaggedRows(0, 10));
  const SnapshotInfo taken = Take(test, *c, "a");
  const RowMap then = test.Contents(*c);
  for (int round = 0; round < 5; ++round) {
    test.Upsert(*c, TaggedRows(0, 10, std::to_string(round)));
    ASSERT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
    RunBackground(test, 10);
  }
  EXPECT_FALSE(IsTombstone(test, taken.version.value()));
  EXPECT_TRUE(IsTombstone(test, taken.version.value() + 1));
  c.reset();
  test.Crash();
  c = test.Get("docs");
  EXPECT_EQ(test.ContentsAt(*c, Named("a")), then);
  EXPECT_EQ(ObjectCount(test, "t/default/c/1/segments/"), 2u);
  ASSERT_TRUE(c->DeleteSnapshot(test.ctx(), "a").ok());
  RunBackground(test, 20);
  EXPECT_TRUE(IsTombstone(test, taken.version.value()));
  EXPECT_EQ(ObjectCount(test, "t/default/c/1/segments/"), 1u);
  EXPECT_EQ(test.Contents(*c).size(), 10u);
}

// A process may die after it deleted what old manifests name and before it retired them.
TEST(RetentionTest, ManifestsWhoseBasesAreGoneAreRetired) {
  EngineOptions options = Retaining(1, seconds(0));
  options.merge_fanout = 100'000;
  TestDatabase test(options);
  auto c = test.Create("docs", 4);
  constexpr int kSegments = 160;  // more than a manifest without a base holds
  for (int i = 0; i < kSegments; ++i) {
    test.Upsert(*c, TaggedRows(i, i + 1));
    ASSERT_TRUE(c->Flush(test.ctx()).ok());
  }
  const ManifestVersion based = c->stats().manifest_version;
  ASSERT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
  c.reset();
  test.Crash();
  const auto bases = test.store().List(test.ctx(), "t/default/c/1/bases/", "", 100).value().objects;
  ASSERT_FALSE(bases.empty());
  for (const ObjectMeta& base : bases) ASSERT_TRUE(test.store().Delete(test.ctx(), base.key).ok());
  c = test.Get("docs");
  RunBackground(test, 30);
  EXPECT_TRUE(IsTombstone(test, based.value()));
  EXPECT_EQ(ObjectCount(test, "t/default/c/1/segments/"), 1u);
  EXPECT_EQ(test.Contents(*c).size(), static_cast<size_t>(kSegments));
}

TEST(RetentionTest, AWallClockThatJumpsBackBringsNoRetiredVersionBack) {
  TestDatabase test(Retaining(100, minutes(10)));
  auto c = test.Create("docs", 4);
  for (int round = 0; round < 6; ++round) {
    test.Upsert(*c, TaggedRows(0, 10, std::to_string(round)));
    ASSERT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
    RunBackground(test, 5);
  }
  test.clock().JumpWall(-hours(5));
  const RowMap now = test.Contents(*c);
  for (int round = 0; round < 6; ++round) {
    test.Upsert(*c, TaggedRows(20, 30, std::to_string(round)));
    ASSERT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
    RunBackground(test, 5);
    for (uint64_t v = c->stats().oldest_version.value(); v <= c->stats().manifest_version.value(); ++v)
      EXPECT_EQ(ReasonAt(test, *c, Version(v)), "") << v;
  }
}

TEST(RevertTest, BringsBackExactlyWhatWasThere) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, TaggedRows(0, 20));
  test.Delete(*c, {"id5"});
  const RowMap then = test.Contents(*c);
  Take(test, *c, "good");
  test.Delete(*c, {"id1", "id2"});
  test.Upsert(*c, TaggedRows(3, 6, "bad"));
  ASSERT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
  test.Upsert(*c, TaggedRows(30, 40, "bad"));  // unflushed: published, then reverted
  const RowMap bad = test.Contents(*c);
  const auto reverted = c->Revert(test.ctx(), Named("good"));
  ASSERT_TRUE(reverted) << reverted.error().ToString();
  EXPECT_EQ(test.Contents(*c), then);
  EXPECT_EQ(c->stats().live_rows, then.size());
  EXPECT_EQ(c->stats().manifest_version, *reverted);
  EXPECT_EQ(test.ContentsAt(*c, Version(reverted->value() - 1)), bad) << "the version before the revert is still there";
  test.Upsert(*c, TaggedRows(0, 2, "after"));
  test.Delete(*c, {"id19"});
  const RowMap after = test.Contents(*c);
  EXPECT_EQ(after.size(), then.size() - 1);
  for (int round = 0; round < 3; ++round) {
    c.reset();
    round == 2 ? test.Restart() : test.Crash();
    c = test.Get("docs");
    EXPECT_EQ(test.Contents(*c), after) << round;
    EXPECT_EQ(c->stats().live_rows, after.size());
  }
  ASSERT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
  EXPECT_EQ(test.Contents(*c), after);
  EXPECT_EQ(test.ContentsAt(*c, Named("good")), then);
}

TEST(RevertTest, CostsTwoRequestsWhileItsSegmentsAreOpen) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  for (int round = 0; round < 3; ++round) {
    test.Upsert(*c, TaggedRows(round * 300, round * 300 + 300));
    const std::string name = "s" + std::to_string(round);
    Take(test, *c, name);
    test.Upsert(*c, TaggedRows(5000, 5010));
    ASSERT_TRUE(c->Flush(test.ctx()).ok());
    const uint64_t before = test.requests();
    ASSERT_TRUE(c->Revert(test.ctx(), Named(name)));
    EXPECT_LE(test.requests() - before, 2u) << round;
    EXPECT_EQ(test.Contents(*c).size(), 300u * (static_cast<size_t>(round) + 1));
  }
}

TEST(RevertTest, NothingRevertedIsReplayedAfterACrash) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, TaggedRows(0, 5));
  const SnapshotInfo good = Take(test, *c, "good");
  const RowMap then = test.Contents(*c);
  // Still in the log, which is trimmed only later.
  test.Upsert(*c, TaggedRows(0, 10, "bad"));
  test.Delete(*c, {"id4"});
  ASSERT_TRUE(c->Revert(test.ctx(), AtVersion{good.version}));
  for (int round = 0; round < 2; ++round) {
    c.reset();
    test.Crash();
    c = test.Get("docs");
    EXPECT_EQ(test.Contents(*c), then);
    ASSERT_TRUE(c->Flush(test.ctx()).ok());
    EXPECT_EQ(test.Contents(*c), then);
  }
  EXPECT_GT(test.db().wal_stats().replayed_records, 0u) << "the log had nothing to replay";
}

TEST(RevertTest, AMergeAcrossItIsDiscarded) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  for (int round = 0; round < 3; ++round) {
    test.Upsert(*c, TaggedRows(round * 10, round * 10 + 10));
    ASSERT_TRUE(c->Flush(test.ctx()).ok());
  }
  Take(test, *c, "good");
  const RowMap then = test.Contents(*c);
  test.Upsert(*c, TaggedRows(0, 3, "bad"));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  // The revert comes while the merge writes its segment, between building and committing.
  bool reverted = false;
  test.DuringNext(StoreOp::kOpenWriter, [&] { reverted = c->Revert(test.ctx(), Named("good")).has_value(); });
  const Status merged = c->Merge(test.ctx(), Collection::MergeScope::kFull);
  EXPECT_TRUE(reverted);
  EXPECT_EQ(merged.code(), StatusCode::kAborted);
  EXPECT_EQ(test.Contents(*c), then);
  c.reset();
  test.Crash();
  EXPECT_EQ(test.Contents(*test.Get("docs")), then);
}

TEST(RevertTest, AWriteThatComesMeanwhileComesAfterIt) {
  TestDatabase test;
  auto c = test.Create("docs", 4);
  test.Upsert(*c, TaggedRows(0, 6));
  Take(test, *c, "good");
  RowMap expected = test.Contents(*c);
  test.Delete(*c, {"id0", "id1"});
  test.Upsert(*c, TaggedRows(2, 3, "bad"));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  // While the revert's commit is under way: a new row, an overwritten one, one deleted, one that only the snapshot has.
  test.DuringNext(StoreOp::kPut, [&] {
    test.Upsert(*c, TaggedRows(1, 4, "after"));
    test.Upsert(*c, TaggedRows(9, 10, "after"));
    test.Delete(*c, {"id4", "id3"});
  });
  ASSERT_TRUE(c->Revert(test.ctx(), Named("good")));
  for (const char* id : {"id1", "id2", "id9"}) expected[id] = R"({"tag":"after"})";
  expected.erase("id3");
  expected.erase("id4");
  EXPECT_EQ(test.Contents(*c), expected);
  EXPECT_EQ(c->stats().live_rows, expected.size());
  c.reset();
  test.Crash();
  c = test.Get("docs");
  EXPECT_EQ(test.Contents(*c), expected);
  ASSERT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
  EXPECT_EQ(test.Contents(*c), expected);
}

TEST(RevertTest, AnUnknownOutcomeIsSettledBeforeAnythingElse) {
  for (const bool arrived : {false, true}) {
    TestDatabase test;
    auto c = test.Create("docs", 4);
    test.Upsert(*c, TaggedRows(0, 6));
    Take(test, *c, "good");
    const RowMap then = test.Contents(*c);
    test.Upsert(*c, TaggedRows(0, 8, "bad"));
    ASSERT_TRUE(c->Flush(test.ctx()).ok());
    test.store().Script(StoreOp::kPut, 1, arrived ? Fault::kLoseAnswer : Fault::kLoseRequest);
    // No verdict while the store does not answer.
    FaultPlan dark;
    dark.rates[Index(StoreOp::kGet)].refuse = 1;
    test.DuringNext(StoreOp::kPut, [&] {
      FaultPlan plan = dark;
      plan.rates[Index(StoreOp::kPut)].lose_request = 1;
      test.store().SetPlan(plan);
    });
    EXPECT_EQ(c->Revert(test.ctx(), Named("good")).error().effect(), Effect::kUnknown);
    test.store().SetPlan(FaultPlan::Nothing());
    test.Upsert(*c, TaggedRows(20, 21, "after"));
    RowMap expected = then;
    expected["id20"] = R"({"tag":"after"})";
    ASSERT_TRUE(c->Flush(test.ctx()).ok());
    EXPECT_EQ(test.Contents(*c), expected);
    c.reset();
    test.Crash();
    EXPECT_EQ(test.Contents(*test.Get("docs")), expected);
  }
}

TEST(RevertTest, ARetiredVersionIsRefused) {
  TestDatabase test(Retaining(1, seconds(0)));
  auto c = test.Create("docs", 4);
  test.Upsert(*c, TaggedRows(0, 6));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  const ManifestVersion old = c->stats().manifest_version;
  for (int round = 0; round < 4; ++round) {
    test.Upsert(*c, TaggedRows(0, 6, std::to_string(round)));
    ASSERT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
    RunBackground(test, 5);
  }
  const RowMap now = test.Contents(*c);
  const auto reverted = c->Revert(test.ctx(), AtVersion{old});
  EXPECT_EQ(reverted.error().reason(), "version_retired");
  EXPECT_EQ(c->Revert(test.ctx(), Named("none")).error().reason(), "snapshot_not_found");
  EXPECT_EQ(test.Contents(*c), now);
}

}  // namespace
}  // namespace akidb
