#include "ann/graph_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "ann/flat_index.h"
#include "ann/rows_testing.h"
#include "ann/three_threads_testing.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

constexpr GraphLayoutKind kLayouts[] = {GraphLayoutKind::kFast, GraphLayoutKind::kCompact5, GraphLayoutKind::kCompact8,
                                        GraphLayoutKind::kCompact12, GraphLayoutKind::kFast12};

std::unique_ptr<GraphIndex> Build(const VectorRows& rows, Distance distance, Parallel& parallel,
                                  const KernelSet& kernels = Kernels(), uint64_t seed = 1,
                                  GraphLayoutKind layout = GraphLayoutKind::kFast) {
  FixedClock clock;
  OpContext ctx(clock);
  const GraphOptions options{.ef_construction = 48, .seed = seed, .layout = layout};
  auto index = GraphIndex::BuildWith(ctx, rows, distance, options, kernels, parallel);
  EXPECT_TRUE(index) << index.error().ToString();
  return std::move(*index);
}

// The same graph in another layout.
std::unique_ptr<GraphIndex> InLayout(const GraphIndex& index, const VectorRows& rows, Distance distance,
                                     GraphLayoutKind layout) {
  FixedClock clock;
  OpContext ctx(clock);
  Serial serial;
  GraphTopology topology = index.topology();
  topology.layout = layout;
  auto opened = GraphIndex::Open(ctx, rows, distance, topology, serial);
  EXPECT_TRUE(opened) << opened.error().ToString();
  return std::move(*opened);
}

std::vector<RowIndex> Rows(const GraphIndex& index, std::span<const float> query, uint32_t ef) {
  FixedClock clock;
  OpContext ctx(clock);
  std::vector<Candidate> out;
  GraphSearchStats stats;
  EXPECT_TRUE(index.SearchWithStats(ctx, {.vector = query, .k = 10, .ef_search = ef}, &out, &stats).ok());
  EXPECT_EQ(stats.scans, 0u);
  std::vector<RowIndex> rows;
  for (const Candidate& c : out) rows.push_back(c.row);
  return rows;
}

TEST(GraphIndexTest, IsTheSameForAnyNumberOfThreads) {
  const StoredTestRows rows(VectorType::kF16, 40, ClusteredFloats(1, 2500, 40));
  Serial serial;
  ThreeThreads threads;
  const GraphTopology expected = Build(rows.view(), Distance::kDotProduct, serial)->topology();
  EXPECT_EQ(Build(rows.view(), Distance::kDotProduct, threads)->topology(), expected);
}

TEST(GraphIndexTest, IsTheSameOnAnyInstructionSetButNotForAnotherSeed) {
  const StoredTestRows rows(VectorType::kF16, 40, ClusteredFloats(1, 1500, 40));
  Serial serial;
  const GraphTopology expected = Build(rows.view(), Distance::kDotProduct, serial)->topology();
  for (const KernelSet* kernels : AllKernels()) {
    if (!kernels->supported()) continue;
    EXPECT_EQ(Build(rows.view(), Distance::kDotProduct, serial, *kernels)->topology(), expected) << kernels->name;
  }
  EXPECT_NE(Build(rows.view(), Distance::kDotProduct, serial, Kernels(), 2)->topology(), expected);
}

TEST(GraphIndexTest, ACompactOneMeasuresItselfAlikeEverywhere) {
  const StoredTestRows rows(VectorType::kF16, 40, ClusteredFloats(1, 700, 40));
  Serial serial;
  ThreeThreads threads;
  const auto build = [&](Parallel& parallel, const KernelSet& kernels) {
    return Build(rows.view(), Distance::kCosine, parallel, kernels, 1, GraphLayoutKind::kCompact5)->topology();
  };
  const GraphTopology expected = build(serial, Kernels());
  EXPECT_EQ(expected.layout, GraphLayoutKind::kCompact5);
  for (const KernelSet* kernels : AllKernels()) {
    if (kernels->supported()) EXPECT_EQ(build(threads, *kernels), expected) << kernels->name;
  }
}

