// What the graph index needs of each instruction set: rotation, codes, distances between codes, and the walk itself.
// Like simd/kernel_table.h it includes nothing but C headers, since its sources are built with flags of one CPU class.
//
// Every function gives the same bits on every instruction set: sums are integers, or floats added in one fixed order
// without contraction. So the same rows and seed make the same graph, and a query the same answer, on any CPU.
//
// Threads: tables of pure functions over what the caller lends.
// Errors:  none.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace akidb {

inline constexpr uint32_t kGraphDegree = 32;
inline constexpr uint32_t kRotationRounds = 4;
inline constexpr uint32_t kGraphAlign = 64;  // padded dimensions and block bytes are multiples of it
// Largest magnitude of a query element as the walk sees it: 127 * 1023 * (16384 + 64) stays below 2^31.
inline constexpr int32_t kQueryLevels = 1023;
// For rows of signs: few enough that so many elements, none below zero, add up in a byte.
inline constexpr int32_t kSignLevels = 31;
inline constexpr uint32_t kSignLevelsInByte = UINT8_MAX / (2 * kSignLevels + 1);
inline constexpr uint32_t kLookaheadMax = 8;
// Largest entry of a look-up table: four of them fit eight bits. Finer steps would vanish in the error of the codes.
inline constexpr int32_t kLutMax = 63;

// Up to so many dimensions a neighbour's code has two bits each: so few of one bit say too little about a distance.
inline constexpr uint32_t kTwoBitDimMax = 128;

// Where things lie in a node's block (docs/internals/ann.md has the picture), in the order in which a walk reads them.
// All offsets from the block's begin.
struct GraphLayout {
  uint32_t dim = 0;  // padded: a multiple of 64

  constexpr uint32_t code_bits() const { return dim <= kTwoBitDimMax ? 2 : 1; }
  constexpr size_t own_code() const { return 0; }
  constexpr size_t scales() const { return dim; }                       // a line of its own
  constexpr size_t codes() const { return dim + size_t{kGraphAlign}; }  // 32 of dim bits, once for each bit
  constexpr size_t adds() const { return codes() + static_cast<size_t>(dim) * 4 * code_bits(); }
  constexpr size_t factors() const { return adds() + kGraphDegree * 2; }
  constexpr size_t ids() const { return factors() + kGraphDegree * 2; }
  constexpr size_t block_bytes() const { return ids() + kGraphDegree * 4; }
};

// Where things lie in a block of a sweep: sign codes of 32 rows in a row, seen from the origin.
struct SweepLayout {
  uint32_t dim = 0;  // padded

  constexpr size_t adds() const { return static_cast<size_t>(dim) * 4; }
  constexpr size_t factors() const { return adds() + kGraphDegree * 2; }
  constexpr size_t scales() const { return factors() + kGraphDegree * 2; }
  constexpr size_t block_bytes() const { return scales() + kGraphAlign; }
};

// Where things lie in the compact layout: edges, sign codes and finer codes of a row lie in three arrays of their own.
// A row of signs never crosses a line that it need not.
struct CompactLayout {
  uint32_t dim = 0;        // padded
  uint32_t code_bits = 8;  // of the finer codes: 8, or 5, of which the sign lies in the row of signs

  constexpr size_t edge_bytes() const { return kGraphDegree * sizeof(uint32_t); }
  constexpr size_t sign_tail() const { return static_cast<size_t>(dim) / 8; }  // a SignTail after dim bits
  constexpr size_t sign_bytes() const {
    const size_t used = sign_tail() + 16;
    if (used <= 32) return 32;
    return (used + kGraphAlign - 1) / kGraphAlign * kGraphAlign;
  }
  constexpr size_t code_bytes() const { return code_bits == 8 ? dim : dim / 2; }
  constexpr size_t row_bytes() const { return edge_bytes() + sign_bytes() + code_bytes(); }
};

// After the bits of a row of signs.
struct SignTail {
  float norm_squared = 0;  // of the row
  float factor = 0;        // |q - o|^2 ~ |q|^2 + norm_squared - factor * <signs, q>
  float scale = 0;         // of the finer code
  uint32_t ones = 0;       // bits that are set
};

// 16 bytes of a block.
struct BlockScales {
  float own = 0;           // own vector = own * code
  float norm_squared = 0;  // of that vector
  float add = 0;           // add of edge j = add * adds[j]
  float factor = 0;        // factor of edge j = factor * factors[j]
};

