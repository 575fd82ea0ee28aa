// How walks of the kernels take, keep and forget rows.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "ann/graph_kernels.h"
#include "ann/graph_kernels_testing.h"
#include "ann/graph_scratch.h"

namespace akidb {
namespace {

// A compact walk over 40 rows that meets none but those put into its pool: all edges lead to row 0, which was visited.
struct IsolatedWalk {
  explicit IsolatedWalk(const GraphKernels& kernels)
      : coded(kernels, 64, 40, 1), compact(kernels, coded, 8), prepared(kernels, coded.decoded[0]) {
    walk.compact = compact.layout;
    walk.edges = reinterpret_cast<const uint8_t*>(edges.data());
    walk.signs = compact.signs.data();
    walk.codes = compact.codes.data();
    memory.visited[0] = 1;
  }
  IsolatedWalk(const IsolatedWalk&) = delete;
  IsolatedWalk& operator=(const IsolatedWalk&) = delete;

  const Coded coded;
  const CompactCoded compact;
  const Prepared prepared;
  const std::vector<uint32_t> edges = std::vector<uint32_t>(40 * size_t{kGraphDegree});
  WalkMemory memory = WalkMemory(40, 40);
  GraphWalk walk = memory.Walk(prepared.query, 40);
};

// Of a row that is there twice, the key taken goes behind the one that is not: pools are sorted by insertions that rely
// on order.
TEST(GraphWalkTest, APoolStaysInOrderWhileEqualRowsAreTaken) {
  constexpr uint32_t kEqual = 5;
  for (const GraphKernels* kernels : KernelSets()) {
    IsolatedWalk isolated(*kernels);
    GraphWalk& walk = isolated.walk;
    std::vector<int64_t>& pool = isolated.memory.pool;
    for (uint32_t row = 1; row <= kEqual; ++row) {
      for (int twice = 0; twice < 2; ++twice) pool[walk.pool_size++] = KeyOfPair(0.5f, row);
    }
    pool[walk.pool_size++] = KeyOfPair(0.75f, 6);
    uint32_t taken = 0;
    for (bool more = true; more; ++taken) {
      ASSERT_LE(taken, walk.pool_size + 1) << kernels->name;
      more = kernels->compact.run(walk, 1);
      EXPECT_TRUE(std::is_sorted(pool.begin(), pool.begin() + walk.pool_size)) << kernels->name << " after " << taken;
    }
    EXPECT_EQ(walk.hops, walk.pool_size) << "each is taken once";
  }
}

// A walk ends when the best of its pool are taken, as many as it may reach, and goes on from there with a longer reach.
TEST(GraphWalkTest, AWalkGoesOnWhereItEnded) {
  constexpr uint32_t kRows = 20, kReach = 7;
  for (const GraphKernels* kernels : KernelSets()) {
    IsolatedWalk isolated(*kernels);
    GraphWalk& walk = isolated.walk;
    std::vector<int64_t>& pool = isolated.memory.pool;
    walk.pool_reach = kReach;
    for (uint32_t row = 1; row <= kRows; ++row) {
      pool[walk.pool_size++] = KeyOfPair(0.5f + static_cast<float>(row), row);
    }
    EXPECT_FALSE(kernels->compact.run(walk, 1000));
    EXPECT_EQ(walk.hops, kReach) << kernels->name;
    walk.pool_reach = kRows;
    EXPECT_FALSE(kernels->compact.run(walk, 1000));
    EXPECT_EQ(walk.hops, kRows) << kernels->name;
  }
}

// A walk of the fast layout over rows whose edges lead anywhere: those of some rows in a row to the same places, partly
// to all of such rows, partly each to another.
struct RandomWalk {
  static constexpr uint32_t kRows = 2000, kRoom = 2200, kTogether = 4;

  RandomWalk(const GraphKernels& kernels, const Coded& coded, uint32_t capacity)
      : prepared(kernels, coded.decoded[1]),
        blocks(kRows * layout.block_bytes()),
        walk(memory.Walk(prepared.query, capacity)) {
    for (uint32_t row = 0; row < kRows; ++row) {
      std::mt19937_64 random(row / kTogether);
      std::vector<uint32_t> ids(kGraphDegree);
      uint32_t begin = 0;
      for (uint32_t i = 0; i < kGraphDegree; ++i) {
        if (i % kTogether == 0 || i < kGraphDegree / 2) begin = static_cast<uint32_t>(random() % (kRows / kTogether));
        ids[i] = begin * kTogether + (i + row) % kTogether;
      }
      kernels.encode_block(coded.slab, coded.codes.data() + size_t{row} * layout.dim, coded.scales[row],
                           coded.norms[row], ids.data(), blocks.data() + row * layout.block_bytes());
    }
    walk.layout = layout;
    walk.blocks = blocks.data();
    memory.pool[walk.pool_size++] = KeyOfPair(0, 0);
  }
  RandomWalk(const RandomWalk&) = delete;
  RandomWalk& operator=(const RandomWalk&) = delete;

