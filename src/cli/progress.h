// A line that says how far long work is: redrawn in place on a terminal, now and then a plain line elsewhere.
//
// Threads: Progress belongs to one thread.
// Errors:  none.
#pragma once

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace akidb {

struct ProgressState {
  uint64_t done = 0;  // units finished
  std::string_view unit = "rows";
  std::optional<double> fraction;  // of the whole work, 0..1, if the end is known
  Duration elapsed{};
  double rate = 0;  // units a second
};

// "[#####-----]  50%  46,277 rows  41,200 rows/s  ETA 1.1 s"; without a fraction no bar and no ETA.
std::string FormatProgress(const ProgressState& state, size_t bar_width);

class Progress {
 public:
  enum class Style : uint8_t { kSilent, kLines, kBar };
  Progress(Clock& clock, Style style, std::string_view unit);
  void Update(uint64_t done, std::optional<double> fraction);
  // The last state, on a line of its own.
  void Finish(uint64_t done);
  Duration elapsed() const { return clock_.Now() - started_; }

 private:
  void Draw(uint64_t done, std::optional<double> fraction, bool last);

  Clock& clock_;
  const Style style_;
  const std::string unit_;
  const MonotonicTime started_;
  MonotonicTime drawn_;
};

}  // namespace akidb
