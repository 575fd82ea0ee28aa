// The space in which the graph is built and walked: whatever the distance of the collection, nearer there is nearer by
// squared Euclidean distance, and elements are spread evenly over all dimensions by a random rotation, which is what
// one-bit codes need. Rows are seen only through 8-bit codes in that space.
//
//   Cosine       normalise                         |q - x|^2 = 2 - 2 cos
//   Euclidean    as it is
//   DotProduct   one more element sqrt(M^2 - |x|^2), 0 in queries, M the largest norm (unless all norms are M)
//
// then subtract the mean, divide by the root mean square distance from it, pad to a multiple of 64, rotate.
//
// Threads: immutable after Fit; thread-safe.
// Errors:  none; elements that are not finite count as 0.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ann/graph_kernels.h"
#include "base/vector_types.h"

namespace akidb {

class GraphSpace {
 public:
  GraphSpace() = default;
  // Depends on rows, distance and seed only.
  static GraphSpace Fit(const VectorRows& rows, Distance distance, uint64_t seed, const GraphKernels& kernels);

  uint32_t dim() const { return dim_; }  // padded
  // `out` has dim() elements.
  void TransformRow(const VectorRows& rows, uint32_t row, float* out) const;
  void TransformQuery(std::span<const float> query, float* out) const;
  // The score, as users see it, of a row whose squared distance from the transformed query is this.
  double ScoreAt(std::span<const float> query, double distance_squared) const;
  // Whether the distances to this row, which Fit need not have seen, order it among the others as its scores do: under
  // DotProduct one that is longer than all that Fit saw has no place here.
  bool Holds(const VectorRows& rows, uint32_t row) const;
  uint64_t memory_bytes() const { return (mean_.size() + signs_.size()) * 4; }

 private:
  // Normalises or augments `raw_dim_` elements in `x`, which has dim_.
  void Lift(float* x) const;
  void Finish(float* x) const;

  Distance distance_ = Distance::kCosine;
  const GraphKernels* kernels_ = nullptr;
  uint32_t raw_dim_ = 0;
  uint32_t dim_ = 0;
  bool augmented_ = false;
  double norm_max_ = 0;  // DotProduct only
  float scale_ = 1;
  std::vector<float> mean_;
  std::vector<uint32_t> signs_;
};

// Row `row` of `rows` as floats; `out` has rows.dim elements.
void LoadRow(const VectorRows& rows, uint32_t row, float* out);

// The kernels that go with the set of simd/kernels.h of this name.
const GraphKernels& GraphKernelsFor(std::string_view name);

}  // namespace akidb
