// The index of rows that are still being appended: what a view shows, when rows are linked, and what becomes of recall.
#include "ann/growing_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include "ann/flat_index.h"
#include "ann/rows_testing.h"

namespace akidb {
namespace {

constexpr uint32_t kK = 10;

class GrowingIndexTest : public testing::Test {
 protected:
  static std::vector<Candidate> Find(const VectorIndex& index, const IndexQuery& query) {
    FixedClock clock;
    OpContext ctx(clock);
    std::vector<Candidate> out;
    EXPECT_TRUE(index.Search(ctx, query, &out).ok());
    return out;
  }
  static void Advance(GrowingIndex& index, uint32_t published, uint32_t rows_max = UINT32_MAX) {
    FixedClock clock;
    OpContext ctx(clock);
    EXPECT_TRUE(index.Advance(ctx, published, rows_max));
  }
  static void Mend(GrowingIndex& index) {
    FixedClock clock;
    OpContext ctx(clock);
    while (index.Mend(ctx, 500).value()) {
    }
  }
  static VectorRows First(VectorRows rows, uint32_t count) {
    rows.row_count = count;
    return rows;
  }
  // Share of the true nearest that a view finds.
  static double Recall(const GrowingIndex& index, const VectorRows& rows, Distance distance,
                       const std::vector<float>& queries, IndexQuery query) {
    query.k = kK;
    const auto view = index.View(rows.row_count);
    const auto oracle = NewFlatIndex(rows, distance);
    size_t found = 0, total = 0;
    for (size_t begin = 0; begin < queries.size(); begin += rows.dim) {
      query.vector = std::span(queries).subspan(begin, rows.dim);
      const auto truth = Find(*oracle, query);
      const auto got = Find(*view, query);
      EXPECT_GE(got.size(), std::min<size_t>(kK, truth.size()));
      total += truth.size();
      for (const Candidate& t : truth) {
        found += std::ranges::any_of(got, [&](const Candidate& c) { return c.row == t.row; }) ? 1 : 0;
      }
    }
    return static_cast<double>(found) / static_cast<double>(total);
  }
};

TEST_F(GrowingIndexTest, AViewShowsItsRowsAndNoLaterOnes) {
  constexpr uint32_t kRows = 3000, kDim = 24;
  const StoredTestRows rows(VectorType::kF16, kDim, ClusteredFloats(1, kRows, kDim));
  GrowingIndex index(rows.view(), Distance::kCosine, {.rows_min = 100});
  Advance(index, 2000);
  const std::vector<float> queries = ClusteredFloats(2, 20, kDim);
  for (const uint32_t n : {1u, 700u, 2000u, 3000u}) {
    const auto view = index.View(n);
    for (uint32_t i = 0; i < 20; ++i) {
      const IndexQuery query{.vector = std::span(queries).subspan(i * kDim, kDim), .k = kK};
      const auto found = Find(*view, query);
      EXPECT_GE(found.size(), std::min(n, kK));
      for (const Candidate& c : found) EXPECT_LT(c.row, n);
    }
    EXPECT_EQ(Find(*view, {.vector = std::span(queries).first(kDim), .k = n}).size(), n);
  }
}

TEST_F(GrowingIndexTest, RowsThatTheGraphHasNotComeToAreFound) {
  constexpr uint32_t kRows = 3000, kDim = 24;
  const std::vector<float> values = ClusteredFloats(3, kRows, kDim);
  const StoredTestRows rows(VectorType::kF32, kDim, values);
  GrowingIndex index(rows.view(), Distance::kEuclidean, {.rows_min = 100});
  Advance(index, 2500);
  EXPECT_EQ(index.linked_count(), 2500u);
  const auto view = index.View(kRows);
  for (uint32_t row = 2500; row < kRows; ++row) {
    const auto found = Find(*view, {.vector = std::span(values).subspan(size_t{row} * kDim, kDim), .k = 1});
    ASSERT_FALSE(found.empty());
    EXPECT_EQ(found[0].row, row);
  }
}

TEST_F(GrowingIndexTest, ReachesTheRecallThatIsAskedFor) {
  constexpr uint32_t kRows = 5000, kDim = 32, kQueries = 60;
  const StoredTestRows rows(VectorType::kF16, kDim, ClusteredFloats(4, kRows, kDim));
  const std::vector<float> queries = ClusteredFloats(5, kQueries, kDim);
  for (const Distance distance : {Distance::kCosine, Distance::kEuclidean, Distance::kDotProduct}) {
    GrowingIndex index(rows.view(), distance, {.rows_min = 2000});
    Advance(index, 4000, 3000);  // measured on the way, with rows that came later
    Advance(index, kRows);
    EXPECT_GT(index.linked_count(), kRows * 9 / 10);
    const uint64_t scanned = index.scanned_rows();
    for (const double recall : {0.9, 0.95, 0.99}) {
      const double least = recall - (1 - recall) / 2;  // of so few queries
      EXPECT_GE(Recall(index, rows.view(), distance, queries, {.vector = {}, .recall = recall}), least);
    }
    EXPECT_LT(index.scanned_rows() - scanned, 3 * kQueries * kRows / 2) << "most answers came from walks";
  }
}

TEST_F(GrowingIndexTest, NothingIsLinkedBelowTheLeastNumberOfRows) {
  const StoredTestRows rows(VectorType::kF32, 8, ClusteredFloats(1, 500, 8));
  GrowingIndex index(rows.view(), Distance::kCosine, {.rows_min = 400});
  Advance(index, 399);
  EXPECT_EQ(index.linked_count(), 0u);
  EXPECT_EQ(index.memory_bytes(), 0u);
  Advance(index, 400);
  EXPECT_EQ(index.linked_count(), 400u);
  EXPECT_GT(index.memory_bytes(), 400u * 64);
}

TEST_F(GrowingIndexTest, RowsAreLinkedAsSearchesHavePaidForThem) {
  const std::vector<float> values = ClusteredFloats(1, 500, 8);
  const StoredTestRows rows(VectorType::kF32, 8, values);
  GrowingIndex index(rows.view(), Distance::kCosine, {.rows_min = 100, .scans_per_row = 50});
  Advance(index, 500);
  EXPECT_EQ(index.linked_count(), 0u) << "nobody searched";
  const auto view = index.View(500);
  const IndexQuery query{.vector = std::span(values).first(8), .k = kK};
  Find(*view, query);
  Advance(index, 500);
  EXPECT_EQ(index.linked_count(), 10u) << "500 rows were scanned";
  IndexQuery exact = query;
  exact.exact = true;
  Find(*view, exact);
  Advance(index, 500);
  EXPECT_EQ(index.linked_count(), 10u) << "a graph would not have helped";
}

TEST_F(GrowingIndexTest, RemovedAndSkippedRowsAreFoundByWhoeverHasThem) {
  constexpr uint32_t kRows = 3000, kDim = 24;
  const std::vector<float> values = ClusteredFloats(7, kRows, kDim);
  const StoredTestRows rows(VectorType::kF32, kDim, values);
  GrowingIndex index(rows.view(), Distance::kEuclidean, {.rows_min = 100});
  FixedClock clock;
  OpContext ctx(clock);
  ASSERT_TRUE(index.Advance(ctx, kRows, kRows, [](RowIndex row) { return row % 10 == 1; }));
  for (RowIndex row = 0; row < kRows; row += 10) index.Remove(row);
  Mend(index);
  const auto view = index.View(kRows);
  RowSet others(kRows, true);
  for (RowIndex row = 0; row < kRows; ++row) {
    if (row % 10 <= 1) others.Remove(row);
  }
  for (RowIndex row = 0; row < kRows; row += 10) {
    for (const RowIndex own : {row, row + 1}) {
      IndexQuery query{.vector = std::span(values).subspan(size_t{own} * kDim, kDim), .k = kK};
      EXPECT_EQ(Find(*view, query).at(0).row, own);
      query.eligible = &others;
      for (const Candidate& c : Find(*view, query)) EXPECT_GT(c.row % 10, 1u);
    }
  }
  EXPECT_GE(Recall(index, rows.view(), Distance::kEuclidean, ClusteredFloats(8, 40, kDim),
                   {.vector = {}, .eligible = &others}),
            0.95);
}

// The dot product's space has no place for them.
TEST_F(GrowingIndexTest, RowsLongerThanAllThatWereSeenAreScanned) {
  constexpr uint32_t kRows = 2000, kDim = 16;
  std::vector<float> values = ClusteredFloats(9, kRows, kDim);
  for (uint32_t row = 1500; row < kRows; ++row) {
    const float factor = row % 2 == 0 ? 30.0f : 0.5f;
    for (uint32_t i = 0; i < kDim; ++i) values[size_t{row} * kDim + i] *= factor;
  }
  const StoredTestRows rows(VectorType::kF32, kDim, values);
  GrowingIndex index(rows.view(), Distance::kDotProduct, {.rows_min = 100});
  Advance(index, 1500, 1000);
  Advance(index, kRows);
  EXPECT_LT(index.linked_count(), kRows - 200);
  EXPECT_GT(index.linked_count(), kRows - 300);
  EXPECT_GE(Recall(index, rows.view(), Distance::kDotProduct, ClusteredFloats(10, 40, kDim), {}), 0.95);
}

TEST_F(GrowingIndexTest, RowsThatComeAndGoDoNotErodeRecall) {
  constexpr uint32_t kRows = 2000, kDim = 24, kRounds = 20, kChanged = kRows / 10;
  const StoredTestRows rows(VectorType::kF16, kDim, NormalFloats(11, size_t{kRows} * kDim));
  const std::vector<float> queries = NormalFloats(12, size_t{100} * kDim);
  GrowingIndex index(rows.view(), Distance::kEuclidean, {.rows_min = 100});
  Advance(index, kRows - kChanged);
  RowSet live(kRows);
  for (RowIndex row = 0; row < kRows - kChanged; ++row) live.Add(row);
  const IndexQuery query{.vector = {}, .eligible = &live, .ef_search = 12};
  const double before = Recall(index, rows.view(), Distance::kEuclidean, queries, query);
  std::vector<RowIndex> absent;
  std::mt19937_64 random(13);
  for (uint32_t round = 0; round < kRounds; ++round) {
    std::vector<RowIndex> removed;
    while (removed.size() < kChanged) {
      const auto row = static_cast<RowIndex>(random() % kRows);
      if (!live.Contains(row)) continue;
      index.Remove(row);
      live.Remove(row);
      removed.push_back(row);
    }
    Mend(index);
    if (round == 0) Advance(index, kRows);
    for (const RowIndex row : absent) index.Restore(row);
    for (RowIndex row = kRows - kChanged; round == 0 && row < kRows; ++row) live.Add(row);
    for (const RowIndex row : absent) live.Add(row);
    absent = std::move(removed);
    EXPECT_EQ(index.linked_count(), kRows - kChanged);
  }
  EXPECT_GT(before, 0.5);
  EXPECT_LT(before, 0.99) << "a beam so wide hides what is lost";
  EXPECT_GE(Recall(index, rows.view(), Distance::kEuclidean, queries, query), before - 0.015);
}

TEST_F(GrowingIndexTest, TheSameStepsGiveTheSameAnswers) {
  constexpr uint32_t kRows = 2000, kDim = 32;
  const StoredTestRows rows(VectorType::kF16, kDim, ClusteredFloats(14, kRows, kDim));
  const std::vector<float> queries = ClusteredFloats(15, 50, kDim);
  const auto answers = [&] {
    GrowingIndex index(rows.view(), Distance::kCosine, {.rows_min = 500});
    for (uint32_t n = 500; n <= kRows; n += 500) Advance(index, n, 400);
    std::vector<RowIndex> out;
    for (uint32_t i = 0; i < 50; ++i) {
      const auto found = Find(*index.View(kRows), {.vector = std::span(queries).subspan(i * kDim, kDim), .k = kK});
      for (const Candidate& c : found) out.push_back(c.row);
    }
    return out;
  };
  EXPECT_EQ(answers(), answers());
}

TEST_F(GrowingIndexTest, AStepEndsWhenItIsCancelledAndTheNextGoesOn) {
  const StoredTestRows rows(VectorType::kF32, 8, ClusteredFloats(1, 1000, 8));
  GrowingIndex index(rows.view(), Distance::kCosine, {.rows_min = 100});
  FixedClock clock;
  OpContext cancelled(clock);
  cancelled.Cancel();
  EXPECT_EQ(index.Advance(cancelled, 1000, 1000).error().code(), StatusCode::kCancelled);
  Advance(index, 1000);
  EXPECT_EQ(index.linked_count(), 1000u);
}

// One thread appends rows, one links, removes and mends, two search.
TEST_F(GrowingIndexTest, SearchesRunWhileRowsComeAndGo) {
  constexpr uint32_t kRows = 1500, kDim = 16, kStart = 600;
  const std::vector<float> values = ClusteredFloats(16, kRows, kDim);
  const std::vector<float> queries = ClusteredFloats(17, 16, kDim);
  // As the engine has it: memory that is filled beyond what is published.
  std::vector<float> data(values.size());
  std::atomic<uint32_t> published{0};
  const auto append = [&](uint32_t to) {
    for (uint32_t row = published.load(std::memory_order_relaxed); row < to; ++row) {
      std::memcpy(data.data() + size_t{row} * kDim, values.data() + size_t{row} * kDim, kDim * sizeof(float));
      published.store(row + 1, std::memory_order_release);
    }
  };
  append(kStart);
  const VectorRows rows{.type = VectorType::kF32,
                        .dim = kDim,
                        .row_count = kRows,
                        .stride_bytes = kDim * sizeof(float),
                        .data = reinterpret_cast<const std::byte*>(data.data())};
  GrowingIndex index(rows, Distance::kEuclidean, {.rows_min = 100});
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  threads.emplace_back([&] { append(kRows); });
  for (uint32_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t i = t; !stop.load(std::memory_order_relaxed); ++i) {
        const uint32_t n = published.load(std::memory_order_acquire);
        RowSet eligible(n, true);
        for (RowIndex row = 0; row < n; row += 7) eligible.Remove(row);
        const IndexQuery query{.vector = std::span(queries).subspan(size_t{i % 16} * kDim, kDim),
                               .k = kK,
                               .eligible = i % 2 == 0 ? &eligible : nullptr,
                               .ef_search = 16};
        const auto found = Find(*index.View(n), query);
        EXPECT_GE(found.size(), kK);
        for (const Candidate& c : found) {
          EXPECT_LT(c.row, n);
          EXPECT_TRUE(query.eligible == nullptr || eligible.Contains(c.row));
          EXPECT_EQ(c.score, ExactScore(First(rows, n), Distance::kEuclidean, query.vector, c.row));
        }
      }
    });
  }
  RowIndex remove = 0;
  while (index.next_row() + GrowingBeamMeter::kSamplesMin < kRows) {
    Advance(index, published.load(std::memory_order_acquire), 100);
    for (const RowIndex end = remove + 50; remove < std::min(end, index.next_row()); remove += 5) index.Remove(remove);
    Mend(index);
  }
  for (RowIndex row = 0; row < remove; row += 10) index.Restore(row);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(Recall(index, rows, Distance::kEuclidean, queries, {.vector = {}, .recall = 0.95}), 0.9);
}

}  // namespace
}  // namespace akidb
