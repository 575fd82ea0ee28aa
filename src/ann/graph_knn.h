// Near rows of every row without any index: rows are dealt into overlapping leaves around random leaders, level by
// level, and all pairs of a leaf are compared (the idea of PiPNN). What builds the first graph.
//
// Threads: MakeNearRows runs on the threads of `parallel`; the result does not depend on how many.
// Errors:  those of ctx.Check().
#pragma once

#include <vector>

#include "ann/graph_codes.h"

namespace akidb {

// For each row its nearest known others, as ascending keys (distance, row).
struct NearRows {
  uint32_t capacity = 0;
  std::vector<int64_t> keys;     // capacity a row
  std::vector<uint16_t> counts;  // one a row

  std::span<const int64_t> Of(uint32_t row) const {
    return {keys.data() + static_cast<size_t>(row) * capacity, counts[row]};
  }
};

Result<NearRows> MakeNearRows(OpContext& ctx, const GraphCodes& codes, uint64_t seed, const GraphKernels& kernels,
                              Parallel& parallel);

}  // namespace akidb
