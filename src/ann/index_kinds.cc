#include "ann/index_kinds.h"

#include <string>

#include "ann/graph_index.h"

namespace akidb {
namespace {

Status UnknownKind(std::string_view kind) {
  return Unimplemented("index kind " + std::string(kind) + " is not known to this program");
}

}  // namespace

Result<std::unique_ptr<VectorIndex>> BuildIndex(OpContext& ctx, std::string_view kind, const VectorRows& rows,
                                                Distance distance, const IndexBuildOptions& options, Parallel& parallel,
                                                std::span<const IndexSource> sources) {
  if (kind != kGraphKind) return std::unexpected(UnknownKind(kind));
  GraphOptions graph;
  graph.ef_construction = options.ef_construction;
  graph.seed = options.seed;
  graph.layout = options.layout;
  std::vector<GraphSource> graphs;
  for (const IndexSource& source : sources) {
    if (source.kind != kGraphKind) continue;
    auto topology = DecodeGraphTopology(source.bytes);
    if (!topology || topology->distance != distance || topology->dim != rows.dim ||
        topology->row_count != source.rows.size()) {
      continue;
    }
    graphs.push_back({std::move(*topology), source.rows});
  }
  return GraphIndex::Build(ctx, rows, distance, graph, parallel, graphs);
}

Result<std::unique_ptr<VectorIndex>> OpenIndex(OpContext& ctx, std::string_view kind, std::string_view bytes,
                                               const VectorRows& rows, Distance distance, Parallel& parallel) {
  if (kind != kGraphKind) return std::unexpected(UnknownKind(kind));
  AKI_ASSIGN_OR_RETURN(const GraphTopology topology, DecodeGraphTopology(bytes));
  return GraphIndex::Open(ctx, rows, distance, topology, parallel);
}

}  // namespace akidb
