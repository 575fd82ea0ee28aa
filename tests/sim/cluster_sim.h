// Several live nodes on one bucket under a seeded scheduler: each stands in the middle of whatever request it sent,
// while the others go on; any of them may be paused for hours or die there. Compared with the truth all the time, and
// at the end in good weather.
//
// Threads: one; a fiber for each node.
// Errors:  broken promises are RunResult::violation.
#pragma once

#include "run.h"

namespace akidb::sim {

RunResult RunCluster(const RunOptions& options, Lie lie);

}  // namespace akidb::sim
