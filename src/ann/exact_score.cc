// Built without contraction of a * b + c, which would round differently where the CPU has such an instruction.
#include "ann/exact_score.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "ann/graph_space.h"
#include "ann/vector_index.h"
#include "base/check.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

// Eight sums side by side, so that the compiler may use vector registers without changing the order.
constexpr size_t kLanes = 8;
constexpr size_t kChunk = 256;

struct Sums {
  std::array<double, kLanes> main{};
  std::array<double, kLanes> norm{};
};

double Total(const std::array<double, kLanes>& s) {
  return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

// Calls whole(count) for the elements that fill all lanes, then one(i) for each of the rest.
template <class Whole, class One>
void ForLanes(size_t n, Whole whole, One one) {
  const size_t count = n / kLanes * kLanes;
  whole(count);
  for (size_t i = count; i < n; ++i) one(i);
}

const GraphKernels& OfThisCpu() {
  static const GraphKernels& kernels = GraphKernelsFor(Kernels().name);
  return kernels;
}

void AddDot(const float* q, const float* r, size_t n, Sums& sums) {
  ForLanes(
      n, [&](size_t count) { OfThisCpu().add_dot(q, r, count, sums.main.data()); },
      [&](size_t i) { sums.main[i % kLanes] += static_cast<double>(q[i]) * static_cast<double>(r[i]); });
}

void AddDotAndNorm(const float* q, const float* r, size_t n, Sums& sums) {
  ForLanes(
      n, [&](size_t count) { OfThisCpu().add_dot_and_norm(q, r, count, sums.main.data(), sums.norm.data()); },
      [&](size_t i) {
        const double x = r[i];
        sums.main[i % kLanes] += static_cast<double>(q[i]) * x;
        sums.norm[i % kLanes] += x * x;
      });
}

void AddSquares(const float* q, const float* r, size_t n, double scale, Sums& sums) {
  ForLanes(
      n, [&](size_t count) { OfThisCpu().add_squares(q, r, count, scale, sums.main.data()); },
      [&](size_t i) {
        const double d = static_cast<double>(q[i]) - scale * static_cast<double>(r[i]);
        sums.main[i % kLanes] += d * d;
      });
}

// Calls add(first element, floats, count) for the row in chunks of a multiple of kLanes; int8 codes come unscaled.
template <class Add>
void ForChunks(VectorType type, const std::byte* row, size_t dim, Add add) {
  alignas(64) std::array<float, kChunk> floats;
  alignas(64) std::array<uint16_t, kChunk> halfs;
  for (size_t begin = 0; begin < dim; begin += kChunk) {
    const size_t n = std::min(kChunk, dim - begin);
    switch (type) {
      case VectorType::kF32: std::memcpy(floats.data(), row + begin * 4, n * 4); break;
      case VectorType::kF16:
        std::memcpy(halfs.data(), row + begin * 2, n * 2);
        Kernels().f16_to_f32(halfs.data(), floats.data(), n);
        break;
      case VectorType::kInt8:
        for (size_t i = 0; i < n; ++i) floats[i] = static_cast<float>(static_cast<int8_t>(row[begin + i]));
        break;
    }
    add(begin, floats.data(), n);
  }
}

}  // namespace

ExactScorer::ExactScorer(const VectorRows& rows, Distance distance, std::span<const float> query)
    : rows_(rows), distance_(distance), query_(query) {
  AKI_CHECK(query.size() == rows.dim);
  query_norm_squared_ = NormSquared(query);
}

double ExactScorer::Score(RowIndex row) const {
  const float* q = query_.data();
  const double scale = rows_.type == VectorType::kInt8 ? rows_.scales[row] : 1.0;
  Sums sums;
  switch (distance_) {
    case Distance::kEuclidean:
      ForChunks(rows_.type, rows_.Row(row), rows_.dim,
                [&](size_t at, const float* r, size_t n) { AddSquares(q + at, r, n, scale, sums); });
      return std::sqrt(Total(sums.main));
    case Distance::kDotProduct:
      ForChunks(rows_.type, rows_.Row(row), rows_.dim,
                [&](size_t at, const float* r, size_t n) { AddDot(q + at, r, n, sums); });
      return scale * Total(sums.main);
    case Distance::kCosine: {
      // The scale of a quantised row cancels, unless it is 0.
      ForChunks(rows_.type, rows_.Row(row), rows_.dim,
                [&](size_t at, const float* r, size_t n) { AddDotAndNorm(q + at, r, n, sums); });
      const double norms_squared = query_norm_squared_ * Total(sums.norm);
      return norms_squared == 0 || scale == 0 ? 0.0 : Total(sums.main) / std::sqrt(norms_squared);
    }
  }
  return 0;
}

double ExactScore(const VectorRows& rows, Distance distance, std::span<const float> query, RowIndex row) {
  return ExactScorer(rows, distance, query).Score(row);
}

double NormSquared(std::span<const float> x) {
  Sums sums;
  AddDot(x.data(), x.data(), x.size(), sums);
  return Total(sums.main);
}

float InverseNorm(VectorType type, const std::byte* row, uint32_t dim, float scale) {
  const double factor = type == VectorType::kInt8 ? static_cast<double>(scale) : 1.0;
  Sums sums;
  ForChunks(type, row, dim, [&](size_t, const float* x, size_t n) { AddDot(x, x, n, sums); });
  return static_cast<float>(1.0 / (factor * std::sqrt(Total(sums.main))));
}

}  // namespace akidb
