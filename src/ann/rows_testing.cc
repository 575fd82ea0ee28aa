#include "ann/rows_testing.h"

#include <cmath>
#include <cstring>

#include "ann/exact_score.h"
#include "simd/kernels.h"

namespace akidb {

StoredTestRows::StoredTestRows(VectorType type, uint32_t dim, const std::vector<float>& values)
    : type_(type), dim_(dim) {
  const size_t count = values.size() / dim, stride = dim * ElementBytes(type);
  data_.resize(count * stride + 1);
  scales_.assign(count, 1.0f);
  inv_norms_.resize(count);
  std::vector<uint16_t> halves(dim);
  std::vector<int8_t> codes(dim);
  for (size_t row = 0; row < count; ++row) {
    const float* in = values.data() + row * dim;
    std::byte* to = data_.data() + row * stride;
    switch (type) {
      case VectorType::kF32: std::memcpy(to, in, stride); break;
      case VectorType::kF16:
        Kernels().f32_to_f16(in, halves.data(), dim);
        std::memcpy(to, halves.data(), stride);
        break;
      case VectorType::kInt8:
        scales_[row] = QuantizeInt8(in, codes.data(), dim);
        std::memcpy(to, codes.data(), stride);
        break;
    }
    inv_norms_[row] = InverseNorm(type, to, dim, scales_[row]);
  }
}

VectorRows StoredTestRows::view() const {
  return {.type = type_,
          .dim = dim_,
          .row_count = static_cast<uint32_t>(inv_norms_.size()),
          .stride_bytes = dim_ * ElementBytes(type_),
          .data = data_.data(),
          .scales = type_ == VectorType::kInt8 ? scales_.data() : nullptr,
          .inv_norms = inv_norms_.data()};
}

std::vector<float> NormalFloats(uint64_t seed, size_t n) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(n);
  for (float& x : out) x = normal(random);
  return out;
}

std::vector<float> ClusteredFloats(uint64_t seed, uint32_t rows, uint32_t dim) {
  constexpr uint32_t kCentres = 40;
  const std::vector<float> centres = NormalFloats(dim, size_t{kCentres} * dim);
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> out(size_t{rows} * dim);
  for (uint32_t row = 0; row < rows; ++row) {
    const float* centre = centres.data() + size_t{random() % kCentres} * dim;
    for (uint32_t i = 0; i < dim; ++i) {
      const float spread = 1.0f / std::sqrt(static_cast<float>(i + 1));
      out[size_t{row} * dim + i] = spread * (centre[i] + normal(random));
    }
  }
  return out;
}

}  // namespace akidb
