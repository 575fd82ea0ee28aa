// What is chosen, against the rule written down plainly.
#include "ann/graph_prune.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "ann/graph_scratch.h"
#include "ann/graph_space.h"
#include "ann/rows_testing.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

constexpr uint32_t kCodeDim = 64;

struct CodedRows {
  explicit CodedRows(uint32_t count) : codes(size_t{count} * kCodeDim), scales(count), norms(count) {
    for (uint32_t row = 0; row < count; ++row) {
      const std::vector<float> x = NormalFloats(row / 2 * 2 + (row % 7 == 0 ? 1 : 0), kCodeDim);  // some are equal
      kScalarGraphKernels.encode(x.data(), kCodeDim, codes.data() + size_t{row} * kCodeDim, &scales[row], &norms[row]);
    }
    slab = {codes.data(), scales.data(), norms.data(), kCodeDim};
  }
  float Distance(uint32_t a, uint32_t b) const {
    float out;
    kScalarGraphBuildKernels.distances(slab, a, &b, 1, &out);
    return out;
  }
  std::vector<int64_t> CandidatesOf(uint32_t row, uint32_t count) const {
    std::vector<int64_t> out;
    for (uint32_t other = 0; other < count; ++other) {
      if (other != row) out.push_back(KeyOfPair(Distance(row, other), other));
    }
    std::ranges::sort(out);
    return out;
  }
  std::vector<int8_t> codes;
  std::vector<float> scales, norms;
  CodeSlab slab;
};

// At each level in turn the nearest first, if no chosen one is nearer to it than the root of the level allows; then
// whatever is nearest.
std::vector<uint32_t> PlainChoice(const CodedRows& rows, const std::vector<int64_t>& candidates) {
  std::vector<uint32_t> out;
  const auto is_chosen = [&](uint32_t row) { return std::ranges::find(out, row) != out.end(); };
  for (const float level : {1.0f, 1.25f, 1.7f, 0.0f}) {
    for (const int64_t key : candidates) {
      const uint32_t row = RowOfKey(key);
      if (out.size() == kGraphDegree || is_chosen(row)) continue;
      const bool covered = level > 0 && std::ranges::any_of(out, [&](uint32_t chosen) {
                             const float d = rows.Distance(chosen, row);
                             return d == 0 || d < DistanceOfKey(key) / level;
                           });
      if (!covered) out.push_back(row);
    }
  }
  return out;
}

TEST(GraphPrunerTest, ChoosesByTheRule) {
  constexpr uint32_t kRows = 200;
  const CodedRows rows(kRows);
  for (const KernelSet* set : AllKernels()) {
    if (!set->supported()) continue;
    GraphPruner pruner(rows.slab, GraphBuildKernelsFor(GraphKernelsFor(set->name).name));
    for (const uint32_t count : {34u, 60u, kRows}) {
      for (uint32_t row = 0; row < 33; ++row) {
        const std::vector<int64_t> candidates = rows.CandidatesOf(row, count);
        std::vector<uint32_t> neighbours(kGraphDegree);
        pruner.Choose(row, candidates, neighbours.data());
        ASSERT_EQ(neighbours, PlainChoice(rows, candidates)) << set->name << " row " << row << " of " << count;
      }
    }
  }
}

TEST(GraphPrunerTest, FewCandidatesAreAllTakenAndTheRowFillsUp) {
  const CodedRows rows(40);
  GraphPruner pruner(rows.slab, kScalarGraphBuildKernels);
  const std::vector<int64_t> candidates = rows.CandidatesOf(3, 10);
  std::vector<uint32_t> neighbours(kGraphDegree);
  pruner.Choose(3, candidates, neighbours.data());
  for (uint32_t i = 0; i < kGraphDegree; ++i) {
    EXPECT_EQ(neighbours[i], i < candidates.size() ? RowOfKey(candidates[i]) : 3u);
  }
}

}  // namespace
}  // namespace akidb
