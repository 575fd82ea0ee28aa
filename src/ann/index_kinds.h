// The kinds of index that are built apart from their rows and stored, by the name that manifests have for them.
// docs/internals/index-providers.md tells how to add one.
//
// Threads: functions; BuildIndex and OpenIndex use `parallel` while they run.
// Errors:  kUnimplemented for a kind that this program does not know; those of the kind's Build and Open.
#pragma once

#include <memory>
#include <string_view>

#include "ann/graph_topology.h"
#include "ann/parallel.h"
#include "ann/vector_index.h"
#include "base/context.h"
#include "base/status.h"

namespace akidb {

inline constexpr std::string_view kGraphKind = "hnsw";

struct IndexBuildOptions {
  uint32_t ef_construction = 200;
  GraphLayoutKind layout = GraphLayoutKind::kFast;
  uint64_t seed = 1;  // equal rows, options and seeds give equal indexes
};

// The view is copied, the memory behind it is borrowed and must outlive the index.
Result<std::unique_ptr<VectorIndex>> BuildIndex(OpContext& ctx, std::string_view kind, const VectorRows& rows,
                                                Distance distance, const IndexBuildOptions& options,
                                                Parallel& parallel);
// `bytes` are what Encode() gave for these rows.
Result<std::unique_ptr<VectorIndex>> OpenIndex(OpContext& ctx, std::string_view kind, std::string_view bytes,
                                               const VectorRows& rows, Distance distance, Parallel& parallel);

}  // namespace akidb
