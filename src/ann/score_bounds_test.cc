#include "ann/score_bounds.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace akidb {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr size_t kScoredDim = 384;

struct Lines {
  std::vector<float> low, high;
};

Lines Cosine(const std::vector<float>& scores, const std::vector<float>& inv_norms, const float* scales = nullptr) {
  Lines out{std::vector<float>(scores.size()), std::vector<float>(scores.size())};
  CosineIntervals(ErrorBound::ForCosine(kScoredDim), scores.data(), inv_norms.data(), scales, scores.size(),
                  {out.low.data(), out.high.data()});
  return out;
}

// gamma(n + 48) and what underflow may cost, in double precision.
double CosineError(double inverse) {
  const double steps = static_cast<double>(kScoredDim + 48) * 0x1p-24;
  return steps / (1 - steps) + static_cast<double>(kScoredDim) * 0x1p-149 * inverse;
}

TEST(CosineIntervalsTest, AreAsWideAsTheBoundAtEveryNorm) {
  // Once alone, so that the block holds ordinary rows only, and once beside a tiny row.
  for (const bool beside_a_tiny_row : {false, true}) {
    for (int exponent = -120; exponent <= 126; ++exponent) {
      const float inverse = std::ldexp(1.0f, exponent);
      const float score = 0.25f / inverse;
      std::vector<float> scores = {score}, inv_norms = {inverse};
      if (beside_a_tiny_row) {
        scores.push_back(0x1p-110f);
        inv_norms.push_back(0x1p100f);
      }
      const Lines lines = Cosine(scores, inv_norms);
      const double error = CosineError(inverse);
      // The float subtraction itself may take half a step of 1/4 back.
      EXPECT_LE(lines.low[0], 0.25 - error + 0x1p-26) << exponent;
      EXPECT_GE(lines.high[0], 0.25 + error - 0x1p-26) << exponent;
      EXPECT_LE(lines.high[0] - lines.low[0], 2.01 * error) << exponent;
    }
  }
}

TEST(CosineIntervalsTest, AppliesTheScalesOfQuantisedRows) {
  const std::vector<float> scales = {0.5f, 0x1p-80f};
  const Lines lines = Cosine({0.5f, 0x1p-2f}, {2.0f, 0x1p80f}, scales.data());
  EXPECT_NEAR(lines.low[0], 0.5, 1e-4);
  EXPECT_NEAR(lines.high[0], 0.5, 1e-4);
  EXPECT_NEAR(lines.low[1], 0.25, 1e-4);
  EXPECT_NEAR(lines.high[1], 0.25, 1e-4);
}

TEST(CosineIntervalsTest, AreTheWholeLineWhereTheScoreSaysNothing) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> scores = {1.0f, kNan, kInfinity, 1.0f, 1.0f, 3e38f};
  const std::vector<float> inv_norms = {kInfinity, 1.0f, 1.0f, 0.0f, kNan, 0x1p50f};
  for (const bool beside_a_tiny_row : {false, true}) {
    std::vector<float> s = scores, inverse = inv_norms;
    if (beside_a_tiny_row) {
      s.push_back(0x1p-110f);
      inverse.push_back(0x1p100f);
    }
    const Lines lines = Cosine(s, inverse);
    for (size_t i = 0; i < scores.size(); ++i) {
      EXPECT_EQ(lines.low[i], -kInfinity) << i;
      EXPECT_EQ(lines.high[i], kInfinity) << i;
    }
  }
}

TEST(DotIntervalsTest, GrowWithTheNorm) {
  const ErrorBound bound = ErrorBound::ForDot(kScoredDim, 1.0, false);
  const std::vector<float> scores = {1, 1}, norms = {1, 100};
  std::vector<float> low(2), high(2);
  DotIntervals(bound, scores.data(), norms.data(), nullptr, 2, {low.data(), high.data()});
  EXPECT_LE(low[0], 1 - CosineError(0));
  EXPECT_LE(low[1], 1 - 100 * CosineError(0));
  EXPECT_GE(high[1], 1 + 100 * CosineError(0));
}

}  // namespace
}  // namespace akidb
