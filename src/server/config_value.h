// Sizes, durations and numbers as people write them: "64MiB", "30s", "0.25".
//
// Threads: pure functions.
// Errors:  kInvalidArgument saying what was expected.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"

namespace akidb {

// Bytes: a number with an optional B, KiB, MiB, GiB or TiB.
Result<uint64_t> ParseSize(std::string_view text);
std::string FormatSize(uint64_t bytes);  // the largest unit that divides it: "64MiB", "1000"
// A number with ms, s, m, h or d.
Result<Duration> ParseDuration(std::string_view text);
std::string FormatDuration(Duration duration);  // the largest unit that divides it: "30s", "90s"
Result<uint64_t> ParseInteger(std::string_view text, uint64_t max);
Result<double> ParseNumber(std::string_view text);

}  // namespace akidb
