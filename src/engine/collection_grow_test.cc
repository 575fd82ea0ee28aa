// Graphs over rows that are not in a segment yet: when they are made, what searches see through them, what they cost.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/engine_testing.h"
#include "query/search.h"

namespace akidb {
namespace {

constexpr uint32_t kDim = 8;
constexpr int kRows = 576;  // fill the chunks of 64 and 512 rows

class CollectionGrowTest : public testing::Test {
 protected:
  static EngineOptions GrowOptions() {
    EngineOptions options = TestDatabase::SmallOptions();
    options.wal_file_bytes = 1 << 20;
    options.seal_bytes = 16 << 20;
    options.seal_age = std::chrono::seconds(1000);
    options.index_rows_min = 100;
    options.growing_scans_per_row = 0;
    return options;
  }
  static std::vector<TestRow> RandomRows(int first, int count) {
    const auto random = NewSeededRandom(3 + static_cast<uint64_t>(first));
    std::vector<TestRow> rows;
    for (int i = 0; i < count; ++i) {
      std::vector<float> vector(kDim);
      for (float& x : vector) x = static_cast<float>(random->Below(2001)) / 1000.0f - 1.0f;
      rows.push_back({"r" + std::to_string(first + i), std::move(vector)});
    }
    return rows;
  }
  static std::shared_ptr<Collection> Filled(TestDatabase& test, IndexKind kind = IndexKind::kAuto) {
    CollectionSpec spec;
    spec.name = "docs";
    spec.dim = kDim;
    spec.distance = Distance::kEuclidean;
    spec.ack = test.db().default_ack();
    spec.index.kind = kind;
    auto c = test.db().Create(test.ctx(), spec).value();
    test.Upsert(*c, RandomRows(0, kRows));
    return c;
  }
  static void Grow(TestDatabase& test, Duration after = std::chrono::seconds(100)) {
    test.clock().Advance(after);
    for (int i = 0; i < 10; ++i) test.executor().Step("grow");
  }
  static std::vector<std::string> Nearest(TestDatabase& test, const Snapshot& snapshot, std::vector<float> vector,
                                          bool exact, uint32_t k = 10) {
    SearchRequest request;
    request.vector = std::move(vector);
    request.top_k = k;
    request.exact = exact;
    std::vector<std::string> ids;
    for (const ResultRow& row : Search(test.ctx(), snapshot, request).value()) ids.emplace_back(row.id);
    return ids;
  }
  // Share of the true ten nearest that searches find.
  static double Recall(TestDatabase& test, const Snapshot& snapshot) {
    int found = 0;
    for (const TestRow& query : RandomRows(5000, 20)) {
      const auto truth = Nearest(test, snapshot, query.vector, true);
      const auto got = Nearest(test, snapshot, query.vector, false);
      EXPECT_EQ(got.size(), 10u);
      for (const std::string& id : got) found += static_cast<int>(std::ranges::count(truth, id));
    }
    return found / 200.0;
  }
};

TEST_F(CollectionGrowTest, RowsGetAGraphOnceThereAreEnoughOfThem) {
  TestDatabase test(GrowOptions());
  const auto c = Filled(test);
  EXPECT_EQ(c->stats().growing_indexed_rows, 0u);
  const uint64_t before = c->stats().memory_bytes;
  Grow(test);
  EXPECT_GE(c->stats().growing_indexed_rows, 512u - 16) << "the small chunk is scanned";
  EXPECT_GT(c->stats().memory_bytes, before + 512 * 200);
  EXPECT_GT(Recall(test, *c->Read(test.ctx()).value()), 0.95);
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  EXPECT_EQ(c->stats().growing_indexed_rows, 0u);
}

TEST_F(CollectionGrowTest, NothingIsIndexedBeforeSearchesHavePaidForIt) {
  EngineOptions options = GrowOptions();
  options.growing_scans_per_row = 512;
  TestDatabase test(options);
  const auto c = Filled(test);
  Grow(test);
  EXPECT_EQ(c->stats().growing_indexed_rows, 0u);
  const auto snapshot = c->Read(test.ctx()).value();
  for (int i = 0; i < 7; ++i) Nearest(test, *snapshot, RandomRows(5000, 1)[0].vector, false);
  Grow(test);
  EXPECT_EQ(c->stats().growing_indexed_rows, 7u);
}

TEST_F(CollectionGrowTest, CollectionsThatWantToBeScannedAre) {
  TestDatabase test(GrowOptions());
  const auto c = Filled(test, IndexKind::kFlat);
  Grow(test);
  EXPECT_EQ(c->stats().growing_indexed_rows, 0u);
}

TEST_F(CollectionGrowTest, RowsThatWillSoonBeSealedGetNoGraph) {
  EngineOptions options = GrowOptions();
  options.seal_bytes = 200 << 10;
  TestDatabase test(options);
  const auto c = Filled(test);
  ASSERT_GT(c->stats().memory_bytes, options.seal_bytes / 4);
  ASSERT_LT(c->stats().memory_bytes, options.seal_bytes);
  Grow(test, std::chrono::seconds(1));
  EXPECT_EQ(c->stats().growing_indexed_rows, 0u)
      << "at this pace they are sealed in some seconds, of 1000 they may have";
  Grow(test, std::chrono::seconds(900));
  EXPECT_EQ(c->stats().growing_indexed_rows, 0u) << "they have their age";
}

TEST_F(CollectionGrowTest, EveryReaderSeesItsRowsWhileOthersAreDeletedAndWritten) {
  TestDatabase test(GrowOptions());
  const auto c = Filled(test);
  Grow(test);
  const std::vector<TestRow> rows = RandomRows(0, kRows);
  const auto early = c->Read(test.ctx()).value();
  std::vector<std::string> gone;
  for (int i = 0; i < kRows; i += 2) gone.push_back(rows[i].id);
  ASSERT_EQ(test.Delete(*c, gone), gone.size());
  test.Upsert(*c, RandomRows(kRows, 300));
  Grow(test);
  EXPECT_GE(c->stats().growing_indexed_rows, 256u - 16 + 300u - 16) << "deleted rows have left the graph";
  for (int i = 0; i < kRows; i += 10) EXPECT_EQ(Nearest(test, *early, rows[i].vector, false, 1)[0], rows[i].id);
  EXPECT_GT(Recall(test, *early), 0.95);
  const auto late = c->Read(test.ctx()).value();
  for (const TestRow& query : RandomRows(5000, 20)) {
    for (const std::string& id : Nearest(test, *late, query.vector, false)) EXPECT_EQ(std::ranges::count(gone, id), 0);
  }
  EXPECT_GT(Recall(test, *late), 0.95);
  EXPECT_EQ(Nearest(test, *late, rows[0].vector, false, 1000).size(), kRows / 2 + 300u);
}

TEST_F(CollectionGrowTest, MemoryOfGraphsCountsAgainstTheLimitUntilTheFlush) {
  EngineOptions options = GrowOptions();
  options.limits.unflushed_bytes_max = 160 << 10;
  TestDatabase test(options);
  const auto c = Filled(test);
  test.Upsert(*c, RandomRows(5000, 1));
  Grow(test);
  const auto refused = test.Write(*c, RandomRows(5001, 1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().reason(), "unflushed_full");
  ASSERT_TRUE(c->Flush(test.ctx()).ok());
  test.Upsert(*c, RandomRows(5001, 1));
}

}  // namespace
}  // namespace akidb