// Equal rows have equal estimates, which a pool keeps apart by their numbers and by who was taken.
TEST(GraphIndexTest, AnswersAlikeOnEveryInstructionSetWhereRowsAreEqual) {
  constexpr uint32_t kDim = 40, kDistinct = 300, kCopies = 8;
  const std::vector<float> distinct = ClusteredFloats(1, kDistinct, kDim);
  std::vector<float> all;
  for (uint32_t i = 0; i < kCopies; ++i) all.insert(all.end(), distinct.begin(), distinct.end());
  const StoredTestRows rows(VectorType::kF32, kDim, all);
  const std::vector<float> queries = ClusteredFloats(2, 40, kDim);
  Serial serial;
  FixedClock clock;
  OpContext ctx(clock);
  const auto fast = Build(rows.view(), Distance::kEuclidean, serial);
  for (const GraphLayoutKind layout : {GraphLayoutKind::kFast, GraphLayoutKind::kCompact5}) {
    const auto built = InLayout(*fast, rows.view(), Distance::kEuclidean, layout);
    const GraphTopology topology = built->topology();
    for (const KernelSet* kernels : AllKernels()) {
      if (!kernels->supported()) continue;
      const auto opened = GraphIndex::OpenWith(ctx, rows.view(), Distance::kEuclidean, topology, *kernels, serial);
      ASSERT_TRUE(opened) << opened.error().ToString();
      for (uint32_t i = 0; i < 40; ++i) {
        const auto query = std::span(queries).subspan(size_t{i} * kDim, kDim);
        for (const uint32_t ef : {10, 16, 30, 48, 64, 120, 200}) {
          const IndexQuery asked{.vector = query, .k = 10, .ef_search = ef};
          std::vector<Candidate> out, expected;
          GraphSearchStats stats, expected_stats;
          ASSERT_TRUE((*opened)->SearchWithStats(ctx, asked, &out, &stats).ok());
          ASSERT_TRUE(built->SearchWithStats(ctx, asked, &expected, &expected_stats).ok());
          EXPECT_EQ(stats.hops, expected_stats.hops) << kernels->name << " " << ef;
          EXPECT_EQ(Rows(**opened, query, ef), Rows(*built, query, ef)) << kernels->name << " " << ef;
        }
      }
    }
  }
}

// Blocks are looked at beforehand to guess where the best rows end: here all of those are near, and few others.
TEST(GraphIndexTest, ASweepFindsAsManyWhereItsSampleMisleads) {
  constexpr uint32_t kDim = 32, kRows = 4800, kScored = 200, kWanted = 100;
  const std::vector<float> query = NormalFloats(1, kDim);
  std::vector<float> all;
  for (uint32_t row = 0; row < kRows; ++row) {
    const bool sampled = row / kGraphDegree % (kScored / 24) == 0;
    const std::vector<float> noise = NormalFloats(2 + row, kDim);
    for (uint32_t i = 0; i < kDim; ++i) all.push_back(sampled ? query[i] + 0.3f * noise[i] : 3 * noise[i]);
  }
  const StoredTestRows rows(VectorType::kF32, kDim, all);
  Serial serial;
  FixedClock clock;
  OpContext ctx(clock);
  const auto index = Build(rows.view(), Distance::kEuclidean, serial);
  const IndexQuery asked{.vector = query, .k = kWanted, .ef_search = kScored - 1};
  std::vector<Candidate> out;
  GraphSearchStats stats;
  ASSERT_TRUE(index->SearchWithout(ctx, kRows - 1, asked, GraphWay::kSweep, &out, &stats).ok());
  EXPECT_EQ(stats.sweeps, 1u);
  EXPECT_EQ(out.size(), kWanted);
}

