// What tests of the graph's kernels share: rows in codes, and queries as kernels want them.
//
// Threads: plain values.
// Errors:  none.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "ann/graph_kernels.h"
#include "ann/graph_scratch.h"
#include "ann/graph_space.h"
#include "ann/rows_testing.h"
#include "simd/kernels.h"

namespace akidb {

// The kernels that this CPU has.
inline std::vector<const GraphKernels*> KernelSets() {
  std::vector<const GraphKernels*> out;
  for (const KernelSet* set : AllKernels()) {
    if (set->supported()) out.push_back(&GraphKernelsFor(set->name));
  }
  return out;
}

// Rows as codes, with what the codes stand for beside them.
struct Coded {
  Coded(const GraphKernels& kernels, uint32_t dim, uint32_t count, uint64_t seed)
      : codes(size_t{count} * dim), scales(count), norms(count) {
    for (uint32_t row = 0; row < count; ++row) {
      std::vector<float> x = NormalFloats(seed + row, dim);
      for (float& e : x) e /= std::sqrt(static_cast<float>(dim));
      kernels.encode(x.data(), dim, codes.data() + size_t{row} * dim, &scales[row], &norms[row]);
      for (uint32_t i = 0; i < dim; ++i) x[i] = scales[row] * static_cast<float>(codes[size_t{row} * dim + i]);
      decoded.push_back(std::move(x));
    }
    slab = {codes.data(), scales.data(), norms.data(), dim};
  }
  std::vector<int8_t> codes;
  std::vector<float> scales, norms;
  std::vector<std::vector<float>> decoded;
  CodeSlab slab;
};

struct Prepared {
  Prepared(const GraphKernels& kernels, const std::vector<float>& x)
      : lut(x.size() * 4), levels(x.size()), sign_levels(x.size()) {
    query.lut = lut.data();
    query.levels = levels.data();
    query.sign_levels = sign_levels.data();
    kernels.prepare(x.data(), &query, static_cast<uint32_t>(x.size()));
    kernels.prepare_signs(&query, static_cast<uint32_t>(x.size()));
  }
  std::vector<uint8_t> lut;
  std::vector<int16_t> levels;
  std::vector<uint8_t> sign_levels;
  GraphQuery query;
};

// What a walk over so many rows needs room for, with an empty pool.
struct WalkMemory {
  WalkMemory(uint32_t rows, uint32_t pool_capacity)
      : pool(pool_capacity + kKeySlack, std::numeric_limits<int64_t>::max()),
        results(rows + kKeySlack),
        visited(rows / 32 + 1),
        trail(rows) {}
  // A walk that works in it, for the caller to say over what.
  GraphWalk Walk(const GraphQuery& query, uint32_t pool_capacity) {
    GraphWalk walk;
    walk.query = &query;
    walk.pool = pool.data();
    walk.pool_capacity = pool_capacity;
    walk.results = results.data();
    walk.result_capacity = static_cast<uint32_t>(trail.size());
    walk.visited = visited.data();
    walk.trail = trail.data();
    return walk;
  }
  std::vector<int64_t> pool, results;
  std::vector<uint32_t> visited, trail;
};

// Rows in the compact layout, without edges.
struct CompactCoded {
  CompactCoded(const GraphKernels& kernels, const Coded& coded, uint32_t code_bits)
      : layout{coded.slab.dim, code_bits},
        count(static_cast<uint32_t>(coded.scales.size())),
        signs(count * layout.sign_bytes(), 7),
        codes(count * layout.code_bytes(), 7) {
    for (uint32_t row = 0; row < count; ++row) {
      kernels.encode_compact(coded.slab, row, layout, signs.data() + row * layout.sign_bytes(),
                             codes.data() + row * layout.code_bytes());
    }
  }
  // Keys of rows 1 to 32 by their signs, from a walk that begins at row 0, or of all rows by their finer codes.
  std::vector<int64_t> Keys(const GraphKernels& kernels, const GraphQuery& query, bool fine) const {
    WalkMemory memory(count, count);
    std::vector<int64_t>& pool = memory.pool;
    std::vector<uint32_t> edges(size_t{count} * kGraphDegree);
    for (uint32_t i = 0; i < edges.size(); ++i) edges[i] = i < kGraphDegree ? i + 1 : 0;
    GraphWalk walk = memory.Walk(query, count);
    walk.compact = layout;
    walk.edges = reinterpret_cast<const uint8_t*>(edges.data());
    walk.signs = signs.data();
    walk.codes = codes.data();
    if (fine) {
      for (uint32_t row = 0; row < count; ++row) pool[row] = KeyOfPair(0, row);
      kernels.compact.score_own(walk, pool.data(), count);
      memory.results.resize(walk.result_size);
      return memory.results;
    }
    memory.visited[0] = 1;
    pool[walk.pool_size++] = KeyOfPair(0, 0);
    EXPECT_FALSE(kernels.compact.run(walk, 1000));
    EXPECT_EQ(walk.pool_size, 1 + kGraphDegree);
    pool.resize(walk.pool_size);
    std::erase_if(pool, [](int64_t key) { return RowOfKey(key) == 0; });
    return pool;
  }
  CompactLayout layout;
  uint32_t count;
  std::vector<uint8_t> signs, codes;
};

}  // namespace akidb
