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
                                                Distance distance, const IndexBuildOptions& options,
                                                Parallel& parallel) {
  if (kind != kGraphKind) return std::unexpected(UnknownKind(kind));
  GraphOptions graph;
  graph.ef_construction = options.ef_construction;
  graph.seed = options.seed;
  graph.layout = options.layout;
  return GraphIndex::Build(ctx, rows, distance, graph, parallel);
}

Result<std::unique_ptr<VectorIndex>> OpenIndex(OpContext& ctx, std::string_view kind, std::string_view bytes,
                                               const VectorRows& rows, Distance distance, Parallel& parallel) {
  if (kind != kGraphKind) return std::unexpected(UnknownKind(kind));
  AKI_ASSIGN_OR_RETURN(const GraphTopology topology, DecodeGraphTopology(bytes));
  return GraphIndex::Open(ctx, rows, distance, topology, parallel);
}

}  // namespace akidb