TEST(GraphIndexTest, AnswersAlikeOnEveryInstructionSetAndAfterOpening) {
  constexpr uint32_t kDim = 100;
  const StoredTestRows rows(VectorType::kF16, kDim, ClusteredFloats(1, 2000, kDim));
  const std::vector<float> queries = ClusteredFloats(2, 20, kDim);
  Serial serial;
  FixedClock clock;
  OpContext ctx(clock);
  const auto fast = Build(rows.view(), Distance::kCosine, serial);
  for (const GraphLayoutKind layout : kLayouts) {
    const auto built = InLayout(*fast, rows.view(), Distance::kCosine, layout);
    const auto topology = DecodeGraphTopology(EncodeGraphTopology(built->topology()));
    ASSERT_TRUE(topology);
    for (const KernelSet* kernels : AllKernels()) {
      if (!kernels->supported()) continue;
      const auto opened = GraphIndex::OpenWith(ctx, rows.view(), Distance::kCosine, *topology, *kernels, serial);
      ASSERT_TRUE(opened) << opened.error().ToString();
      for (uint32_t i = 0; i < 20; ++i) {
        const auto query = std::span(queries).subspan(size_t{i} * kDim, kDim);
        for (const uint32_t ef : {10, 30, 48, 64, 120, 200}) {
          EXPECT_EQ(Rows(**opened, query, ef), Rows(*built, query, ef)) << kernels->name << " " << ef;
        }
      }
    }
  }
}

// Recall at 10 among the eligible rows, against the exact scan.
double Recall(const GraphIndex& index, const std::vector<float>& queries, uint32_t dim, const RowSet* eligible,
              uint32_t ef, double recall, GraphSearchStats* stats) {
  FixedClock clock;
  OpContext ctx(clock);
  size_t hits = 0, total = 0;
  for (size_t at = 0; at < queries.size(); at += dim) {
    IndexQuery query{.vector = std::span(queries).subspan(at, dim), .k = 10, .eligible = eligible, .exact = true};
    std::vector<Candidate> truth, found;
    EXPECT_TRUE(index.Search(ctx, query, &truth).ok());
    query.exact = false;
    query.ef_search = ef;
    query.recall = recall;
    EXPECT_TRUE(index.SearchWithStats(ctx, query, &found, stats).ok());
    EXPECT_GE(found.size(), truth.size());
    total += truth.size();
    for (const Candidate& c : found) {
      EXPECT_TRUE(eligible == nullptr || eligible->Contains(c.row));
      hits += std::ranges::any_of(truth, [&](const Candidate& t) { return t.row == c.row; });
    }
  }
  return static_cast<double>(hits) / static_cast<double>(total);
}

TEST(GraphIndexTest, ReachesTheRecallThatIsAskedFor) {
  constexpr uint32_t kDim = 64;
  const StoredTestRows rows(VectorType::kF16, kDim, ClusteredFloats(1, 4000, kDim));
  const std::vector<float> queries = ClusteredFloats(2, 200, kDim);
  Serial serial;
  for (const GraphLayoutKind layout : {GraphLayoutKind::kFast, GraphLayoutKind::kCompact5}) {
    const auto index = Build(rows.view(), Distance::kCosine, serial, Kernels(), 1, layout);
    ASSERT_EQ(index->topology().measured.beams.size(), std::size(kRecallLevels));
    GraphSearchStats stats;
    for (const double wanted : {0.8, 0.9, 0.95, 0.99}) {
      EXPECT_GE(Recall(*index, queries, kDim, nullptr, 0, wanted, &stats), wanted - 0.02) << wanted;
    }
    EXPECT_EQ(stats.scans, 0u);
    EXPECT_EQ(Recall(*index, queries, kDim, nullptr, 0, 1.0, &stats), 1.0);
    EXPECT_GT(stats.scans, 0u);
  }
}

