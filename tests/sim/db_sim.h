// The whole database under a seeded scheduler: clients, background tasks, clocks, faults, crashes and recoveries,
// interleaved one step at a time and compared with the model after every recovery and in between.
//
// Threads: one.
// Errors:  broken promises are RunResult::violation.
#pragma once

#include "machine.h"
#include "run.h"

namespace akidb::sim {

// How much of the legal misbehaviour is switched on.
enum class Weather : uint8_t { kAny, kWallClockJumps };

// Small limits, so that everything happens with a few rows.
EngineOptions RandomEngineOptions(Dice& dice);

RunResult RunDatabase(const RunOptions& options, StoreKind store, Lie lie, Weather weather);

}  // namespace akidb::sim
