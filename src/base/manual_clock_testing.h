// A clock that stands still until a test moves it.
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
  WallTime WallNow() override { return WallTime(Duration(since_start_.load())); }
  void Advance(Duration duration) { since_start_.fetch_add(duration.count()); }

 private:
  std::atomic<Duration::rep> since_start_ = 0;
};

}  // namespace akidb
