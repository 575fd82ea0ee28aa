// The true nearest rows of some of the rows, for measuring with rows as queries: 8-bit codes of all rows, compared with
// all samples at once, say which few are scored exactly.
//
// Threads: runs on the threads of `parallel`; the result does not depend on how many.
// Errors:  those of ctx.Check().
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ann/graph_build_kernels.h"
#include "ann/graph_codes.h"
#include "ann/vector_index.h"

namespace akidb {

// What is known of the rows.
struct CodedRows {
  const VectorRows& rows;
  Distance distance;
  const GraphSpace& space;
  const GraphCodes& codes;
  const GraphKernels& kernels;
};

// For each of `samples`, which are row numbers, the `k` nearest other rows, best first.
Result<std::vector<std::vector<Candidate>>> NearestOfSamples(OpContext& ctx, const CodedRows& all,
                                                             std::span<const uint32_t> samples, uint32_t k,
                                                             Parallel& parallel);

}  // namespace akidb
