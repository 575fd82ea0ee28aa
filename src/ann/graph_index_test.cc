#include "ann/graph_index.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "ann/flat_index.h"
#include "ann/rows_testing.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

// Three threads that take pieces as they come.
class ThreeThreads final : public Parallel {
 public:
  void Run(size_t count, const std::function<void(size_t)>& body) override {
    std::atomic<size_t> next = 0;
    const auto work = [&] {
      for (size_t i = next++; i < count; i = next++) body(i);
    };
    std::thread a(work), b(work);
    work();
    a.join();
    b.join();
  }
};

std::unique_ptr<GraphIndex> Build(const VectorRows& rows, Distance distance, Parallel& parallel,
                                  const KernelSet& kernels = Kernels(), uint64_t seed = 1) {
  FixedClock clock;
  OpContext ctx(clock);
  auto index = GraphIndex::BuildWith(ctx, rows, distance, {.ef_construction = 48, .seed = seed}, kernels, parallel);
  EXPECT_TRUE(index) << index.error().ToString();
  return std::move(*index);
}

std::vector<RowIndex> Rows(const GraphIndex& index, std::span<const float> query, uint32_t ef) {
  FixedClock clock;
  OpContext ctx(clock);
  std::vector<Candidate> out;
  GraphSearchStats stats;
  EXPECT_TRUE(index.SearchWithStats(ctx, {.vector = query, .k = 10, .ef_search = ef}, &out, &stats).ok());
  EXPECT_FALSE(stats.scanned);
  std::vector<RowIndex> rows;
  for (const Candidate& c : out) rows.push_back(c.row);
  return rows;
}

TEST(GraphIndexTest, IsTheSameForAnyNumberOfThreadsAndAnyInstructionSet) {
  const StoredTestRows rows(VectorType::kF16, 40, ClusteredFloats(1, 2500, 40));
  Serial serial;
  ThreeThreads threads;
  const GraphTopology expected = Build(rows.view(), Distance::kDotProduct, serial)->topology();
  for (const KernelSet* kernels : AllKernels()) {
    if (!kernels->supported()) continue;
    EXPECT_EQ(Build(rows.view(), Distance::kDotProduct, threads, *kernels)->topology(), expected) << kernels->name;
  }
  EXPECT_NE(Build(rows.view(), Distance::kDotProduct, threads, Kernels(), 2)->topology(), expected);
}

TEST(GraphIndexTest, AnswersAlikeOnEveryInstructionSetAndAfterOpening) {
  constexpr uint32_t kDim = 100;
  const StoredTestRows rows(VectorType::kF16, kDim, ClusteredFloats(1, 2000, kDim));
  const std::vector<float> queries = ClusteredFloats(2, 20, kDim);
  Serial serial;
  FixedClock clock;
  OpContext ctx(clock);
  const auto built = Build(rows.view(), Distance::kCosine, serial);
  const auto topology = DecodeGraphTopology(EncodeGraphTopology(built->topology()));
  ASSERT_TRUE(topology);
  for (const KernelSet* kernels : AllKernels()) {
    if (!kernels->supported()) continue;
    const auto opened = GraphIndex::OpenWith(ctx, rows.view(), Distance::kCosine, *topology, *kernels, serial);
    ASSERT_TRUE(opened) << opened.error().ToString();
    for (uint32_t i = 0; i < 20; ++i) {
      const auto query = std::span(queries).subspan(size_t{i} * kDim, kDim);
      EXPECT_EQ(Rows(**opened, query, 30), Rows(*built, query, 30)) << kernels->name;
    }
  }
}

