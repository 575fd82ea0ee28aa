// What of a graph index is worth storing: who is whose neighbour, and the seed from which all else follows from the
// rows. Codes, factors and blocks are derived when an index is opened.
//
// Format:  docs/formats/graph.md
// Threads: values.
// Errors:  DecodeGraphTopology: kDataLoss for bytes that no encoder writes, kUnimplemented for another version. The
//          section around the bytes has a checksum of its own; this parser only keeps hostile bytes from doing harm.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ann/graph_kernels.h"
#include "base/status.h"
#include "base/vector_types.h"

namespace akidb {

// Recalls that a graph measures itself for when it is built.
inline constexpr double kRecallLevels[] = {0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999};

// What a walk reads: blocks of a row and its neighbours' codes, or apart from each other edges, signs, and finer codes
// of 8 or of 5 bits. Those of 12 have four more bits a dimension beside 8-bit codes, for answers without rows.
enum class GraphLayoutKind : uint8_t { kFast = 0, kCompact5 = 5, kCompact8 = 8, kCompact12 = 12, kFast12 = 28 };

constexpr bool IsCompact(GraphLayoutKind layout) {
  return layout != GraphLayoutKind::kFast && layout != GraphLayoutKind::kFast12;
}
constexpr bool HasFinerCodes(GraphLayoutKind layout) {
  return layout == GraphLayoutKind::kCompact12 || layout == GraphLayoutKind::kFast12;
}

// What reached each of kRecallLevels at k = 10, at the least.
struct MeasuredBeams {
  std::vector<uint32_t> beams;   // of a walk; empty if nothing was measured
  std::vector<uint32_t> sweeps;  // rows scored after a sweep; as many
  // How far, as its walk estimates, the farthest of the rows measured with lies from its tenth nearest; 0 without
  // beams.
  float reach = 0;
  bool operator==(const MeasuredBeams&) const = default;
};

struct GraphTopology {
  Distance distance = Distance::kCosine;
  uint32_t dim = 0;  // of the rows
  uint32_t row_count = 0;
  uint64_t seed = 0;
  GraphLayoutKind layout = GraphLayoutKind::kFast;  // beams were measured with it
  std::vector<uint32_t> entries;                    // rows where walks begin; a multiple of kGraphDegree, at least one
  std::vector<uint32_t> neighbours;                 // kGraphDegree a row; a row's own number fills places that are free
  MeasuredBeams measured;
  bool operator==(const GraphTopology&) const = default;
};

// Our bug if it does not hold before encoding, kDataLoss after decoding.
Status ValidateGraphTopology(const GraphTopology& topology);
std::string EncodeGraphTopology(const GraphTopology& topology);
Result<GraphTopology> DecodeGraphTopology(std::string_view bytes);

}  // namespace akidb
