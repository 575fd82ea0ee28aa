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

// Up to this inverse norm 2^-149 n / |r| is below 2^-70, which RoundUp has added to gamma many times over.
constexpr float kInverseOrdinaryMax = 0x1p60f;

// The comparisons are false for NaN, so that every doubt widens the interval.
inline void Store(bool known, float goodness, float error, size_t i, Intervals out) {
  const bool finite = known && goodness - goodness == 0 && error < kInfinity;
  out.low[i] = finite ? goodness - error : -kInfinity;
  out.high[i] = finite ? goodness + error : kInfinity;
}

// `factors` are what the scores are multiplied with. Apart from the ordinary loop because a denormal operand, which
// bound.absolute is, costs some CPUs a hundred cycles a row.
void TinyCosineIntervals(ErrorBound bound, const float* scores, const float* inv_norms, const float* scales, size_t n,
                         Intervals out) {
  for (size_t i = 0; i < n; ++i) {
    const float inverse = inv_norms[i];
    const float factor = scales == nullptr ? inverse : inverse * scales[i];
    Store(inverse >= kSmallestNormal && inverse < kInfinity, scores[i] * factor,
          bound.relative + bound.absolute * inverse, i, out);
  }
}

// Every loop over a block is free of branches and calls, so that the compiler turns it into vector code.
template <bool quantised>
bool OrdinaryCosineIntervals(ErrorBound bound, const float* __restrict scores, const float* __restrict inv_norms,
                             const float* __restrict scales, size_t n, float* __restrict low, float* __restrict high) {
  uint32_t tiny = 0;
  for (size_t i = 0; i < n; ++i) {
    const float inverse = inv_norms[i];
    const float goodness = scores[i] * (quantised ? inverse * scales[i] : inverse);
    const bool finite = (inverse >= kSmallestNormal) & (goodness - goodness == 0);
    tiny |= inverse > kInverseOrdinaryMax ? 1u : 0u;
    low[i] = finite ? goodness - bound.relative : -kInfinity;
    high[i] = finite ? goodness + bound.relative : kInfinity;
  }
  return tiny == 0;
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

void CosineIntervals(ErrorBound bound, const float* scores, const float* inv_norms, const float* scales, size_t n,
                     Intervals out) {
  const bool done = scales == nullptr
                        ? OrdinaryCosineIntervals<false>(bound, scores, inv_norms, scales, n, out.low, out.high)
                        : OrdinaryCosineIntervals<true>(bound, scores, inv_norms, scales, n, out.low, out.high);
  if (!done) TinyCosineIntervals(bound, scores, inv_norms, scales, n, out);
}

void DotIntervals(ErrorBound bound, const float* scores, const float* norms, const float* scales, size_t n,
                  Intervals out) {
  if (scales != nullptr) {
    for (size_t i = 0; i < n; ++i) {
      Store(true, scores[i] * scales[i], bound.relative * scales[i] + bound.absolute, i, out);
    }
    return;
  }
  for (size_t i = 0; i < n; ++i) Store(true, scores[i], bound.relative * norms[i] + bound.absolute, i, out);
}

void EuclideanIntervals(ErrorBound bound, const float* scores, size_t n, Intervals out) {
  for (size_t i = 0; i < n; ++i) Store(true, -scores[i], bound.relative * scores[i] + bound.absolute, i, out);
}

}  // namespace akidb
