// Every instruction set against the scalar one, and the scalar one against plain arithmetic.
#include "ann/graph_build_kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "ann/graph_leaf.h"
#include "ann/graph_scratch.h"

namespace akidb {
namespace {

constexpr uint32_t kBuiltDims[] = {64, 128, 192, 384, 768, 1088, 16448};

std::vector<const GraphBuildKernels*> BuildKernelSets() {
  std::vector<const GraphBuildKernels*> out = {&kScalarGraphBuildKernels};
#if defined(__x86_64__)
  for (const GraphBuildKernels* kernels : {&kAvx2GraphBuildKernels, &kVnniGraphBuildKernels}) {
    if (IsSupported(*kernels)) out.push_back(kernels);
  }
#endif
  return out;
}

// Codes of any value that codes may have, the extremes in rows of their own.
struct AnyCodes {
  AnyCodes(uint32_t dim, uint32_t count) : codes(size_t{dim} * count), scales(count), norms(count) {
    std::mt19937_64 random(dim);
    for (uint32_t row = 0; row < count; ++row) {
      int64_t squares = 0;
      for (uint32_t i = 0; i < dim; ++i) {
        const auto drawn = static_cast<int8_t>(static_cast<int64_t>(random() % 255) - 127);
        const int8_t e = row == 0 ? int8_t{127} : row == 1 ? int8_t{-127} : row == 2 ? int8_t{0} : drawn;
        codes[size_t{row} * dim + i] = e;
        squares += int64_t{e} * e;
      }
      scales[row] = 0.001f * static_cast<float>(1 + random() % 7);
      norms[row] = scales[row] * scales[row] * static_cast<float>(squares);
    }
    slab = {codes.data(), scales.data(), norms.data(), dim};
  }
  float Distance(uint32_t a, uint32_t b) const {
    const auto at = [&](uint32_t row) { return codes.begin() + static_cast<std::ptrdiff_t>(size_t{row} * slab.dim); };
    const auto dot = std::inner_product(at(a), at(a) + slab.dim, at(b), int64_t{0}, std::plus<>(),
                                        [](int x, int y) { return int64_t{x} * y; });
    const float d = (norms[a] + norms[b]) - 2.0f * ((scales[a] * scales[b]) * static_cast<float>(dot));
    return d > 0 ? d : 0.0f;
  }
  std::vector<int8_t> codes;
  std::vector<float> scales, norms;
  CodeSlab slab;
};

struct ChosenRoom {
  explicit ChosenRoom(uint32_t dim) : codes(size_t{kGraphDegree + kChosenSlack} * dim + kGraphAlign) {
    chosen.codes = codes.data() + (kGraphAlign - reinterpret_cast<uintptr_t>(codes.data()) % kGraphAlign);
    chosen.dim = dim;
    std::ranges::fill(chosen.norms_squared, std::numeric_limits<float>::infinity());
  }
  std::vector<int8_t> codes;
  ChosenCodes chosen;
};

TEST(GraphBuildKernelsTest, DistancesAreThoseOfTheCodesOnEveryInstructionSet) {
  for (const uint32_t dim : kBuiltDims) {
    const AnyCodes codes(dim, 23);
    std::vector<uint32_t> ids(22);
    std::iota(ids.begin(), ids.end(), 1u);
    for (const GraphBuildKernels* kernels : BuildKernelSets()) {
      std::vector<float> distances(ids.size());
      kernels->distances(codes.slab, 0, ids.data(), ids.size(), distances.data());
      for (size_t i = 0; i < ids.size(); ++i) {
        ASSERT_EQ(distances[i], codes.Distance(0, ids[i])) << kernels->name << " " << dim << " " << i;
      }
      ASSERT_EQ(kernels->sum(codes.codes.data() + 3 * size_t{dim}, dim),
                std::accumulate(codes.codes.begin() + 3 * dim, codes.codes.begin() + 4 * dim, 0))
          << kernels->name << " " << dim;
    }
  }
}

TEST(GraphBuildKernelsTest, TheNearestOfTheChosenIsFoundFromAnyPlaceOn) {
  for (const uint32_t dim : kBuiltDims) {
    const AnyCodes codes(dim, 40);
    for (const GraphBuildKernels* kernels : BuildKernelSets()) {
      ChosenRoom room(dim);
      for (uint32_t row = 1; row <= kGraphDegree; ++row) {
        kernels->choose(codes.slab, row, &room.chosen);
        ASSERT_EQ(room.chosen.count, row);
        for (const uint32_t begin : {0u, (row - 1) / 2, row - 1}) {
          float least = std::numeric_limits<float>::infinity(), expected = least;
          const uint32_t seen = kernels->nearest_chosen(codes.slab, 35, room.chosen, begin, 0.0f, &least);
          for (uint32_t i = begin; i < row; ++i) expected = std::min(expected, codes.Distance(35, i + 1));
          ASSERT_EQ(least, expected) << kernels->name << " " << dim << " " << begin << " of " << row;
          ASSERT_EQ(seen, row);
        }
      }
      float least = std::numeric_limits<float>::infinity();
      const float first = codes.Distance(35, 1);
      const uint32_t seen =
          kernels->nearest_chosen(codes.slab, 35, room.chosen, 0, std::nextafter(first, 2 * first + 1), &least);
      EXPECT_LT(seen, kGraphDegree) << "it goes on although one is near enough";
      EXPECT_LE(least, first);
    }
  }
}

TEST(GraphBuildKernelsTest, TheNearestOfALeafAreThoseOfASortWithoutThoseInTheGap) {
  constexpr uint32_t kRows = 150;
  for (const uint32_t dim : kBuiltDims) {
    const AnyCodes codes(dim, kRows);
    for (const uint32_t in_leaf : {1u, 15u, 64u, 65u, kRows}) {
      std::vector<uint32_t> rows(in_leaf);
      std::iota(rows.begin(), rows.end(), 0u);
      std::vector<uint32_t> others = {0, 1, 2, 3, 7, 77, 149};
      for (const GraphBuildKernels* kernels : BuildKernelSets()) {
        GraphLeaf leaf(codes.slab, *kernels);
        leaf.Fill(std::vector<uint32_t>(kRows, 5), std::vector<uint32_t>(kRows, 5));  // which it must forget
        leaf.Fill(rows, rows);
        for (const LeafGap gap : {LeafGap{}, LeafGap{3, 131}, LeafGap{64, 128}, LeafGap{0, in_leaf}}) {
          const bool limited = gap.begin != 0;
          const float limit = limited ? codes.Distance(7, 40) : std::numeric_limits<float>::infinity();
          size_t called = 0;
          leaf.ForNearest(
              codes.slab, others, [&](size_t i) { return LeafSkip{others[i], i % 3 == 2 ? LeafGap{} : gap}; },
              [&](size_t) { return limit; },
              [&](size_t i, std::span<const int64_t> keys) {
                ASSERT_EQ(i, called++);
                std::vector<int64_t> expected;
                for (const uint32_t row : rows) {
                  const float d = codes.Distance(others[i], row);
                  const bool skipped = i % 3 != 2 && row >= gap.begin && row < gap.end;
                  if (row != others[i] && !skipped && d <= limit) expected.push_back(KeyOfPair(d, row));
                }
                std::ranges::sort(expected);
                expected.resize(std::min<size_t>(expected.size(), kLeafKeys));
                ASSERT_TRUE(std::ranges::equal(keys, expected))
                    << kernels->name << " " << dim << " " << in_leaf << " row " << others[i];
              });
          EXPECT_EQ(called, others.size());
        }
      }
    }
  }
}

TEST(GraphBuildKernelsTest, EachSetOfTheWalkHasOneForBuilding) {
  EXPECT_STREQ(GraphBuildKernelsFor("scalar").name, "scalar");
#if defined(__x86_64__)
  if (IsSupported(kAvx2GraphBuildKernels)) EXPECT_STREQ(GraphBuildKernelsFor("avx2").name, "avx2");
  EXPECT_TRUE(IsSupported(GraphBuildKernelsFor("avx512")));
#endif
}

}  // namespace
}  // namespace akidb
