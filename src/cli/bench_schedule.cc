#include "cli/bench_schedule.h"

namespace akidb {

BenchSchedule::BenchSchedule(uint64_t requests, double per_second, Clock& clock)
    : requests_(requests), interval_s_(per_second > 0 ? 1 / per_second : 0), clock_(clock), start_(clock.Now()) {}

std::optional<BenchSchedule::Turn> BenchSchedule::Take() {
  const uint64_t number = next_.fetch_add(1);
  if (number >= requests_) return std::nullopt;
  if (interval_s_ == 0) return Turn{number, clock_.Now()};
  const std::chrono::duration<double> after(interval_s_ * static_cast<double>(number));
  return Turn{number, start_ + std::chrono::duration_cast<Duration>(after)};
}

}  // namespace akidb
