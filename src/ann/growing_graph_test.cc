// The lists of a growing graph: what they name, and that rows are found while others come and go.
#include "ann/growing_graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "ann/graph_space.h"
#include "ann/growing_walk.h"
#include "ann/rows_testing.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

constexpr uint32_t kGrownDim = 32, kBeam = 48;

class GrowingGraphTest : public testing::Test {
 protected:
  // A graph with room for `rows`, none of which is linked.
  static std::unique_ptr<GrowingGraph> Make(const VectorRows& rows, const GraphKernels& kernels) {
    const GraphSpace space = GraphSpace::Fit(rows, Distance::kEuclidean, 1, kernels);
    auto graph = GrowingGraph::Create(rows.row_count, space.dim(), kernels).value();
    std::vector<float> place(space.dim());
    for (uint32_t row = 0; row < rows.row_count; ++row) {
      space.TransformRow(rows, row, place.data());
      graph->Encode(row, place.data());
    }
    return graph;
  }
  static const GraphKernels& Best() { return GraphKernelsFor(Kernels().name); }
  static bool IsLinked(const GrowingGraph& graph, uint32_t row) {
    return (graph.LinkedWord(row / 64) >> (row % 64) & 1) != 0;
  }
  static std::vector<uint32_t> ListOf(const GrowingGraph& graph, uint32_t row) {
    std::vector<uint32_t> list(GrowingGraph::kSlots);
    list.resize(graph.Neighbours(row, list.data()));
    return list;
  }
  // Whether a walk for the row's own place comes to it.
  static bool Finds(const GrowingGraph& graph, uint32_t row) {
    GrowingScratch scratch(graph.capacity(), graph.dim());
    scratch.Walk(graph, kBeam, 0, [&](const uint32_t* ids, uint32_t count, float* out) {
      graph.kernels().distances(graph.slab(), row, ids, count, out);
    });
    return std::ranges::any_of(scratch.pool().keys(), [&](int64_t key) { return RowOfKey(key) == row; });
  }
  static uint32_t CountFound(const GrowingGraph& graph) {
    uint32_t found = 0;
    for (uint32_t row = 0; row < graph.capacity(); ++row) found += IsLinked(graph, row) && Finds(graph, row) ? 1 : 0;
    return found;
  }
};

TEST_F(GrowingGraphTest, EveryRowIsFoundFromTheMomentItIsLinked) {
  constexpr uint32_t kRows = 1000;
  const StoredTestRows rows(VectorType::kF32, kGrownDim, ClusteredFloats(1, kRows, kGrownDim));
  const auto graph = Make(rows.view(), Best());
  for (uint32_t row = 0; row < kRows; ++row) {
    graph->Link(row, kBeam);
    EXPECT_TRUE(Finds(*graph, row)) << row;
  }
  EXPECT_EQ(graph->linked_count(), kRows);
  EXPECT_GE(CountFound(*graph), kRows - 3);
}

TEST_F(GrowingGraphTest, ListsNameRowsOnceAndNeverTheirOwn) {
  constexpr uint32_t kRows = 800;
  const StoredTestRows rows(VectorType::kF32, kGrownDim, ClusteredFloats(2, kRows, kGrownDim));
  const auto graph = Make(rows.view(), Best());
  for (uint32_t row = 0; row < kRows; ++row) graph->Link(row, kBeam);
  for (uint32_t row = 0; row < kRows; ++row) {
    const std::vector<uint32_t> list = ListOf(*graph, row);
    EXPECT_EQ(std::set<uint32_t>(list.begin(), list.end()).size(), list.size()) << row;
    EXPECT_EQ(std::ranges::count(list, row), 0) << row;
    EXPECT_GE(list.size(), kGraphDegree / 2) << row;
  }
}