  std::vector<uint32_t> Visited() const { return {memory.trail.begin(), memory.trail.begin() + walk.trail_size}; }
  // The rows that it may still come to, with the best key of each.
  std::map<uint32_t, int64_t> Left() const {
    std::map<uint32_t, int64_t> out;
    for (uint32_t i = 0; i < walk.pool_size; ++i) {
      const uint32_t row = RowOfKey(memory.pool[i]);
      if ((memory.visited[row / 32] >> (row % 32) & 1) == 0) out.try_emplace(row, memory.pool[i]);
    }
    return out;
  }

  const GraphLayout layout{64};
  const Prepared prepared;
  std::vector<uint8_t> blocks;
  WalkMemory memory = WalkMemory(kRows, kRoom);
  GraphWalk walk;
};

// Whether a pool is kept in few registers, in many or in memory, and however many nodes are chosen ahead; and whichever
// of equally near rows come first.
TEST(GraphWalkTest, VisitsTheSameWithEveryInstructionSet) {
  const std::vector<const GraphKernels*> sets = KernelSets();
  std::vector<Coded> coded;
  for (const GraphKernels* kernels : sets) {
    Coded& rows = coded.emplace_back(*kernels, 64, RandomWalk::kRows, 1);
    for (size_t row = 0; row < RandomWalk::kRows; ++row) {
      const size_t equal = row / RandomWalk::kTogether * RandomWalk::kTogether;
      std::copy_n(rows.codes.begin() + static_cast<ptrdiff_t>(equal * 64), 64, &rows.codes[row * 64]);
      rows.scales[row] = rows.scales[equal];
      rows.norms[row] = rows.norms[equal];
    }
  }
  for (const uint32_t capacity :
       {1u, 8u, 16u, 17u, 32u, 47u, 64u, 65u, 128u, 129u, 160u, 161u, 199u, 200u, 201u, 256u, 2100u}) {
    for (uint32_t lookahead = 1; lookahead <= kLookaheadMax; ++lookahead) {
      std::vector<uint32_t> expected;
      for (size_t i = 0; i < sets.size(); ++i) {
        RandomWalk random(*sets[i], coded[i], capacity);
        random.walk.lookahead = lookahead;
        EXPECT_FALSE(sets[i]->fast.run(random.walk, 1000));
        EXPECT_LE(random.walk.pool_size, capacity);
        EXPECT_TRUE(random.Left().empty());
        if (i == 0) expected = random.Visited();
        ASSERT_EQ(random.Visited(), expected)
            << sets[i]->name << ", " << capacity << " keys, " << lookahead << " ahead";
      }
      EXPECT_GT(3 * expected.size(), capacity) << "a row may be in a pool some times";
    }
  }
}

// A pool that is given more room holds what it would hold if it had always had it.
TEST(GraphWalkTest, AWidenedPoolHasForgottenNothing) {
  for (const GraphKernels* kernels : KernelSets()) {
    const Coded coded(*kernels, 64, RandomWalk::kRows, 1);
    for (const uint32_t reach : {5u, 20u, 33u}) {
      RandomWalk narrow(*kernels, coded, reach), wide(*kernels, coded, RandomWalk::kRoom);
      wide.walk.pool_reach = reach;
      EXPECT_FALSE(kernels->fast.run(narrow.walk, 1000));
      EXPECT_FALSE(kernels->fast.run(wide.walk, 1000));
      ASSERT_EQ(narrow.Visited(), wide.Visited()) << kernels->name;
      ASSERT_LT(wide.walk.pool_size, RandomWalk::kRoom) << "so that it has forgotten nothing";
      EXPECT_TRUE(narrow.Left().empty());
      kernels->widen(narrow.walk, RandomWalk::kRoom);
      EXPECT_GT(narrow.Left().size(), 100u);
      EXPECT_EQ(narrow.Left(), wide.Left()) << kernels->name << " " << reach;
      EXPECT_EQ(narrow.walk.hops, wide.walk.hops) << "it was no step";
      EXPECT_TRUE(std::is_sorted(narrow.memory.pool.begin(), narrow.memory.pool.begin() + narrow.walk.pool_size));
    }
  }
}

}  // namespace
}  // namespace akidb
