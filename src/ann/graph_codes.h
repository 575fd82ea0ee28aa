// The 8-bit codes of all rows in the space of the graph: what builds the graph and its blocks.
//
// Threads: immutable after Make.
// Errors:  Make: those of ctx.Check(); kResourceExhausted.
#pragma once

#include <vector>

#include "ann/graph_space.h"
#include "ann/parallel.h"
#include "base/context.h"
#include "base/huge_arena.h"
#include "base/status.h"

namespace akidb {

class GraphCodes {
 public:
  static Result<GraphCodes> Make(OpContext& ctx, const VectorRows& rows, const GraphSpace& space,
                                 const GraphKernels& kernels, Parallel& parallel);

  CodeSlab slab() const {
    return {reinterpret_cast<const int8_t*>(codes_.data()), scales_.data(), norms_squared_.data(), dim_};
  }
  const int8_t* code(uint32_t row) const { return slab().codes + static_cast<size_t>(row) * dim_; }
  uint32_t row_count() const { return static_cast<uint32_t>(scales_.size()); }

 private:
  uint32_t dim_ = 0;
  HugeArena codes_;
  std::vector<float> scales_;
  std::vector<float> norms_squared_;
};

// One block a row, from the codes and kGraphDegree neighbours a row.
Result<HugeArena> MakeBlocks(OpContext& ctx, const GraphCodes& codes, std::span<const uint32_t> neighbours,
                             const GraphKernels& kernels, Parallel& parallel);
// Nodes at the origin whose edges are the entries.
Result<HugeArena> MakeEntryBlocks(const GraphCodes& codes, std::span<const uint32_t> entries,
                                  const GraphKernels& kernels);

// The sign codes of all rows, 32 rows a block.
Result<HugeArena> MakeSweepBlocks(OpContext& ctx, const GraphCodes& codes, const GraphKernels& kernels,
                                  Parallel& parallel);

// The three arrays of the compact layout.
struct CompactRows {
  CompactLayout layout;
  HugeArena edges;
  HugeArena signs;
  HugeArena codes;
  float code_step = 0;  // of the finer codes, on average

  uint64_t memory_bytes() const { return edges.size_bytes() + signs.size_bytes() + codes.size_bytes(); }
};
// The finer codes of all rows.
struct FinerRows {
  HugeArena nibbles;
  std::vector<float> norms_squared;

  uint64_t memory_bytes() const { return nibbles.size_bytes() + norms_squared.size() * sizeof(float); }
};
Result<FinerRows> MakeFinerRows(OpContext& ctx, const VectorRows& rows, const GraphSpace& space,
                                const GraphCodes& codes, const GraphKernels& kernels, Parallel& parallel);

Result<CompactRows> MakeCompactRows(OpContext& ctx, const GraphCodes& codes, std::span<const uint32_t> neighbours,
                                    uint32_t code_bits, const GraphKernels& kernels, Parallel& parallel);
// The sign codes of the entries, as blocks of a sweep.
Result<HugeArena> MakeCompactEntries(const GraphCodes& codes, std::span<const uint32_t> entries,
                                     const GraphKernels& kernels);

// Calls body(begin, end) for pieces of [0, count); stops early, and says why, when ctx does.
Status ForPieces(OpContext& ctx, Parallel& parallel, uint32_t count, uint32_t piece,
                 const std::function<void(uint32_t, uint32_t)>& body);

}  // namespace akidb