TEST_F(GrowingGraphTest, OnceMendedNoListNamesARowThatWasUnlinked) {
  constexpr uint32_t kRows = 600;
  const StoredTestRows rows(VectorType::kF32, kGrownDim, ClusteredFloats(3, kRows, kGrownDim));
  const auto graph = Make(rows.view(), Best());
  for (uint32_t row = 0; row < kRows; ++row) graph->Link(row, kBeam);
  std::mt19937_64 random(4);
  for (int round = 0; round < 4; ++round) {
    std::vector<uint32_t> gone;
    for (uint32_t row = 0; row < kRows; ++row) {
      if (random() % 4 != 0) continue;
      graph->Unlink(row);
      gone.push_back(row);
    }
    EXPECT_EQ(graph->linked_count(), kRows - gone.size());
    while (graph->Mend(100, kBeam)) {
    }
    for (uint32_t row = 0; row < kRows; ++row) {
      if (!IsLinked(*graph, row)) continue;
      for (const uint32_t near : ListOf(*graph, row)) EXPECT_TRUE(IsLinked(*graph, near)) << row << " names " << near;
    }
    for (uint32_t i = 0; i < graph->entry_count(); ++i) EXPECT_TRUE(IsLinked(*graph, graph->Entry(i)));
    EXPECT_GE(CountFound(*graph), graph->linked_count() - 3);
    for (const uint32_t row : gone) graph->Link(row, kBeam);
  }
  EXPECT_EQ(graph->linked_count(), kRows);
}

TEST_F(GrowingGraphTest, AllRowsMayLeaveAndComeBack) {
  constexpr uint32_t kRows = 300;
  const StoredTestRows rows(VectorType::kF32, kGrownDim, ClusteredFloats(5, kRows, kGrownDim));
  const auto graph = Make(rows.view(), Best());
  EXPECT_FALSE(graph->Mend(10, kBeam)) << "nothing was unlinked";
  for (uint32_t row = 0; row < kRows; ++row) graph->Link(row, kBeam);
  for (uint32_t row = 0; row < kRows; ++row) graph->Unlink(row);
  while (graph->Mend(1000, kBeam)) {
  }
  EXPECT_EQ(graph->linked_count(), 0u);
  for (uint32_t row = 0; row < kRows; ++row) graph->Link(row, kBeam);
  EXPECT_EQ(CountFound(*graph), kRows);
}

// Of rows that are all alike few can be in another's list: the others are where walks begin, as far as there is room.
TEST_F(GrowingGraphTest, RowsThatAreAllAlikeAreTaken) {
  constexpr uint32_t kRows = 1000;
  const StoredTestRows rows(VectorType::kF32, kGrownDim, std::vector<float>(kRows * kGrownDim, 0.5f));
  const auto graph = Make(rows.view(), Best());
  for (uint32_t row = 0; row < kRows; ++row) graph->Link(row, kBeam);
  for (uint32_t row = 0; row < kRows; row += 2) graph->Unlink(row);
  while (graph->Mend(1000, kBeam)) {
  }
  EXPECT_EQ(graph->linked_count(), kRows / 2);
}

TEST_F(GrowingGraphTest, EveryInstructionSetMakesTheSameLists) {
  constexpr uint32_t kRows = 400;
  const StoredTestRows rows(VectorType::kF16, kGrownDim, ClusteredFloats(6, kRows, kGrownDim));
  std::vector<std::vector<uint32_t>> expected;
  for (const KernelSet* set : AllKernels()) {
    if (!set->supported()) continue;
    const auto graph = Make(rows.view(), GraphKernelsFor(set->name));
    for (uint32_t row = 0; row < kRows; ++row) graph->Link(row, kBeam);
    for (uint32_t row = 0; row < kRows; row += 5) graph->Unlink(row);
    while (graph->Mend(64, kBeam)) {
    }
    std::vector<std::vector<uint32_t>> lists;
    for (uint32_t row = 0; row < kRows; ++row) lists.push_back(ListOf(*graph, row));
    if (expected.empty()) expected = lists;
    EXPECT_EQ(lists, expected) << set->name;
  }
}

}  // namespace
}  // namespace akidb
