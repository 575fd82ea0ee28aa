// How long a read of so many bytes usually takes, learned from those before it.
//
// The model is a latency and a time per byte, each a moving average: small reads teach the one, large reads the other.
// On top of it a quantile of (real time / modelled time), by stochastic approximation: each read above it pushes it up,
// each below it down, in the ratio that makes the wanted share of reads stay below.
//
// Threads: one at a time; the owner locks.
// Errors:  none.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace akidb {

class LatencyEstimate {
 public:
  // `quantile` in (0, 1); no estimate before `samples_min` reads.
  LatencyEstimate(double quantile, uint32_t samples_min) : quantile_(quantile), samples_min_(samples_min) {}

  // A read that ended well.
  void Record(uint64_t bytes, Duration took);
  // A read took longer than Quantile said; how long is not known.
  void RecordBeyond();
  // Longer than the wanted share of reads of so many bytes takes.
  std::optional<Duration> Quantile(uint64_t bytes) const;

  double latency_seconds() const { return latency_; }
  double seconds_per_byte() const { return per_byte_; }

 private:
  double Modelled(uint64_t bytes) const { return latency_ + per_byte_ * static_cast<double>(bytes); }

  const double quantile_;
  const uint32_t samples_min_;
  uint64_t samples_ = 0;
  bool latency_known_ = false;
  bool per_byte_known_ = false;
  double latency_ = 0;
  double per_byte_ = 0;
  double ratio_ = 2;  // of the quantile to the model
};

}  // namespace akidb
