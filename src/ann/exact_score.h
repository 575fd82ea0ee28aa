// The score that users see, in double precision and in one fixed order of operations, so that every machine gives the
// same bits for the same stored elements.
//
// Threads: immutable after construction; Score is thread-safe.
// Errors:  none; finite elements give a finite score.
#pragma once

#include <span>

#include "base/ids.h"
#include "base/vector_types.h"

namespace akidb {

// Cosine is dot / sqrt(|q|^2 |r|^2), and 0 where either norm is 0; Euclidean is the root of the sum of squares.
// An int8 element is the exact product of code and scale.
class ExactScorer {
 public:
  // `rows` and `query` (rows.dim elements) are borrowed.
  ExactScorer(const VectorRows& rows, Distance distance, std::span<const float> query);

  double Score(RowIndex row) const;
  double query_norm_squared() const { return query_norm_squared_; }

 private:
  const VectorRows& rows_;
  Distance distance_;
  std::span<const float> query_;
  double query_norm_squared_;
};

// The sum of squares, as scores have it.
double NormSquared(std::span<const float> x);

// What VectorRows::inv_norms holds for a row: 1 / norm, rounded to float; infinite for a row of zeros.
// `row` has dim elements of `type`; `scale` counts for kInt8 only.
float InverseNorm(VectorType type, const std::byte* row, uint32_t dim, float scale);

}  // namespace akidb
