// The write-ahead log alone on the simulated disk: appends, commits, trims and crashes against a list of records.
//
// Threads: one.
// Errors:  broken promises are RunResult::violation.
#pragma once

#include "run.h"

namespace akidb::sim {

RunResult RunWal(const RunOptions& options, Lie lie);

}  // namespace akidb::sim