// One 8-bit code a row, side by side: row i is codes[i * dim ..] times scales[i].
struct CodeSlab {
  const int8_t* codes = nullptr;
  const float* scales = nullptr;
  const float* norms_squared = nullptr;  // of the vectors that the codes stand for
  uint32_t dim = 0;
};

// Four more bits of each element of 8-bit codes, for answers without rows: element c and nibble n stand for
// scale * (c + (2 n - 15) / 32).
struct FinerCodes {
  const uint8_t* nibbles = nullptr;      // dim / 2 bytes a row: 32 elements in lower halves, the next 32 in upper ones
  const float* norms_squared = nullptr;  // of what both codes stand for
};

// A query as the walk wants it; the arrays are lent.
struct GraphQuery {
  uint8_t* lut = nullptr;     // dim / 4 groups of 16 sums, scaled
  int16_t* levels = nullptr;  // dim elements, each query element / level_scale
  float lut_step = 0;         // <signs, q> = lut_step * (sum of entries) - lut_offset
  float lut_offset = 0;
  float level_scale = 0;
  float norm_squared = 0;  // of level_scale * levels
  int32_t level_sum = 0;   // of levels

  // For rows of signs: each element / sign_step, and kSignLevels more.
  uint8_t* sign_levels = nullptr;
  float sign_step = 0;
  int32_t sign_sum = 0;  // of the elements / sign_step
};

inline constexpr uint32_t kKeySlack = 168;  // keys beyond the capacity of a pool that a walk may touch

// Everything a walk reads and writes. Pool and results are sorted arrays of keys: in the upper half the distance as a
// signed number of the same order, in the lower half twice the row and, in the pool, a last bit that says "taken".
struct GraphWalk {
  const uint8_t* blocks = nullptr;
  GraphLayout layout;
  const uint8_t* entry_blocks = nullptr;  // nodes at the origin whose edges lead to the entry rows
  uint32_t entry_block_count = 0;
  uint32_t entries_kept = 0;  // how many of the best entry rows start the walk

  // The compact layout has these instead of blocks, and entry blocks as those of a sweep.
  CompactLayout compact;
  const uint8_t* edges = nullptr;
  const uint8_t* signs = nullptr;
  const uint8_t* codes = nullptr;
  const uint32_t* entries = nullptr;    // row numbers, kGraphDegree an entry block
  uint32_t pending[kGraphDegree] = {};  // rows of signs asked for, but not yet looked at
  uint32_t pending_size = 0;

  FinerCodes finer;  // what `refine` reads
  const GraphQuery* query = nullptr;

  int64_t* pool = nullptr;  // room for pool_capacity + kKeySlack
  uint32_t pool_capacity = 0;
  uint32_t pool_size = 0;
  uint32_t pool_next = 0;            // nothing untaken before it
  uint32_t pool_reach = UINT32_MAX;  // only the best so many are taken
  // Keys offered to a large pool since some were last merged into it: sorted, marked as taken as those of the pool are.
  alignas(64) int64_t fresh[kGraphDegree + 8] = {};
  uint32_t fresh_size = 0;
  uint32_t fresh_next = 0;  // nothing untaken before it

  int64_t* results = nullptr;  // room for result_capacity + kKeySlack
  uint32_t result_capacity = 0;
  uint32_t result_size = 0;
  uint32_t* visited = nullptr;  // one bit a row
  uint32_t* trail = nullptr;    // the rows visited, so that their bits can be cleared; room for all rows
  uint32_t trail_size = 0;
  const uint64_t* eligible = nullptr;  // bitmap of rows that may be results; null: all

  // The eligible rows whose estimate is below a bound, in no order, whether the walk comes to them or not; nothing
  // without `unmatched`. A walk stops while there is room for fewer than kGraphDegree.
  int64_t* matches = nullptr;
  uint32_t match_room = 0;  // and that of all entries
  uint32_t match_size = 0;
  float match_bound = 0;
  uint32_t* unmatched = nullptr;  // bitmap of the eligible rows that were never in `matches`

  // Nodes chosen and asked for, but not yet looked at.
  uint32_t lookahead = 1;
  uint32_t ahead[kLookaheadMax] = {};
  uint32_t ahead_size = 0;
  uint64_t hops = 0;
};

