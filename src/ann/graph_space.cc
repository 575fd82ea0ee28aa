// Built without contraction of a * b + c, so that every CPU finds the same space.
#include "ann/graph_space.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "ann/exact_score.h"
#include "base/check.h"
#include "base/random.h"
#include "simd/kernels.h"

namespace akidb {
namespace {

// Enough for a mean and a spread; evenly spaced over the rows.
constexpr uint32_t kSampleRows = 65536;
// Norms that differ by less than this do not change the order of dot products beyond the error of the codes.
constexpr double kEqualNorms = 1e-4;

void DropNonFinite(float* x, uint32_t dim) {
  if (Kernels().all_finite(x, dim)) return;
  for (uint32_t i = 0; i < dim; ++i) x[i] = std::isfinite(x[i]) ? x[i] : 0.0f;
}

// From length `norm` to `wanted`; zeros stay.
void Resize(float* x, uint32_t dim, double wanted, double norm) {
  const double factor = wanted / norm;
  if (factor > 1e-30 && factor < 1e30) {
    const auto f = static_cast<float>(factor);
    for (uint32_t i = 0; i < dim; ++i) x[i] *= f;
  } else if (norm > 0) {
    for (uint32_t i = 0; i < dim; ++i) x[i] = static_cast<float>(x[i] * factor);
  }
}

uint32_t Padded(uint32_t dim) { return (dim + kGraphAlign - 1) / kGraphAlign * kGraphAlign; }

}  // namespace

void LoadRow(const VectorRows& rows, uint32_t row, float* out) {
  const std::byte* from = rows.Row(row);
  switch (rows.type) {
    case VectorType::kF32: std::memcpy(out, from, rows.dim * sizeof(float)); break;
    case VectorType::kF16: {
      uint16_t halfs[256];
      for (uint32_t begin = 0; begin < rows.dim; begin += 256) {
        const uint32_t n = std::min(256u, rows.dim - begin);
        std::memcpy(halfs, from + static_cast<size_t>(begin) * 2, n * 2);
        Kernels().f16_to_f32(halfs, out + begin, n);
      }
      break;
    }
    case VectorType::kInt8:
      for (uint32_t i = 0; i < rows.dim; ++i) {
        out[i] = rows.scales[row] * static_cast<float>(static_cast<int8_t>(from[i]));
      }
      break;
  }
}

GraphSpace GraphSpace::Fit(const VectorRows& rows, Distance distance, uint64_t seed, const GraphKernels& kernels) {
  GraphSpace space;
  space.distance_ = distance;
  space.kernels_ = &kernels;
  space.raw_dim_ = rows.dim;
  std::vector<float> x(Padded(rows.dim + 1));
  if (distance == Distance::kDotProduct) {
    double smallest = INFINITY, largest = 0;
    for (uint32_t row = 0; row < rows.row_count; ++row) {
      LoadRow(rows, row, x.data());
      DropNonFinite(x.data(), rows.dim);
      const double norm = std::sqrt(NormSquared({x.data(), rows.dim}));
      smallest = std::min(smallest, norm);
      largest = std::max(largest, norm);
    }
    space.norm_max_ = largest;
    space.augmented_ = smallest < largest * (1 - kEqualNorms);
  }
  space.dim_ = Padded(rows.dim + (space.augmented_ ? 1 : 0));
  x.assign(space.dim_, 0.0f);
  const uint32_t step = std::max(1u, rows.row_count / kSampleRows);
  const uint32_t used = space.raw_dim_ + (space.augmented_ ? 1 : 0);
  std::vector<double> sums(space.dim_);
  double squares = 0;
  uint32_t count = 0;
  for (uint32_t row = 0; row < rows.row_count; row += step, ++count) {
    LoadRow(rows, row, x.data());
    space.Lift(x.data());
    for (uint32_t i = 0; i < used; ++i) sums[i] += x[i];
    squares += NormSquared({x.data(), used});
  }
  space.mean_.assign(space.dim_, 0.0f);
  double mean_squared = 0;
  for (uint32_t i = 0; i < used && count > 0; ++i) {
    const double mean = sums[i] / count;
    space.mean_[i] = static_cast<float>(mean);
    mean_squared += mean * mean;
  }
  const double spread = count > 0 ? std::sqrt(std::max(0.0, squares / count - mean_squared)) : 0;
  space.scale_ = spread > 1e-30 ? static_cast<float>(1 / spread) : 1.0f;

  const std::unique_ptr<Random> random = NewSeededRandom(seed);
  space.signs_.resize(static_cast<size_t>(kRotationRounds) * space.dim_);
  uint64_t bits = 0;
  for (size_t i = 0; i < space.signs_.size(); ++i) {
    if (i % 64 == 0) bits = random->Next();
    space.signs_[i] = (bits >> (i % 64) & 1) != 0 ? 0x80000000u : 0;
  }
  return space;
}

void GraphSpace::Lift(float* x) const {
  DropNonFinite(x, raw_dim_);
  if (distance_ == Distance::kCosine) {
    const double norm = std::sqrt(NormSquared({x, raw_dim_}));
    Resize(x, raw_dim_, 1.0, norm);
  } else if (augmented_) {
    x[raw_dim_] = static_cast<float>(std::sqrt(std::max(0.0, norm_max_ * norm_max_ - NormSquared({x, raw_dim_}))));
  }
}

void GraphSpace::Finish(float* x) const {
  const uint32_t used = raw_dim_ + (augmented_ ? 1 : 0);
  for (uint32_t i = 0; i < used; ++i) x[i] = (x[i] - mean_[i]) * scale_;
  std::fill(x + used, x + dim_, 0.0f);
  DropNonFinite(x, used);  // a row so far out that its place overflows
  kernels_->rotate(x, dim_, signs_.data());
}

bool GraphSpace::Holds(const VectorRows& rows, uint32_t row) const {
  if (distance_ != Distance::kDotProduct) return true;
  std::vector<float> x(raw_dim_);
  LoadRow(rows, row, x.data());
  DropNonFinite(x.data(), raw_dim_);
  const double norm = std::sqrt(NormSquared(x));
  return norm <= norm_max_ * (1 + kEqualNorms) && (augmented_ || norm >= norm_max_ * (1 - kEqualNorms));
}

void GraphSpace::TransformRow(const VectorRows& rows, uint32_t row, float* out) const {
  LoadRow(rows, row, out);
  Lift(out);
  Finish(out);
}

void GraphSpace::TransformQuery(std::span<const float> query, float* out) const {
  AKI_CHECK(query.size() == raw_dim_);
  std::ranges::copy(query, out);
  DropNonFinite(out, raw_dim_);
  if (distance_ != Distance::kEuclidean) {
    // The length of a query does not change the order of dot products: give it that of the rows.
    const double norm = std::sqrt(NormSquared({out, raw_dim_}));
    const double wanted = distance_ == Distance::kCosine ? 1.0 : norm_max_;
    Resize(out, raw_dim_, wanted, norm);
  }
  if (augmented_) out[raw_dim_] = 0;
  Finish(out);
}

double GraphSpace::ScoreAt(std::span<const float> query, double distance_squared) const {
  const double squared = distance_squared / (static_cast<double>(scale_) * static_cast<double>(scale_));
  switch (distance_) {
    case Distance::kCosine: return 1 - squared / 2;
    case Distance::kEuclidean: return std::sqrt(std::max(0.0, squared));
    case Distance::kDotProduct: break;
  }
  // Query and rows had length M: squared = 2 M^2 - 2 dot.
  const double norm = std::sqrt(NormSquared(query));
  return norm_max_ > 0 ? (norm_max_ * norm_max_ - squared / 2) * (norm / norm_max_) : 0;
}

const GraphKernels& GraphKernelsFor(std::string_view name) {
#if defined(__x86_64__)
  if (name == kAvx512GraphKernels.name) return kAvx512GraphKernels;
  if (name == kAvx2GraphKernels.name) return kAvx2GraphKernels;
#endif
  return kScalarGraphKernels;
}

}  // namespace akidb
