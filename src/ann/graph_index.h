// The graph index, which users know as `hnsw`: one flat graph of degree 32 whose nodes carry one-bit codes of their
// neighbours, walked best first. docs/internals/ann.md draws it and says why.
//
// Threads: immutable; Search is thread-safe and keeps the memory of past walks for coming ones.
// Errors:  Build, Open: kInvalidArgument for rows it cannot index; those of ctx.Check(); kResourceExhausted.
//          Open: kDataLoss if the topology is not that of these rows. Search: those of ctx.Check().
#pragma once

#include <memory>
#include <string>

#include "ann/graph_sources.h"
#include "ann/graph_topology.h"
#include "ann/parallel.h"
#include "ann/vector_index.h"
#include "base/context.h"

namespace akidb {

struct KernelSet;

struct GraphOptions {
  uint32_t ef_construction = 128;  // breadth of the look for near rows: candidates, and leaves that a row is in
  uint64_t seed = 1;
  GraphLayoutKind layout = GraphLayoutKind::kFast;
};

// How a query is answered: by a walk through the graph, by a look at the sign codes of all rows, by an exact scan.
enum class GraphWay : uint8_t { kWalk, kSweep, kScan };

// What one search did, for benchmarks and tests.
struct GraphSearchStats {
  uint64_t hops = 0;
  uint64_t rescored = 0;
  uint64_t sweeps = 0;  // looks at the sign codes of all rows
  uint64_t scans = 0;   // exact ones
  uint64_t bytes = 0;   // of blocks and rows that were read; a filtered sweep counts as a whole one
  float reach = 0;      // estimated distance of the tenth nearest node of the last walk's pool, squared
};

// Memory of the index beyond the rows, bytes a row of `dim` elements.
uint64_t GraphBytesPerRow(GraphLayoutKind layout, uint32_t dim);

class GraphIndex : public VectorIndex {
 public:
  // The view is copied, the memory behind it is borrowed and must outlive the index. `sources` are older graphs of some
  // of the rows, which save looking for what those know; the graph depends on them, too.
  static Result<std::unique_ptr<GraphIndex>> Build(OpContext& ctx, const VectorRows& rows, Distance distance,
                                                   const GraphOptions& options, Parallel& parallel,
                                                   std::span<const GraphSource> sources = {});
  static Result<std::unique_ptr<GraphIndex>> Open(OpContext& ctx, const VectorRows& rows, Distance distance,
                                                  const GraphTopology& topology, Parallel& parallel);
  // The same with the kernels named.
  static Result<std::unique_ptr<GraphIndex>> BuildWith(OpContext& ctx, const VectorRows& rows, Distance distance,
                                                       const GraphOptions& options, const KernelSet& kernels,
                                                       Parallel& parallel, std::span<const GraphSource> sources = {});
  static Result<std::unique_ptr<GraphIndex>> OpenWith(OpContext& ctx, const VectorRows& rows, Distance distance,
                                                      const GraphTopology& topology, const KernelSet& kernels,
                                                      Parallel& parallel);

  virtual GraphTopology topology() const = 0;
  virtual GraphLayoutKind layout() const = 0;
  virtual Status SearchWithStats(OpContext& ctx, const IndexQuery& query, std::vector<Candidate>* out,
                                 GraphSearchStats* stats) const = 0;
  // As if row `hidden`, or none if it is kNoRow, had never been there, in one way: for measuring. `ef_search` is the
  // beam of a walk or the number of rows scored after a sweep.
  virtual Status SearchWithout(OpContext& ctx, RowIndex hidden, const IndexQuery& query, GraphWay way,
                               std::vector<Candidate>* out, GraphSearchStats* stats) const = 0;
  // What SearchWithout finds after a sweep for each of `counts`, ascending, as many rows scored, with a single sweep.
  virtual Status SweepsWithout(OpContext& ctx, RowIndex hidden, const IndexQuery& query,
                               std::span<const uint32_t> counts, std::vector<std::vector<Candidate>>* out) const = 0;
};

}  // namespace akidb
