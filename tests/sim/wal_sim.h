// The write-ahead log alone on the simulated disk: appends, commits, trims and crashes against a list of records.
//
// Threads: one.
// Errors:  broken promises are RunResult::violation.
#pragma once

#include "run.h"
#include "sim_disk.h"

namespace akidb::sim {

RunResult RunWal(const RunOptions& options);

}  // namespace akidb::sim