// A query unlike the rows gets a much longer walk, or a look at all codes where that costs less.
TEST(GraphIndexTest, LooksFartherWhereQueriesAreUnlikeTheRows) {
  constexpr uint32_t kDim = 64;
  const StoredTestRows rows(VectorType::kF16, kDim, ClusteredFloats(1, 16000, kDim));
  const std::vector<float> queries = ClusteredFloats(2, 100, kDim);
  FixedClock clock;
  OpContext ctx(clock);
  Serial serial;
  GraphTopology topology = Build(rows.view(), Distance::kCosine, serial)->topology();
  const float reach = topology.measured.reach;
  const auto hits_with = [&](uint32_t beam, float known, GraphSearchStats* stats) {
    topology.measured.beams.assign(std::size(kRecallLevels), beam);
    topology.measured.reach = known;
    const auto index = GraphIndex::Open(ctx, rows.view(), Distance::kCosine, topology, serial);
    EXPECT_TRUE(index) << index.error().ToString();
    uint32_t hits = 0;
    for (size_t at = 0; at < queries.size(); at += kDim) {
      IndexQuery query{.vector = std::span(queries).subspan(at, kDim), .k = 1, .exact = true};
      std::vector<Candidate> truth, found;
      EXPECT_TRUE((*index)->Search(ctx, query, &truth).ok());
      query.exact = false;
      query.recall = 0.9;
      EXPECT_TRUE((*index)->SearchWithStats(ctx, query, &found, stats).ok());
      hits += found.size() == 1 && found[0].row == truth[0].row ? 1 : 0;
    }
    return hits;
  };
  constexpr float kAllFar = 1e-6f;
  GraphSearchStats near, far, swept;
  const uint32_t near_hits = hits_with(2, 100 * reach, &near), far_hits = hits_with(2, kAllFar, &far);
  EXPECT_EQ(near.sweeps, 0u);
  EXPECT_EQ(far.sweeps, 0u);
  EXPECT_GT(far.hops, 5 * near.hops);
  EXPECT_GT(far_hits, near_hits);
  EXPECT_GE(far_hits, 95u);
  EXPECT_GE(hits_with(64, kAllFar, &swept), 95u);
  EXPECT_EQ(swept.sweeps, 100u);
}

// Beams much too narrow, as those of rows are for queries that lie otherwise, are made wider by such queries, while
// searches go on.
TEST(GraphIndexTest, LooksWiderWhereQueriesThatWereSeenWantIt) {
  constexpr uint32_t kDim = 64;
  const StoredTestRows rows(VectorType::kF16, kDim, ClusteredFloats(1, 4000, kDim));
  const std::vector<float> seen = ClusteredFloats(3, 192, kDim), queries = ClusteredFloats(2, 200, kDim);
  FixedClock clock;
  OpContext ctx(clock);
  Serial serial;
  ThreeThreads threads;
  for (const GraphLayoutKind layout : {GraphLayoutKind::kFast, GraphLayoutKind::kCompact5}) {
    GraphTopology narrow = Build(rows.view(), Distance::kCosine, serial, Kernels(), 1, layout)->topology();
    const MeasuredBeams by_rows = narrow.measured;
    narrow.measured.beams.assign(std::size(kRecallLevels), 2);
    narrow.measured.reach *= 100;
    const auto open = [&] { return GraphIndex::Open(ctx, rows.view(), Distance::kCosine, narrow, serial).value(); };
    const auto index = open();
    GraphSearchStats stats;
    EXPECT_LT(Recall(*index, queries, kDim, nullptr, 0, 0.99, &stats), 0.95);
    std::atomic<bool> measured = false;
    std::thread searching([&] {
      while (!measured)
        Recall(*index, std::vector(queries.begin(), queries.begin() + 5 * kDim), kDim, nullptr, 0, 0.9, &stats);
    });
    EXPECT_TRUE(index->MeasureWith(ctx, seen, threads).value());
    measured = true;
    searching.join();
    for (const double wanted : {0.8, 0.9, 0.95, 0.99}) {
      EXPECT_GE(Recall(*index, queries, kDim, nullptr, 0, wanted, &stats), wanted - 0.02) << wanted;
    }
    EXPECT_FALSE(index->MeasureWith(ctx, seen, serial).value()) << "it does for them";
    const auto again = open();
    EXPECT_TRUE(again->MeasureWith(ctx, seen, serial).value());
    EXPECT_EQ(again->topology(), index->topology()) << "whatever the threads";

    narrow.measured = by_rows;
    narrow.measured.beams.assign(std::size(kRecallLevels), 2);
    narrow.measured.reach = 1e-6f;
    EXPECT_FALSE(open()->MeasureWith(ctx, seen, serial).value()) << "those beyond the reach get more anyhow";
    narrow.measured = {};
    if (layout != GraphLayoutKind::kFast) continue;
    const auto unmeasured = open();
    EXPECT_TRUE(unmeasured->MeasureWith(ctx, {}, serial).value());
    EXPECT_EQ(unmeasured->topology().measured, by_rows) << "of before graphs measured themselves";
  }
}

