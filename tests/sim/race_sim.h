// Commit races and nothing else: several committers of one manifest chain, each change tried by all at once over a line
// that loses and repeats things. Counts how often two or more sent the same version, and that one of them won it.
//
// Threads: one; a fiber for each committer.
// Errors:  broken promises are RunResult::violation.
#pragma once

#include "run.h"

namespace akidb::sim {

// The counter "race.versions" says how many versions were contended in this run.
RunResult RunRaces(const RunOptions& options, Lie lie);

}  // namespace akidb::sim
