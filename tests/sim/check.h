// Reads a collection through every door and compares what comes out with what the model expects.
//
// Threads: one.
// Errors:  Violation, thrown, for a wrong answer; a Status for a read that failed (the caller knows whether it may).
#pragma once

#include "model.h"
#include "sim_world.h"

namespace akidb::sim {

// Everything in `snapshot`, by scrolling.
Result<Rows> ReadAll(OpContext& ctx, const Snapshot& snapshot, uint32_t page_rows);

// Scroll, count, point reads, searches with and without filter, all against `expected`, and so against each other.
// `latest_rows` is the number of rows after all writes, visible or not.
Status CheckSnapshot(OpContext& ctx, const Snapshot& snapshot, const Rows& expected, size_t latest_rows, Dice& dice);

std::shared_ptr<const Filter> ParseFilter(const ModelFilter& filter);
ModelFilter RandomFilter(Dice& dice);
std::string RandomId(Dice& dice);

}  // namespace akidb::sim
