#include "objstore/latency_estimate.h"

#include <algorithm>

namespace akidb {
namespace {

constexpr uint64_t kSmallBytesMax = 64u << 10;
constexpr double kWeight = 0.05;  // of a new sample in a moving average
constexpr double kStep = 0.1;
// Where all reads take the same time, one that takes a little more is not late.
constexpr double kRatioMin = 1.5;
constexpr double kRatioMax = 50;
// One stalled read must not teach that stalling is usual: the quantile hears of it, the averages hear at most so many
// times what they expect, and a little more, so that they can leave zero.
constexpr double kOutlier = 4;
constexpr double kOutlierSeconds = 0.001;

}  // namespace

void LatencyEstimate::Record(uint64_t bytes, Duration took) {
  double seconds = std::chrono::duration<double>(took).count();
  const bool small = bytes <= kSmallBytesMax;
  const bool known = small ? latency_known_ : per_byte_known_;
  if (samples_ >= samples_min_ && known) {
    const double modelled = Modelled(bytes);
    const bool beyond = seconds > ratio_ * modelled;
    ratio_ = std::clamp(ratio_ * (1 + kStep * (beyond ? quantile_ : quantile_ - 1)), kRatioMin, kRatioMax);
    seconds = std::min(seconds, kOutlier * modelled + kOutlierSeconds);
  }
  ++samples_;
  const auto count = static_cast<double>(bytes);
  if (small) {
    const double sample = std::max(0.0, seconds - per_byte_ * count);
    latency_ += (latency_known_ ? kWeight : 1) * (sample - latency_);
    latency_known_ = true;
  } else {
    // Time that the latency seems to have eaten up whole is still not free.
    const double sample = std::max(seconds - latency_, seconds / 10) / count;
    per_byte_ += (per_byte_known_ ? kWeight : 1) * (sample - per_byte_);
    per_byte_known_ = true;
  }
}

void LatencyEstimate::RecordBeyond() { ratio_ = std::min(ratio_ * (1 + kStep * quantile_), kRatioMax); }

std::optional<Duration> LatencyEstimate::Quantile(uint64_t bytes) const {
  if (samples_ < samples_min_) return std::nullopt;
  const std::chrono::duration<double> seconds(ratio_ * Modelled(bytes));
  return std::chrono::duration_cast<Duration>(seconds);
}

}  // namespace akidb
