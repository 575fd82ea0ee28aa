#include "segment/inverse_norms.h"

#include <array>
#include <cmath>
#include <cstdint>

#include "simd/kernels.h"

namespace akidb {
namespace {

// Four sums that the compiler can keep apart; their order is part of the result.
double SumOfSquares(const float* x, size_t n) {
  std::array<double, 4> sums{};
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (size_t k = 0; k < 4; ++k) sums[k] += static_cast<double>(x[i + k]) * x[i + k];
  }
  for (; i < n; ++i) sums[0] += static_cast<double>(x[i]) * x[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

double SumOfSquares(const int8_t* x, size_t n) {
  int64_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += x[i] * x[i];
  return static_cast<double>(sum);
}

double Norm(const VectorRows& rows, uint32_t row, std::vector<float>& scratch) {
  const std::byte* data = rows.Row(row);
  switch (rows.type) {
    case VectorType::kF32: return std::sqrt(SumOfSquares(reinterpret_cast<const float*>(data), rows.dim));
    case VectorType::kF16:
      Kernels().f16_to_f32(reinterpret_cast<const uint16_t*>(data), scratch.data(), rows.dim);
      return std::sqrt(SumOfSquares(scratch.data(), rows.dim));
    case VectorType::kInt8:
      return static_cast<double>(rows.scales[row]) *
             std::sqrt(SumOfSquares(reinterpret_cast<const int8_t*>(data), rows.dim));
  }
  return 0;
}

}  // namespace

std::vector<float> InverseNorms(const VectorRows& rows) {
  std::vector<float> out(rows.row_count);
  std::vector<float> scratch(rows.dim);
  for (uint32_t row = 0; row < rows.row_count; ++row) {
    const double norm = Norm(rows, row, scratch);
    out[row] = norm > 0 ? static_cast<float>(1 / norm) : 0.0f;
  }
  return out;
}

}  // namespace akidb
