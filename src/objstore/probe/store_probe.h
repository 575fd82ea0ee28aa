// Tries, on the real thing, what AkiDB needs of a store, under a scratch prefix that is deleted at the end.
//
// A check fails only when the store did something wrong. A store that is away, full or closed to us gets no verdict but
// an error: what it cannot do today says nothing about what it can do.
//
// Threads: one; racers run where `run_together` puts them.
// Errors:  ProbeStore: those of the store that leave a check undecided, naming it; kCancelled, kDeadlineExceeded.
// Cost:    about 60 requests, and racers x rounds.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "objstore/object_store.h"
#include "objstore/probe/probe_extensions.h"
#include "objstore/probe/verdict.h"

namespace akidb {

struct StoreProbeOptions {
  uint32_t racers = 8;
  uint32_t rounds = 25;
  // Rounds that race side by side, each for a key of its own. Racers mostly wait for each other, so this saves time;
  // one at a time each race has the store to itself.
  uint32_t rounds_at_once = 1;
  // Calls all functions, as much at once as it can, and returns when the last has returned.
  std::function<void(const std::vector<std::function<void()>>&)> run_together;
  ProbeExtensions* extensions = nullptr;
};

Result<StoreVerdict> ProbeStore(OpContext& ctx, ObjectStore& store, Random& random, const StoreProbeOptions& options);

// Below the store's prefix. Scratch objects lie beside the verdict.
inline constexpr std::string_view kProbePrefix = "probe/";
inline constexpr std::string_view kVerdictKey = "probe/verdict.json";

// What a start does: takes the stored verdict if it still holds (1 GET, and 1 PUT that must be refused if the verdict
// says so), else probes and stores what came out.
Result<StoreVerdict> EnsureStoreVerdict(OpContext& ctx, ObjectStore& store, Random& random,
                                        const StoreProbeOptions& options);

}  // namespace akidb
