// Distances between 8-bit codes by the thousand, as building a graph wants them: a candidate against the neighbours
// chosen so far, a row against candidates wherever they lie, all rows of a leaf against all.
//
// Like graph_kernels.h it includes nothing but C headers, and every function gives the same bits on every instruction
// set: products are integers, floats are elementwise in one order. All distances are those of graph_kernels.h.
//
// Threads: tables of pure functions over what the caller lends.
// Errors:  none.
#pragma once

#include "ann/graph_kernels.h"

namespace akidb {

inline constexpr uint32_t kChosenSlack = 3;   // codes are compared with by fours, from any place on
inline constexpr uint32_t kTileColumns = 64;  // of a leaf, side by side
inline constexpr uint32_t kTileRows = 4;      // compared with it at once
inline constexpr uint32_t kRowsAtOnce = 16;   // compared with a tile while it lies in the first-level cache
inline constexpr uint32_t kLeafKeys = 16;     // near rows that are kept of a row in a leaf

// Neighbours chosen so far, their codes side by side. Places that are not taken have codes that were written once and
// an infinite norm.
struct ChosenCodes {
  int8_t* codes = nullptr;  // kGraphDegree + kChosenSlack of dim, aligned to kGraphAlign
  uint32_t dim = 0;
  uint32_t count = 0;
  float scales[kGraphDegree + kChosenSlack] = {};
  float norms_squared[kGraphDegree + kChosenSlack] = {};
  int32_t sums[kGraphDegree + kChosenSlack] = {};  // of the elements
};

// Some rows: four elements of one lie beside those of the next, so that sums of products need not be added across.
struct LeafCodes {
  const int8_t* tiles =
      nullptr;  // of kTileColumns rows; element i of row j of a tile is at 4 * j + 256 * (i / 4) + i % 4
  uint32_t dim = 0;
  uint32_t count = 0;  // of rows; arrays go on to the end of the last tile, there with infinite norms
  const uint32_t* ids = nullptr;
  const float* scales = nullptr;
  const float* norms_squared = nullptr;
  const int32_t* sums = nullptr;  // of the elements

  constexpr uint32_t padded() const { return (count + kTileColumns - 1) / kTileColumns * kTileColumns; }
};

// Columns of a leaf that a row is not compared with.
struct LeafGap {
  uint32_t begin = 0;
  uint32_t end = 0;
};

struct GraphBuildKernels {
  const char* name;
  // Squared distances from row `from` to rows ids[0..count).
  void (*distances)(const CodeSlab& slab, uint32_t from, const uint32_t* ids, size_t count, float* out);
  int32_t (*sum)(const int8_t* code, uint32_t dim);  // of its elements
  // Appends a row of the slab.
  void (*choose)(const CodeSlab& slab, uint32_t row, ChosenCodes* chosen);
  // Lowers *least to the squared distances from `row` to the chosen from `begin` on, and returns up to where it came:
  // it stops where *least is below `bound`.
  uint32_t (*nearest_chosen)(const CodeSlab& slab, uint32_t row, const ChosenCodes& chosen, uint32_t begin, float bound,
                             float* least);
  // Products of kRowsAtOnce rows of a slab with the rows of the leaf: dots[i * leaf.padded() + j]. Those of tiles that
  // lie in the gap are not computed. `room` is for kRowsAtOnce * dim bytes, aligned to kGraphAlign.
  void (*leaf_dots)(const CodeSlab& slab, const uint32_t* rows, const LeafCodes& leaf, LeafGap gap, uint8_t* room,
                    int32_t* dots);
  // From the products of a row with a leaf to keys (distance, id) of the nearest kLeafKeys that are not beyond `limit`,
  // ascending, without the id `skipped` and without those in the gap. Returns how many there are.
  uint32_t (*leaf_nearest)(const CodeSlab& slab, uint32_t row, uint32_t skipped, float limit, const LeafCodes& leaf,
                           LeafGap gap, const int32_t* dots, int64_t* keys);
};

extern const GraphBuildKernels kScalarGraphBuildKernels;
#if defined(__x86_64__)
extern const GraphBuildKernels kAvx2GraphBuildKernels;
extern const GraphBuildKernels kVnniGraphBuildKernels;  // AVX-512
#endif

// The best that goes with the set of simd/kernels.h of this name on this CPU.
const GraphBuildKernels& GraphBuildKernelsFor(const char* name);
// Whether this CPU can run them.
bool IsSupported(const GraphBuildKernels& kernels);

}  // namespace akidb
