// Near rows of every row without any index: rows are dealt into overlapping leaves around random leaders, level by
// level, and all pairs of a leaf are compared (the idea of PiPNN).
//
// Threads: MakeNearRows runs on the threads of `parallel`; the result does not depend on how many.
// Errors:  those of ctx.Check().
#pragma once

#include <array>
#include <span>
#include <vector>

#include "ann/graph_build_kernels.h"
#include "ann/graph_codes.h"
#include "base/huge_arena.h"

namespace akidb {

// For each row its nearest known others, as ascending keys (distance, row).
struct NearRows {
  uint32_t capacity = 0;
  HugeArena keys;                // capacity a row
  std::vector<uint16_t> counts;  // one a row

  std::span<const int64_t> Of(uint32_t row) const {
    return {reinterpret_cast<const int64_t*>(keys.data()) + static_cast<size_t>(row) * capacity, counts[row]};
  }
};

inline constexpr uint32_t kNearKeptMax = 256;

struct NearOptions {
  uint32_t kept = 0;                    // near rows of each row, at most kNearKeptMax
  std::array<uint32_t, 2> fanout = {};  // leaders that a row follows at the first levels, then one
  // Of each row, if there are any: rows of one group need not be found for each other.
  std::span<const uint32_t> groups = {};
};

Result<NearRows> MakeNearRows(OpContext& ctx, const GraphCodes& codes, uint64_t seed, const NearOptions& options,
                              const GraphBuildKernels& kernels, Parallel& parallel);

}  // namespace akidb