TEST(GraphIndexTest, EveryRowCanBeReached) {
  for (const uint32_t copies : {1u, 50u}) {
    std::vector<float> values;
    const std::vector<float> some = ClusteredFloats(3, 3000 / copies, 16);
    for (uint32_t i = 0; i < copies; ++i) values.insert(values.end(), some.begin(), some.end());
    const StoredTestRows rows(VectorType::kF32, 16, values);
    Serial serial;
    const GraphTopology t = Build(rows.view(), Distance::kEuclidean, serial)->topology();
    std::vector<bool> reached(t.row_count);
    std::vector<uint32_t> pending(t.entries);
    size_t count = 0;
    while (!pending.empty()) {
      const uint32_t row = pending.back();
      pending.pop_back();
      if (reached[row]) continue;
      reached[row] = true;
      ++count;
      pending.insert(pending.end(), t.neighbours.begin() + row * kGraphDegree,
                     t.neighbours.begin() + (row + 1) * kGraphDegree);
    }
    EXPECT_EQ(count, t.row_count) << copies << " copies of every row";
  }
}

TEST(GraphIndexTest, RefusesATopologyOfOtherRows) {
  const StoredTestRows rows(VectorType::kF32, 8, NormalFloats(1, 800)),
      fewer(VectorType::kF32, 8, NormalFloats(1, 792));
  Serial serial;
  FixedClock clock;
  OpContext ctx(clock);
  const GraphTopology t = Build(rows.view(), Distance::kCosine, serial)->topology();
  const auto other_rows = GraphIndex::Open(ctx, fewer.view(), Distance::kCosine, t, serial);
  ASSERT_FALSE(other_rows);
  EXPECT_EQ(other_rows.error().code(), StatusCode::kDataLoss);
  EXPECT_FALSE(GraphIndex::Open(ctx, rows.view(), Distance::kEuclidean, t, serial));
}

// Bytes that pass the parser may still be any graph: searching one is safe and keeps the promised number of rows.
TEST(GraphIndexTest, FlippedBytesNeverCrashASearch) {
  constexpr uint32_t kDim = 8;
  const StoredTestRows rows(VectorType::kF32, kDim, NormalFloats(1, 300 * kDim));
  const std::vector<float> query = NormalFloats(2, kDim);
  Serial serial;
  FixedClock clock;
  OpContext ctx(clock);
  const std::string bytes = EncodeGraphTopology(Build(rows.view(), Distance::kCosine, serial)->topology());
  std::mt19937_64 random(3);
  int opened_count = 0;
  for (int round = 0; round < 300; ++round) {
    std::string changed = bytes;
    // Low bits of row numbers, mostly: other flips make numbers beyond the rows, which the parser refuses.
    const size_t flips = round % 10 == 0 ? 1 : 20;
    for (size_t i = 0; i < flips; ++i) {
      const size_t at = round % 10 == 0 ? random() % changed.size() : 36 + random() % (changed.size() / 4 - 9) * 4;
      changed[at] ^= static_cast<char>(1 << random() % 8);
    }
    const auto topology = DecodeGraphTopology(changed);
    if (!topology) continue;
    const auto opened = GraphIndex::Open(ctx, rows.view(), Distance::kCosine, *topology, serial);
    if (!opened) continue;
    ++opened_count;
    std::vector<Candidate> out;
    ASSERT_TRUE((*opened)->Search(ctx, {.vector = query, .k = 10, .ef_search = 10}, &out).ok());
    ASSERT_GE(out.size(), 10u);
  }
  EXPECT_GT(opened_count, 0);
}

TEST(GraphIndexTest, RefusesNoRowsAndStopsWhenCancelled) {
  Serial serial;
  FixedClock clock;
  OpContext ctx(clock);
  const VectorRows none{.dim = 4};
  EXPECT_EQ(GraphIndex::Build(ctx, none, Distance::kEuclidean, {}, serial).error().code(),
            StatusCode::kInvalidArgument);
  const StoredTestRows rows(VectorType::kF32, 8, NormalFloats(1, 8000));
  ctx.Cancel();
  EXPECT_EQ(GraphIndex::Build(ctx, rows.view(), Distance::kEuclidean, {}, serial).error().code(),
            StatusCode::kCancelled);
}

}  // namespace
}  // namespace akidb
