// Latencies of many requests, boiled down.
//
// Threads: pure functions.
// Errors:  none.
#pragma once

#include <vector>

#include "base/clock.h"

namespace akidb {

struct LatencySummary {
  Duration mean{};
  Duration p50{};
  Duration p95{};
  Duration p99{};
  Duration max{};
};

// Nearest-rank percentiles; all zero if there are no samples.
LatencySummary Summarise(std::vector<Duration> samples);

}  // namespace akidb