// Recall without a look at the rows, and scores as near to the true ones as the codes are.
TEST(GraphIndexTest, AnswersFromCodesAlone) {
  constexpr uint32_t kDim = 64;
  const std::vector<float> queries = ClusteredFloats(2, 100, kDim);
  const StoredTestRows rows(VectorType::kF32, kDim, ClusteredFloats(1, 3000, kDim));
  Serial serial;
  FixedClock clock;
  OpContext ctx(clock);
  for (const Distance distance : {Distance::kCosine, Distance::kEuclidean, Distance::kDotProduct}) {
    const auto built = Build(rows.view(), distance, serial);
    for (const GraphLayoutKind layout : kLayouts) {
      const auto index = InLayout(*built, rows.view(), distance, layout);
      double error = 0;
      size_t hits = 0;
      for (size_t at = 0; at < queries.size(); at += kDim) {
        IndexQuery query{.vector = std::span(queries).subspan(at, kDim), .k = 10, .ef_search = 200, .from_codes = true};
        std::vector<Candidate> found, truth;
        ASSERT_TRUE(index->Search(ctx, query, &found).ok());
        ASSERT_EQ(found.size(), 10u);
        query.exact = true;
        ASSERT_TRUE(index->Search(ctx, query, &truth).ok());
        for (const Candidate& c : found) {
          const double exact = ExactScore(rows.view(), distance, query.vector, c.row);
          error = std::max(error, std::abs(c.score - exact) / std::abs(exact));
          hits += std::ranges::any_of(truth, [&](const Candidate& t) { return t.row == c.row; });
        }
      }
      const bool five = layout == GraphLayoutKind::kCompact5, twelve = HasFinerCodes(layout);
      EXPECT_GE(hits, five ? 850u : twelve ? 994u : 970u) << DistanceName(distance) << " " << static_cast<int>(layout);
      EXPECT_LT(error, five ? 0.1 : twelve ? 0.002 : 0.02) << DistanceName(distance) << " " << static_cast<int>(layout);
      EXPECT_GT(error, 0) << "nothing was estimated";
    }
  }
}

// However the rows that pass lie to the queries.
TEST(GraphIndexTest, FiltersKeepTheRecall) {
  constexpr uint32_t kDim = 64, kRows = 12000;
  const StoredTestRows rows(VectorType::kF16, kDim, ClusteredFloats(1, kRows, kDim));
  const std::vector<float> queries = ClusteredFloats(2, 60, kDim);
  Serial serial;
  FixedClock clock;
  OpContext ctx(clock);
  const auto built = Build(rows.view(), Distance::kCosine, serial);
  for (const GraphLayoutKind layout : {GraphLayoutKind::kFast, GraphLayoutKind::kCompact5}) {
    const auto index = InLayout(*built, rows.view(), Distance::kCosine, layout);
    std::vector<Candidate> by_nearness;
    ASSERT_TRUE(
        index->Search(ctx, {.vector = std::span(queries).first(kDim), .k = kRows, .exact = true}, &by_nearness).ok());
    std::mt19937_64 random(4);
    GraphSearchStats all;
    for (const uint32_t passing : {kRows / 2, kRows / 10, kRows / 100, 7u}) {
      for (const std::string kind : {"random", "near one query", "far from it"}) {
        RowSet eligible(kRows);
        for (uint32_t i = 0; i < passing; ++i) {
          eligible.Add(kind == "random"           ? static_cast<RowIndex>(random() % kRows)
                       : kind == "near one query" ? by_nearness[i].row
                                                  : by_nearness[kRows - 1 - i].row);
        }
        GraphSearchStats stats;
        EXPECT_GE(Recall(*index, queries, kDim, &eligible, 0, 0.95, &stats), 0.95) << kind << " " << passing;
        all.hops += stats.hops;
        all.sweeps += stats.sweeps;
        all.scans += stats.scans;
      }
    }
    // So few rows are swept sooner than walked through in the compact layout.
    if (layout == GraphLayoutKind::kFast) EXPECT_GT(all.hops, 0u);
    EXPECT_GT(all.sweeps, 0u);
    EXPECT_GT(all.scans, 0u);
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
    auto topology = DecodeGraphTopology(changed);
    if (!topology) continue;
    topology->layout = kLayouts[round % std::size(kLayouts)];
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
