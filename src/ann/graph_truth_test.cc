#include "ann/graph_truth.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ann/flat_index.h"
#include "ann/rows_testing.h"
#include "ann/three_threads_testing.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

constexpr uint32_t kDim = 40;
constexpr uint32_t kWanted = 10;

std::vector<std::vector<Candidate>> Nearest(const VectorRows& rows, Distance distance,
                                            const std::vector<uint32_t>& samples, Parallel& parallel,
                                            std::string_view kernels_name = Kernels().name) {
  FixedClock clock;
  OpContext ctx(clock);
  const GraphKernels& kernels = GraphKernelsFor(kernels_name);
  const GraphSpace space = GraphSpace::Fit(rows, distance, 1, kernels);
  const auto codes = GraphCodes::Make(ctx, rows, space, kernels, parallel);
  EXPECT_TRUE(codes);
  const auto found =
      NearestOf(ctx, {rows, distance, space, *codes, kernels}, RowsAsQueries(rows, samples), kWanted, parallel);
  EXPECT_TRUE(found);
  return *found;
}

// Scores of the nearest other rows, by the index that looks at all of them.
std::vector<double> ScoresOfAll(const VectorRows& rows, Distance distance, uint32_t sample) {
  FixedClock clock;
  OpContext ctx(clock);
  std::vector<float> values(rows.dim);
  LoadRow(rows, sample, values.data());
  std::vector<Candidate> found;
  EXPECT_TRUE(NewFlatIndex(rows, distance)->Search(ctx, {.vector = values, .k = kWanted + 1}, &found).ok());
  std::erase_if(found, [&](const Candidate& c) { return c.row == sample; });
  std::vector<double> out;
  for (const Candidate& c : found) out.push_back(c.score);
  std::ranges::sort(out);
  if (LargerIsNearer(distance)) std::ranges::reverse(out);
  out.resize(std::min<size_t>(out.size(), kWanted));
  return out;
}

TEST(GraphTruthTest, IsWhatALookAtAllRowsFinds) {
  constexpr uint32_t kRows = 2300;
  std::vector<float> values = ClusteredFloats(1, kRows, kDim);
  // Lengths differ, and forty rows that follow each other are alike.
  for (size_t i = 0; i < values.size(); ++i) values[i] *= 1 + static_cast<float>(i / kDim % 5) * 0.2f;
  for (size_t row = 701; row < 740; ++row) {
    for (size_t i = 0; i < kDim; ++i) values[row * kDim + i] = values[700 * kDim + i] + 1e-4f * static_cast<float>(row);
  }
  const std::vector<uint32_t> samples = {0, 5, 5, 17, 700, 720, 1024, 1999, 2299};
  for (const VectorType type : {VectorType::kF32, VectorType::kF16, VectorType::kInt8}) {
    const StoredTestRows stored(type, kDim, values);
    for (const Distance distance : {Distance::kCosine, Distance::kEuclidean, Distance::kDotProduct}) {
      VectorRows rows = stored.view();
      if (distance != Distance::kCosine) rows.inv_norms = nullptr;
      Serial serial;
      const auto found = Nearest(rows, distance, samples, serial);
      ASSERT_EQ(found.size(), samples.size());
      for (size_t i = 0; i < samples.size(); ++i) {
        std::vector<double> scores;
        for (const Candidate& c : found[i]) {
          EXPECT_NE(c.row, samples[i]);
          scores.push_back(c.score);
        }
        EXPECT_EQ(scores, ScoresOfAll(rows, distance, samples[i])) << DistanceName(distance) << " row " << samples[i];
      }
    }
  }
}

TEST(GraphTruthTest, IsTheSameForAnyNumberOfThreadsOnAnyInstructionSet) {
  const StoredTestRows stored(VectorType::kF16, kDim, ClusteredFloats(2, 3000, kDim));
  const std::vector<uint32_t> samples = {1, 2, 3, 1500, 2999};
  Serial serial;
  ThreeThreads threads;
  const auto rows_of = [](const std::vector<std::vector<Candidate>>& found) {
    std::vector<RowIndex> out;
    for (const auto& some : found) {
      for (const Candidate& c : some) out.push_back(c.row);
    }
    return out;
  };
  const auto expected = rows_of(Nearest(stored.view(), Distance::kCosine, samples, serial));
  EXPECT_EQ(rows_of(Nearest(stored.view(), Distance::kCosine, samples, threads)), expected);
  EXPECT_EQ(rows_of(Nearest(stored.view(), Distance::kCosine, samples, serial, "scalar")), expected);
}

TEST(GraphTruthTest, FewRowsHaveFewOthers) {
  Serial serial;
  for (const uint32_t count : {1u, 2u, 7u}) {
    const StoredTestRows stored(VectorType::kF32, kDim, ClusteredFloats(3, count, kDim));
    const auto found = Nearest(stored.view(), Distance::kCosine, {count - 1}, serial);
    EXPECT_EQ(found.at(0).size(), count - 1);
  }
}

}  // namespace
}  // namespace akidb
