// The kinds of index that are built apart from their rows and stored, by the name that manifests have for them.
// docs/internals/index-providers.md tells how to add one.
//
// Threads: functions; BuildIndex and OpenIndex use `parallel` while they run.
// Errors:  kUnimplemented for a kind that this program does not know; those of the kind's Build and Open.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ann/graph_sources.h"
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
  uint64_t seed = 1;  // equal rows, options, seeds and sources give equal indexes
};

// An older index that had some of the rows of the one to be built.
struct IndexSource {
  std::string kind;
  std::string bytes;           // what its Encode() gave
  std::vector<RowIndex> rows;  // of each of its rows the number in the new index, or kNoRow
};

// The view is copied, the memory behind it is borrowed and must outlive the index. A source that is of no use, whatever
// its bytes, is left out.
Result<std::unique_ptr<VectorIndex>> BuildIndex(OpContext& ctx, std::string_view kind, const VectorRows& rows,
                                                Distance distance, const IndexBuildOptions& options, Parallel& parallel,
                                                std::span<const IndexSource> sources = {});
// `bytes` are what Encode() gave for these rows.
Result<std::unique_ptr<VectorIndex>> OpenIndex(OpContext& ctx, std::string_view kind, std::string_view bytes,
                                               const VectorRows& rows, Distance distance, Parallel& parallel);

}  // namespace akidb
