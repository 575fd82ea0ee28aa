#include "cli/bench_stats.h"

#include <algorithm>
#include <numeric>

namespace akidb {

LatencySummary Summarise(std::vector<Duration> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  const auto at = [&](size_t percent) {
    const size_t rank = (samples.size() * percent + 99) / 100;
    return samples[std::max<size_t>(rank, 1) - 1];
  };
  const Duration sum = std::accumulate(samples.begin(), samples.end(), Duration{});
  return {sum / static_cast<int64_t>(samples.size()), at(50), at(95), at(99), samples.back()};
}

}  // namespace akidb
