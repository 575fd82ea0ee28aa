// One simulated run: options in, verdict and coverage out. Every mode of the runner has this shape.
//
// Threads: one a process.
// Errors:  a broken promise is RunResult::violation, with the same words for the same seed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim_world.h"

namespace akidb::sim {

struct RunOptions {
  uint64_t seed = 0;
  bool trace = false;
  // Of a million device operations, before how many the machine's state is copied, crashed and recovered on the side.
  uint32_t probe_ppm = 20'000;
};

// What the world lies about, if anything.
enum class Lie : uint8_t {
  kNone,
  kDropSyncs,
  kForgetNames,
  kStaleBlocks,
  kIgnoreConditions,
  kForgetObjects,
  kHideObjects,
  kFlipBits,
  kStoppedClocks
};

struct RunResult {
  std::optional<std::string> violation;
  uint64_t trace_hash = 0;
  Coverage coverage;
};

struct Mode {
  std::string_view name;
  std::string_view about;
  RunResult (*run)(const RunOptions& options);
  bool lies;                                 // a violation is what we want to see
  std::vector<std::string_view> must_reach;  // counters that a suite of seeds must have moved
};

const std::vector<Mode>& Modes();

}  // namespace akidb::sim
