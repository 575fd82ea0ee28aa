// Builds the graph: near rows from leaves, neighbours chosen among them, and again among those that chose a row. Each
// step reads one graph and writes the next, so the result does not depend on the number of threads. Rows that an older
// graph had need fewer leaves: what it knew is among what they choose from.
//
// Threads: runs on the threads of `parallel`.
// Errors:  those of ctx.Check(); kResourceExhausted.
#pragma once

#include "ann/graph_codes.h"
#include "ann/graph_index.h"
#include "ann/graph_sources.h"
#include "ann/graph_topology.h"

namespace akidb {

// `topology` comes with distance, dim, row_count and seed; entries and neighbours are filled.
Status BuildGraph(OpContext& ctx, const GraphCodes& codes, const GraphOptions& options, const GraphSources& sources,
                  const GraphKernels& kernels, Parallel& parallel, GraphTopology* topology);

}  // namespace akidb
