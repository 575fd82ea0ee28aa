// A clock that stands still until a test moves it; it starts in November 2023.
//
// Threads: thread-safe.
// Errors:  none.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace akidb {

class ManualClock final : public Clock {
 public:
  MonotonicTime Now() override { return MonotonicTime(Duration(since_start_.load())); }
  WallTime WallNow() override { return kWallStart + Duration(since_start_.load() + wall_jump_.load()); }
  void Advance(Duration by) { since_start_.fetch_add(by.count()); }
  void JumpWall(Duration by) { wall_jump_.fetch_add(by.count()); }

 private:
  static constexpr WallTime kWallStart{std::chrono::seconds(1'700'000'000)};
  std::atomic<Duration::rep> since_start_ = 0;
  std::atomic<Duration::rep> wall_jump_ = 0;
};

}  // namespace akidb
