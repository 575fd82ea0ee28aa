// How wide a walk through a growing graph must look for a wanted recall: guessed at first, then measured, whenever the
// graph has doubled, with rows that are not in it yet as queries.
//
// Threads: GrowingBeams: thread-safe. GrowingBeamMeter: one at a time, by whoever may advance the index.
// Errors:  Measure: those of ctx.Check().
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <iterator>

#include "ann/graph_topology.h"
#include "base/context.h"
#include "base/ids.h"
#include "base/status.h"

namespace akidb {

class GrowingIndex;

class GrowingBeams {
 public:
  GrowingBeams();
  // For a recall below 1 of the true best k.
  uint32_t BeamFor(double recall, uint32_t k) const;
  // Of a query whose tenth nearest row lies so far: whether it is unlike those measured with, so that beams say
  // nothing.
  bool IsFar(float reach) const;

 private:
  friend class GrowingBeamMeter;
  std::array<std::atomic<uint32_t>, std::size(kRecallLevels)> beams_;
  std::atomic<float> reach_{0};
};

class GrowingBeamMeter {
 public:
  static constexpr uint32_t kSamples = 128;
  static constexpr uint32_t kSamplesMin = 16;

  explicit GrowingBeamMeter(GrowingIndex& index) : index_(index) {}
  // With rows [begin, begin + count), none of which is linked.
  Status Measure(OpContext& ctx, RowIndex begin, uint32_t count);

 private:
  GrowingIndex& index_;
};

}  // namespace akidb
