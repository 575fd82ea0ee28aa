// When segments get their indexes, what is stored of them, and that losing one loses no row.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>

#include "ann/graph_topology.h"
#include "ann/parallel.h"
#include "engine/engine_testing.h"
#include "engine/seen_queries.h"
#include "format/index_object.h"
#include "format/manifest_format.h"
#include "format/object_keys.h"
#include "objstore/fault_store.h"
#include "objstore/memory/memory_store.h"
#include "query/search.h"

namespace akidb {
namespace {

constexpr uint32_t kDim = 8;
constexpr int kRows = 300;

EngineOptions Options(bool shared = false, const std::string& node = "a") {
  EngineOptions options = TestDatabase::SmallOptions();
  options.seal_bytes = 1 << 20;
  options.index_rows_min = 100;
  options.shared_store = shared;
  options.node = node;
  return options;
}

std::vector<TestRow> Rows(int first, int count, uint64_t seed = 3) {
  const auto random = NewSeededRandom(seed + static_cast<uint64_t>(first));
  std::vector<TestRow> rows;
  for (int i = 0; i < count; ++i) {
    std::vector<float> vector(kDim);
    for (float& x : vector) x = static_cast<float>(random->Below(2001)) / 1000.0f - 1.0f;
    rows.push_back({"r" + std::to_string(first + i), std::move(vector)});
  }
  return rows;
}

class CollectionIndexTest : public testing::Test {
 protected:
  static std::vector<std::string> Nearest(TestDatabase& test, const Snapshot& snapshot, std::vector<float> vector,
                                          bool exact) {
    SearchRequest request;
    request.vector = std::move(vector);
    request.top_k = 10;
    request.exact = exact;
    const auto rows = Search(test.ctx(), snapshot, request);
    EXPECT_TRUE(rows) << rows.error().ToString();
    std::vector<std::string> ids;
    for (const ResultRow& row : *rows) ids.emplace_back(row.id);
    return ids;
  }
  // Share of the true ten nearest that searches find.
  static double Recall(TestDatabase& test, Collection& collection) {
    const auto snapshot = collection.Read(test.ctx()).value();
    int found = 0;
    for (const TestRow& query : Rows(5000, 20)) {
      const auto truth = Nearest(test, *snapshot, query.vector, true);
      const auto got = Nearest(test, *snapshot, query.vector, false);
      EXPECT_EQ(got.size(), 10u);
      for (const std::string& id : got) found += std::ranges::count(truth, id);
    }
    return found / 200.0;
  }
  static Manifest Head(TestDatabase& test, const std::shared_ptr<Collection>& c) {
    const auto body = test.store().Get(test.ctx(), ManifestKey(c->id(), c->stats().manifest_version), 1 << 20);
    return DecodeManifest(body.value().bytes).value();
  }
  static std::vector<std::string> IndexKeys(TestDatabase& test, CollectionId id) {
    std::vector<std::string> keys;
    for (const ObjectMeta& object :
         test.store().List(test.ctx(), CollectionPrefix(id) + "indexes/", "", 100).value().objects) {
      keys.push_back(object.key);
    }
    return keys;
  }
  static std::shared_ptr<Collection> Create(TestDatabase& test, const std::string& name, IndexKind kind,
                                            IndexLayout layout = IndexLayout::kAuto) {
    CollectionSpec spec;
    spec.name = name;
    spec.dim = kDim;
    spec.distance = Distance::kEuclidean;
    spec.ack = test.db().default_ack();
    spec.index.kind = kind;
    spec.index.layout = layout;
    return test.db().Create(test.ctx(), spec).value();
  }
  static std::shared_ptr<Collection> Filled(TestDatabase& test, int rows = kRows) {
    auto c = Create(test, "docs", IndexKind::kHnsw);
    test.Upsert(*c, Rows(0, rows));
    EXPECT_TRUE(c->Flush(test.ctx()).ok());
    return c;
  }
  static void Index(TestDatabase& test) {
    for (int i = 0; i < 4; ++i) test.executor().Step("index");
  }
};

TEST_F(CollectionIndexTest, IsWorkOfTheExecutorThatComputesForLong) {
  const auto computing = std::make_shared<ManualExecutor>(RealClock());
  EngineOptions options = Options();
  options.computing = computing;
  TestDatabase test(options);
  const auto c = Filled(test);
  test.executor().RunUntilIdle();
  EXPECT_EQ(c->stats().indexed_rows, 0u);
  computing->RunUntilIdle();
  EXPECT_EQ(c->stats().indexed_rows, uint64_t{kRows});
}

// Minutes of work for rows that nobody can ask for any more would keep the other collections' rows waiting.
TEST_F(CollectionIndexTest, ADropEndsTheBuildThatItMakesNeedless) {
  struct DropInTheMiddle final : Parallel {
    void Run(size_t count, const std::function<void(size_t)>& body) override {
      if (++runs == 3) drop();
      Serial().Run(count, body);
    }
    int runs = 0;
    std::function<void()> drop;
  };
  int runs_undisturbed = 0;
  for (const bool dropped : {false, true}) {
    const auto parallel = std::make_shared<DropInTheMiddle>();
    EngineOptions options = Options();
    options.index_parallel = parallel;
    TestDatabase test(options);
    const auto c = Filled(test);
    const auto other = Create(test, "other", IndexKind::kHnsw);
    test.Upsert(*other, Rows(0, kRows));
    ASSERT_TRUE(other->Flush(test.ctx()).ok());
    parallel->drop = [&] {
      if (dropped) EXPECT_TRUE(test.db().Drop(test.ctx(), "docs").ok());
    };
    test.executor().Step("index");
    if (!dropped) {
      runs_undisturbed = parallel->runs;
      EXPECT_GT(runs_undisturbed, 6) << "so that a drop in the third is early";
      continue;
    }
    EXPECT_LT(parallel->runs, runs_undisturbed) << "it ended at once";
    EXPECT_EQ(c->stats().indexed_rows, 0u);
    Index(test);
    EXPECT_EQ(other->stats().indexed_rows, uint64_t{kRows}) << "whose turn it is then";
  }
}

TEST_F(CollectionIndexTest, AFlushedSegmentIsScannedThenIndexedAndTheManifestNamesWhatIsStored) {
  TestDatabase test(Options());
  const auto c = Filled(test);
  EXPECT_EQ(c->stats().indexed_rows, 0u);
  EXPECT_EQ(Recall(test, *c), 1.0) << "a scan";
  Index(test);
  EXPECT_EQ(c->stats().indexed_rows, static_cast<uint64_t>(kRows));
  EXPECT_GT(Recall(test, *c), 0.9);
  const Manifest head = Head(test, c);
  ASSERT_EQ(head.segments.size(), 1u);
  EXPECT_EQ(head.segments[0].index_kind, "hnsw");
  ASSERT_TRUE(head.segments[0].index);
  EXPECT_EQ(IndexKeys(test, c->id()), std::vector{IndexKeyOf(c->id(), *head.segments[0].index)});
  const ManifestVersion version = c->stats().manifest_version;
  Index(test);
  EXPECT_EQ(c->stats().manifest_version, version) << "nothing is left to do";
}

TEST_F(CollectionIndexTest, SmallSegmentsAndCollectionsThatWantItStayScanned) {
  TestDatabase test(Options());
  const auto c = Filled(test, 99);
  Index(test);
  EXPECT_EQ(c->stats().indexed_rows, 0u);
  const auto scanned = Create(test, "scanned", IndexKind::kFlat);
  const auto indexed = Create(test, "indexed", IndexKind::kAuto);
  for (const auto& collection : {scanned, indexed}) {
    test.Upsert(*collection, Rows(0, kRows));
    ASSERT_TRUE(collection->Flush(test.ctx()).ok());
  }
  Index(test);
  EXPECT_EQ(scanned->stats().indexed_rows, 0u);
  EXPECT_EQ(indexed->stats().indexed_rows, static_cast<uint64_t>(kRows));
}

TEST_F(CollectionIndexTest, ARestartOpensWhatIsStoredOnceItIsSearched) {
  TestDatabase test(Options(true));  // where no local log opens segments
  Filled(test);
  Index(test);
  test.Restart();
  const auto c = test.Get("docs");
  const ManifestVersion version = c->stats().manifest_version;
  Index(test);
  EXPECT_EQ(c->stats().indexed_rows, 0u) << "nobody searched";
  EXPECT_EQ(Recall(test, *c), 1.0) << "a scan, until the index is there";
  Index(test);
  EXPECT_EQ(c->stats().indexed_rows, static_cast<uint64_t>(kRows));
  EXPECT_GT(Recall(test, *c), 0.9);
  EXPECT_EQ(c->stats().manifest_version, version) << "opened, not built again";
}

TEST_F(CollectionIndexTest, TheLayoutIsTheOneThatTheCollectionWants) {
  for (const auto& [wanted, expected] : {std::pair{IndexLayout::kAuto, GraphLayoutKind::kFast},
                                         {IndexLayout::kFast, GraphLayoutKind::kFast},
                                         {IndexLayout::kCompact, GraphLayoutKind::kCompact5}}) {
    TestDatabase test(Options());
    const auto c = Create(test, "docs", IndexKind::kHnsw, wanted);
    test.Upsert(*c, Rows(0, kRows));
    ASSERT_TRUE(c->Flush(test.ctx()).ok());
    Index(test);
    const SegmentEntry entry = Head(test, c).segments.at(0);
    const auto object = test.store().Get(test.ctx(), IndexKeyOf(c->id(), *entry.index), 1 << 20);
    const auto stored = DecodeIndexObject(object.value().bytes, entry.object.id, "hnsw", kRows);
    ASSERT_TRUE(stored) << stored.error().ToString();
    EXPECT_EQ(DecodeGraphTopology(*stored)->layout, expected);
    test.Restart();
    EXPECT_GT(Recall(test, *test.Get("docs")), 0.9);
  }
}

TEST_F(CollectionIndexTest, DeletedRowsAreNeverFoundAndResultsStayComplete) {
  TestDatabase test(Options());
  const auto c = Filled(test);
  Index(test);
  std::vector<std::string> gone;
  for (int i = 0; i < 60; ++i) gone.push_back("r" + std::to_string(i));
  ASSERT_EQ(test.Delete(*c, gone), 60u);
  const auto snapshot = c->Read(test.ctx()).value();
  for (const TestRow& query : Rows(5000, 20)) {
    const auto got = Nearest(test, *snapshot, query.vector, false);
    EXPECT_EQ(got.size(), 10u);
    for (const std::string& id : got) EXPECT_EQ(std::ranges::count(gone, id), 0) << id;
  }
  EXPECT_GT(Recall(test, *c), 0.9);
}

TEST_F(CollectionIndexTest, AMergeStartsScannedAndGetsItsOwnIndexWhileTheOldOnesAreCollected) {
  TestDatabase test(Options());
  const auto c = Filled(test);
  Index(test);
  test.Upsert(*c, Rows(kRows, 200));
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  Index(test);
  EXPECT_EQ(IndexKeys(test, c->id()).size(), 2u);
  ASSERT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
  EXPECT_EQ(c->stats().indexed_rows, 0u);
  Index(test);
  EXPECT_EQ(c->stats().indexed_rows, static_cast<uint64_t>(kRows + 200));
  EXPECT_GT(Recall(test, *c), 0.9);
  for (int i = 0; i < 20; ++i) {
    test.clock().Advance(std::chrono::minutes(1));
    test.executor().RunUntilIdle();
  }
  EXPECT_EQ(IndexKeys(test, c->id()), std::vector{IndexKeyOf(c->id(), *Head(test, c).segments[0].index)});
}

// Whether a graph was made from older ones shows in what it is: the same rows alone make another.
TEST_F(CollectionIndexTest, AMergedIndexIsMadeFromThoseOfTheInputsAndMeasuresItself) {
  const auto merged_graph = [](bool inputs_indexed, bool merged_again) {
    TestDatabase test(Options());
    const auto c = Filled(test);
    if (inputs_indexed) Index(test);
    test.Upsert(*c, Rows(kRows, 200));
    EXPECT_EQ(test.Delete(*c, {"r7"}), 1u);
    EXPECT_TRUE(c->Flush(test.ctx()).ok());
    if (inputs_indexed) Index(test);
    if (merged_again) EXPECT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
    test.Upsert(*c, Rows(kRows + 200, 90));
    EXPECT_TRUE(c->Flush(test.ctx()).ok());
    EXPECT_TRUE(c->Merge(test.ctx(), Collection::MergeScope::kFull).ok());
    EXPECT_EQ(c->stats().indexed_rows, 0u);
    Index(test);
    EXPECT_GT(Recall(test, *c), 0.9);
    const SegmentEntry entry = Head(test, c).segments.at(0);
    const auto object = test.store().Get(test.ctx(), IndexKeyOf(c->id(), *entry.index), 1 << 20);
    const auto stored = DecodeIndexObject(object.value().bytes, entry.object.id, "hnsw", kRows + 289);
    EXPECT_TRUE(stored) << stored.error().ToString();
    GraphTopology graph = DecodeGraphTopology(*stored).value();
    EXPECT_EQ(graph.measured.beams.size(), std::size(kRecallLevels)) << "it measured itself";
    return graph;
  };
  const GraphTopology anew = merged_graph(false, false);
  EXPECT_EQ(merged_graph(false, true), anew);
  const GraphTopology from_inputs = merged_graph(true, false);
  EXPECT_NE(from_inputs, anew);
  EXPECT_EQ(merged_graph(true, true), from_inputs) << "what the first product was to be made from goes on";
}

// Beams of rows that are much too narrow for queries: the stored ones are made so here.
TEST_F(CollectionIndexTest, AnIndexIsMeasuredAgainWithQueriesOnceEnoughWereSeen) {
  TestDatabase test(Options());
  Filled(test);
  Index(test);
  const auto graph_of = [&](const SegmentEntry& entry) {
    const auto c = test.Get("docs");
    const auto object = test.store().Get(test.ctx(), IndexKeyOf(c->id(), *entry.index), 1 << 20);
    return DecodeGraphTopology(DecodeIndexObject(object.value().bytes, entry.object.id, "hnsw", kRows).value()).value();
  };
  const SegmentEntry before = Head(test, test.Get("docs")).segments.at(0);
  GraphTopology narrow = graph_of(before);
  narrow.measured.beams.assign(std::size(kRecallLevels), 2);
  narrow.measured.reach *= 100;
  test.Restart();
  auto c = test.Get("docs");
  ASSERT_TRUE(test.store().Put(test.ctx(), IndexKeyOf(c->id(), *before.index),
                               EncodeIndexObject(before.object.id, "hnsw", kRows, EncodeGraphTopology(narrow)),
                               PutCondition::None()));
  const auto search = [&](int count, bool exact) {
    const auto snapshot = c->Read(test.ctx()).value();
    for (const TestRow& query : Rows(9000, count)) Nearest(test, *snapshot, query.vector, exact);
  };
  const auto index_id = [&] { return Head(test, c).segments.at(0).index->id; };
  search(1, false);
  Index(test);
  search(static_cast<int>(SeenQueries::kKept) - 1, false);  // the one before found no index
  search(1000, true);
  Index(test);
  EXPECT_EQ(index_id(), before.index->id) << "too few were seen; exact ones want no index";
  search(1, false);
  Index(test);
  const SegmentEntry after = Head(test, c).segments.at(0);
  ASSERT_NE(after.index->id, before.index->id);
  const GraphTopology wider = graph_of(after);
  EXPECT_EQ(wider.neighbours, narrow.neighbours);
  EXPECT_GE(wider.measured.beams.front(), 10u);
  search(1000, false);
  Index(test);
  EXPECT_EQ(index_id(), after.index->id) << "it is not measured again before many more were seen";
  test.Restart();
  c = test.Get("docs");
  EXPECT_GT(Recall(test, *c), 0.9);
  Index(test);
  EXPECT_EQ(index_id(), after.index->id);
}

TEST_F(CollectionIndexTest, ADamagedIndexIsBuiltAgain) {
  TestDatabase test(Options());
  Filled(test);
  Index(test);
  test.Restart();
  auto c = test.Get("docs");
  const std::string damaged = IndexKeys(test, c->id()).at(0);
  ASSERT_TRUE(test.store().Put(test.ctx(), damaged, "not an index", PutCondition::None()));
  EXPECT_EQ(Recall(test, *c), 1.0);
  Index(test);
  EXPECT_EQ(c->stats().indexed_rows, static_cast<uint64_t>(kRows));
  const Manifest head = Head(test, c);
  EXPECT_NE(IndexKeyOf(c->id(), *head.segments[0].index), damaged);
}

TEST_F(CollectionIndexTest, AnIndexWhoseCommitHasNoAnswerIsNamedInTheEnd) {
  for (const Fault fault : {Fault::kRefuse, Fault::kLoseRequest, Fault::kLoseAnswer}) {
    for (const uint64_t nth : {1u, 2u}) {  // the object, the manifest
      TestDatabase test(Options());
      const auto c = Filled(test);
      test.executor().Step("index");
      test.store().Script(StoreOp::kPut, nth, fault);
      for (int i = 0; i < 6; ++i) Index(test);
      EXPECT_EQ(c->stats().indexed_rows, static_cast<uint64_t>(kRows));
      EXPECT_TRUE(Head(test, c).segments[0].index) << static_cast<int>(fault) << " at " << nth;
      EXPECT_EQ(test.Contents(*c).size(), static_cast<size_t>(kRows));
    }
  }
}

TEST_F(CollectionIndexTest, AReaderOpensTheWritersIndexAndBuildsNone) {
  ManualClock clock;
  const std::shared_ptr<ObjectStore> bucket = NewMemoryStore(clock);
  TestDatabase a(Options(true, "a"), bucket, 1);
  TestDatabase b(Options(true, "b"), bucket, 2);
  Filled(a);
  const auto of_b = b.Get("docs");
  EXPECT_EQ(Recall(b, *of_b), 1.0);
  Index(b);
  EXPECT_EQ(of_b->stats().indexed_rows, 0u);
  Index(a);
  b.clock().Advance(std::chrono::seconds(10));
  b.executor().Step("follow");
  Index(b);
  EXPECT_EQ(of_b->stats().indexed_rows, static_cast<uint64_t>(kRows)) << "and the segment was not opened again";
  EXPECT_GT(Recall(b, *of_b), 0.9);
}

TEST_F(CollectionIndexTest, AnEarlierVersionSharesTheIndex) {
  TestDatabase test(Options());
  const auto c = Filled(test);
  ASSERT_TRUE(c->CreateSnapshot(test.ctx(), "s"));
  Index(test);
  ASSERT_EQ(test.Delete(*c, {"r1"}), 1u);
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  const auto then = c->ReadAt(test.ctx(), AtSnapshot{"s"}).value();
  ASSERT_EQ(then->units().size(), 1u);
  EXPECT_EQ(then->units()[0]->index().kind(), "hnsw");
  EXPECT_EQ(Nearest(test, *then, Rows(0, 2)[1].vector, false).at(0), "r1");
}

TEST_F(CollectionIndexTest, ACloneOpensTheIndexOfItsSource) {
  TestDatabase test(Options());
  Filled(test);
  Index(test);
  const auto clone = test.db().Clone(test.ctx(), "docs", "copy", std::nullopt).value();
  EXPECT_EQ(Recall(test, *clone), 1.0);
  Index(test);
  EXPECT_EQ(clone->stats().indexed_rows, static_cast<uint64_t>(kRows));
  EXPECT_TRUE(IndexKeys(test, clone->id()).empty()) << "opened, not built";
}

}  // namespace
}  // namespace akidb
