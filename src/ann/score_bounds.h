// From the scores of the float kernels to intervals that surely hold the true scores.
//
// A float has u = 2^-24. A sum of n products, in any order, each product rounded at most once, differs from the true
// sum by at most gamma(n) * sum |a_i b_i| <= gamma(n) |a| |b|, where gamma(n) = n u / (1 - n u) (Higham, Accuracy and
// Stability of Numerical Algorithms, 3.1), plus 2^-150 for every product that falls below the smallest normal float
// (sums do not err there). We take gamma(n + 48): the 48 more roundings pay for the float steps around the sum (a
// normalised query, a float norm within 2^-20 of the truth, the bound's own arithmetic) and for the rounding of the
// double-precision score itself, which is below 2^-38 for every dimension allowed.
//
// "Goodness" is larger for nearer rows: the cosine, the dot product, or minus the squared distance.
// - Cosine, q normalised: s = dot / |r|.       |s - true| <= gamma + 2^-149 n / |r|.
// - Dot product:          s = dot.             |s - true| <= gamma |q| |r| + 2^-149 n.
//   Norms of float and half rows come from the same pass, 1 % added for their own error and sqrt(n) 2^-74 for products
//   that vanished; a quantised row has |r| <= 127 scale sqrt(n).
// - Euclidean: all terms are positive, so the error is relative: |s - true| <= gamma s + 2^-149 n.
// The absolute term of the cosine is far below the last bit of gamma unless |r| is tiny, so that ordinary rows do
// without. A sum that overflowed, and a norm that is no normal float, say nothing: the interval is the whole line.
//
// Threads: pure functions.
// Errors:  none.
#pragma once

#include <cstddef>
#include <cstdint>

namespace akidb {

// The constants of one search, rounded up.
struct ErrorBound {
  float relative = 0;  // gamma, or gamma * |q| under the dot product
  float absolute = 0;

  static ErrorBound ForCosine(size_t dim);
  static ErrorBound ForDot(size_t dim, double query_norm, bool quantised);
  static ErrorBound ForEuclidean(size_t dim);
};

// Each fills low and high for n rows. All inputs are in the order of `scores`, which are what the scan kernels gave.
struct Intervals {
  float* low;
  float* high;
};
// `scales` is null unless the rows are quantised.
void CosineIntervals(ErrorBound bound, const float* scores, const float* inv_norms, const float* scales, size_t n,
                     Intervals out);
// Either `norms` or, for quantised rows, `scales`; the other is null.
void DotIntervals(ErrorBound bound, const float* scores, const float* norms, const float* scales, size_t n,
                  Intervals out);
void EuclideanIntervals(ErrorBound bound, const float* scores, size_t n, Intervals out);

}  // namespace akidb
