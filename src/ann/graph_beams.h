// How wide a walk must look for a wanted recall: measured on the graph itself, once it is built, with some of its rows
// as queries, each hidden from its own walk; and again with queries that were seen.
//
// Threads: functions; those that measure use `parallel` while they run.
// Errors:  those that measure: those of ctx.Check().
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ann/graph_index.h"
#include "ann/graph_truth.h"

namespace akidb {

// The same for any number of threads.
Result<MeasuredBeams> MeasureBeams(OpContext& ctx, const GraphIndex& index, const CodedRows& all, uint64_t seed,
                                   Parallel& parallel);

// `known` where it does for these queries, else wider. Those beyond its reach do not count: see ForFarQuery. If nothing
// is known, what MeasureBeams says comes first.
Result<MeasuredBeams> WidenBeams(OpContext& ctx, const GraphIndex& index, const CodedRows& all,
                                 std::span<const float> queries, MeasuredBeams known, uint64_t seed,
                                 Parallel& parallel);

// What a query wants of either way.
struct Beam {
  uint32_t walk = 0;
  uint32_t sweep = 0;
};
// For a recall, 0 < recall <= 1, of the true best k. Guesses if nothing was measured.
Beam BeamForRecall(const MeasuredBeams& measured, double recall, uint32_t k);
// For the beam of a walk: as many rows after a sweep as find as much.
Beam BeamForWalk(const MeasuredBeams& measured, uint32_t ef_search);
// For a query whose walk ended beyond the graph's reach: it is unlike the rows, of which there are `matches`, and wants
// more of either way.
Beam ForFarQuery(const Beam& beam, uint32_t matches);

}  // namespace akidb
