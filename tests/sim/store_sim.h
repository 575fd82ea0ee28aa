// The local-directory store alone on the simulated disk: puts, conditions, deletes, listings and crashes against a map.
//
// Threads: one.
// Errors:  broken promises are RunResult::violation.
#pragma once

#include "run.h"

namespace akidb::sim {

RunResult RunStore(const RunOptions& options, Lie lie);

}  // namespace akidb::sim
