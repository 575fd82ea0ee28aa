#include "ann/score_bounds.h"

#include <cmath>
#include <limits>

namespace akidb {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kSmallestNormal = std::numeric_limits<float>::min();
constexpr double kSmallestStep = 0x1p-149;

double Gamma(size_t dim) {
  const double steps = static_cast<double>(dim + 48) * 0x1p-24;
  return steps / (1 - steps);
}

float RoundUp(double x) { return std::nextafter(static_cast<float>(x), kInfinity); }

// The comparisons are false for NaN, so that every doubt widens the interval.
inline void Store(bool known, float goodness, float error, size_t i, Intervals out) {
  const bool finite = known && goodness - goodness == 0 && error < kInfinity;
  out.low[i] = finite ? goodness - error : -kInfinity;
  out.high[i] = finite ? goodness + error : kInfinity;
}

}  // namespace

ErrorBound ErrorBound::ForCosine(size_t dim) {
  return {RoundUp(Gamma(dim)), RoundUp(static_cast<double>(dim) * kSmallestStep)};
}

ErrorBound ErrorBound::ForDot(size_t dim, double query_norm, bool quantised) {
  const double n = static_cast<double>(dim);
  const double per_norm = 1.01 * Gamma(dim) * query_norm;
  if (quantised) return {RoundUp(per_norm * 127 * std::sqrt(n)), RoundUp(n * kSmallestStep)};
  return {RoundUp(per_norm), RoundUp(n * kSmallestStep + per_norm * std::sqrt(n) * 0x1p-74)};
}

ErrorBound ErrorBound::ForEuclidean(size_t dim) {
  return {RoundUp(Gamma(dim)), RoundUp(static_cast<double>(dim) * kSmallestStep)};
}

void CosineIntervals(ErrorBound bound, const float* scores, const uint32_t* ids, const float* inv_norms,
                     const float* scales, size_t n, Intervals out) {
  for (size_t i = 0; i < n; ++i) {
    const float inverse = inv_norms[ids[i]];
    const float factor = scales == nullptr ? inverse : inverse * scales[ids[i]];
    Store(inverse >= kSmallestNormal && inverse < kInfinity, scores[i] * factor,
          bound.relative + bound.absolute * inverse, i, out);
  }
}

void DotIntervals(ErrorBound bound, const float* scores, const float* norms, const uint32_t* ids, const float* scales,
                  size_t n, Intervals out) {
  if (scales != nullptr) {
    for (size_t i = 0; i < n; ++i) {
      const float scale = scales[ids[i]];
      Store(true, scores[i] * scale, bound.relative * scale + bound.absolute, i, out);
    }
    return;
  }
  for (size_t i = 0; i < n; ++i) Store(true, scores[i], bound.relative * norms[i] + bound.absolute, i, out);
}

void EuclideanIntervals(ErrorBound bound, const float* scores, size_t n, Intervals out) {
  for (size_t i = 0; i < n; ++i) Store(true, -scores[i], bound.relative * scores[i] + bound.absolute, i, out);
}

}  // namespace akidb
