// The true nearest rows of many queries, for measuring: 8-bit codes of all rows, compared with all queries at once, say
// which few are scored exactly.
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

// Queries to measure with.
struct MeasureQueries {
  std::vector<float> values;     // dim a query, as users give them
  std::vector<RowIndex> hidden;  // the row that each query is, which is left out, or kNoRow

  uint32_t size() const { return static_cast<uint32_t>(hidden.size()); }
  std::span<const float> vector(size_t i) const {
    const size_t dim = values.size() / hidden.size();
    return std::span(values).subspan(i * dim, dim);
  }
};
MeasureQueries RowsAsQueries(const VectorRows& rows, std::span<const RowIndex> sampled);

// For each query the `k` nearest rows, best first.
Result<std::vector<std::vector<Candidate>>> NearestOf(OpContext& ctx, const CodedRows& all,
                                                      const MeasureQueries& queries, uint32_t k, Parallel& parallel);

}  // namespace akidb
