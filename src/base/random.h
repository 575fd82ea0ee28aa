// Randomness, injected so that a seed replays a run.
//
// Threads: Random implementations are thread-safe.
// Errors:  none.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace akidb {

class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;
  // Uniform in [0, bound); bound > 0.
  uint64_t Below(uint64_t bound) { return Next() % bound; }
  // `digits` lower-case hexadecimal digits.
  std::string Hex(int digits);
};

// Seeded, reproducible (SplitMix64).
std::unique_ptr<Random> NewSeededRandom(uint64_t seed);
// Seeded by the operating system.
std::unique_ptr<Random> NewSystemRandom();

}  // namespace akidb