// A look at the sign codes of all rows, 32 at a time.
struct GraphSweep {
  const uint8_t* blocks = nullptr;
  uint32_t block_count = 0;
  uint32_t next_block = 0;
  uint32_t step = 1;  // from one block to the next
  uint32_t row_count = 0;
  uint32_t dim = 0;  // padded
  const GraphQuery* query = nullptr;
  const uint64_t* eligible = nullptr;  // bitmap of rows; null: all

  float bound = 0;  // only rows whose estimate is below it are kept
  int64_t* keys = nullptr;
  uint32_t capacity = 0;
  uint32_t size = 0;
};

// What differs between the layouts.
struct GraphWalkKernels {
  // Fills the pool with the best entries.
  void (*start)(GraphWalk& walk);
  // Looks at up to `hops_max` nodes, or until matches have no room; true if there is more to do.
  bool (*run)(GraphWalk& walk, uint32_t hops_max);
  // After a walk: scores what it found by its own codes, if that is not done yet, and offers it to walk.results.
  void (*finish)(GraphWalk& walk);
  // Scores the rows of keys[0..count) by their own codes and offers them to walk.results.
  void (*score_own)(GraphWalk& walk, const int64_t* keys, uint32_t count);
  // Scores walk.results again by 8-bit and finer codes together; leaves them in no order.
  void (*refine)(GraphWalk& walk);
};

struct GraphKernels {
  const char* name;
  // In place; `signs` holds kRotationRounds * dim words that are 0 or the sign bit. Orthogonal.
  void (*rotate)(float* x, uint32_t dim, const uint32_t* signs);
  // Fills scale and norm; x has dim finite elements.
  void (*encode)(const float* x, uint32_t dim, int8_t* code, float* scale, float* norm_squared);
  void (*prepare)(const float* x, GraphQuery* query, uint32_t dim);
  // Squared distances from row `from` to rows ids[0..count).
  void (*distances)(const CodeSlab& slab, uint32_t from, const uint32_t* ids, size_t count, float* out);
  // The same from a query, whose table is not needed.
  void (*query_distances)(const CodeSlab& slab, const GraphQuery& query, const uint32_t* ids, size_t count, float* out);
  // Writes the block of a node: `own` is its code (zeros for an entry block), ids its kGraphDegree neighbours.
  void (*encode_block)(const CodeSlab& slab, const int8_t* own, float own_scale, float own_norm_squared,
                       const uint32_t* ids, uint8_t* block);
  // The sign codes of rows ids[0..kGraphDegree) seen from `origin`, dim zeros.
  void (*encode_sweep_block)(const CodeSlab& slab, const int8_t* origin, const uint32_t* ids, uint8_t* block);
  // For exact scores (ann/exact_score.h), in double precision and in order; n is a multiple of 8. Product i goes to
  // dots[i % 8],
  void (*add_dot)(const float* q, const float* r, size_t n, double* dots);
  // the square of r[i] to norms[i % 8],
  void (*add_dot_and_norm)(const float* q, const float* r, size_t n, double* dots, double* norms);
  // the square of q[i] - scale * r[i] to sums[i % 8].
  void (*add_squares)(const float* q, const float* r, size_t n, double scale, double* sums);
  // Sums of look-up entries of the 32 codes of a block, for tests.
  void (*scan)(const uint8_t* codes, const uint8_t* lut, uint32_t dim, uint32_t* sums);
  // The same for rows of signs, after prepare.
  void (*prepare_signs)(GraphQuery* query, uint32_t dim);
  // The row of signs of row `row` and its finer code.
  void (*encode_compact)(const CodeSlab& slab, uint32_t row, const CompactLayout& layout, uint8_t* signs,
                         uint8_t* code);
  // The finer code of x, whose 8-bit code is code * scale: dim / 2 bytes, zeros before.
  void (*encode_finer)(const float* x, uint32_t dim, const int8_t* code, float scale, uint8_t* nibbles,
                       float* norm_squared);
  // Appends keys of rows to sweep.keys until there is no room for another block (true) or no block is left.
  bool (*sweep)(GraphSweep& sweep);
  // Gives the pool of a walk in the fast layout, of which no node is left, the room that it might have had before.
  void (*widen)(GraphWalk& walk, uint32_t capacity);
  GraphWalkKernels fast;
  GraphWalkKernels compact;
};

extern const GraphKernels kScalarGraphKernels;
#if defined(__x86_64__)
extern const GraphKernels kAvx2GraphKernels;
extern const GraphKernels kAvx512GraphKernels;
#endif

}  // namespace akidb
