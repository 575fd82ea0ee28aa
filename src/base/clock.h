// Time, injected so that a simulation can own it.
//
// Threads: Clock implementations are thread-safe.
// Errors:  none.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace akidb {

using Duration = std::chrono::nanoseconds;
// Monotonic; the only time that deadlines, back-off and grace periods may rest on.
using MonotonicTime = std::chrono::time_point<struct MonotonicTag, Duration>;
// Wall time, for people and for retention; it may jump.
using WallTime = std::chrono::time_point<std::chrono::system_clock, Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonotonicTime Now() = 0;
  virtual WallTime WallNow() = 0;
};

// The machine's clocks.
Clock& RealClock();

// "2026-11-23T02:14:17.123Z" (RFC 3339, UTC, milliseconds).
std::string FormatRfc3339(WallTime time);
// Any time of RFC 3339 from 1970 to 2199, with any fraction and offset; nullopt for everything else.
std::optional<WallTime> ParseRfc3339(std::string_view text);

}  // namespace akidb
