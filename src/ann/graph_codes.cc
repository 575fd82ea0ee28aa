#include "ann/graph_codes.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/check.h"

namespace akidb {
namespace {

constexpr uint32_t kPieceRows = 512;

}  // namespace

Status ForPieces(OpContext& ctx, Parallel& parallel, uint32_t count, uint32_t piece,
                 const std::function<void(uint32_t, uint32_t)>& body) {
  std::atomic<bool> stop = false;
  parallel.Run((static_cast<size_t>(count) + piece - 1) / piece, [&](size_t i) {
    if (stop.load(std::memory_order_relaxed)) return;
    if (!ctx.Check().ok()) {
      stop.store(true, std::memory_order_relaxed);
      return;
    }
    const auto begin = static_cast<uint32_t>(i * piece);
    body(begin, std::min(count, begin + piece));
  });
  return stop ? ctx.Check() : OkStatus();
}

Result<GraphCodes> GraphCodes::Make(OpContext& ctx, const VectorRows& rows, const GraphSpace& space,
                                    const GraphKernels& kernels, Parallel& parallel) {
  GraphCodes out;
  out.dim_ = space.dim();
  AKI_ASSIGN_OR_RETURN(out.codes_, HugeArena::Create(static_cast<size_t>(rows.row_count) * out.dim_ + 1));
  out.scales_.resize(rows.row_count);
  out.norms_squared_.resize(rows.row_count);
  auto* codes = reinterpret_cast<int8_t*>(out.codes_.data());
  AKI_RETURN_IF_ERROR(ForPieces(ctx, parallel, rows.row_count, kPieceRows, [&](uint32_t begin, uint32_t end) {
    std::vector<float> x(out.dim_);
    for (uint32_t row = begin; row < end; ++row) {
      space.TransformRow(rows, row, x.data());
      kernels.encode(x.data(), out.dim_, codes + static_cast<size_t>(row) * out.dim_, &out.scales_[row],
                     &out.norms_squared_[row]);
    }
  }));
  return out;
}

Result<HugeArena> MakeBlocks(OpContext& ctx, const GraphCodes& codes, std::span<const uint32_t> neighbours,
                             const GraphKernels& kernels, Parallel& parallel) {
  const CodeSlab slab = codes.slab();
  const size_t block_bytes = GraphLayout{slab.dim}.block_bytes();
  AKI_CHECK(neighbours.size() == size_t{codes.row_count()} * kGraphDegree);
  AKI_ASSIGN_OR_RETURN(HugeArena blocks, HugeArena::Create(block_bytes * codes.row_count()));
  AKI_RETURN_IF_ERROR(ForPieces(ctx, parallel, codes.row_count(), kPieceRows, [&](uint32_t begin, uint32_t end) {
    for (uint32_t row = begin; row < end; ++row) {
      kernels.encode_block(slab, codes.code(row), slab.scales[row], slab.norms_squared[row],
                           neighbours.data() + static_cast<size_t>(row) * kGraphDegree,
                           reinterpret_cast<uint8_t*>(blocks.data()) + row * block_bytes);
    }
  }));
  return blocks;
}

Result<HugeArena> MakeEntryBlocks(const GraphCodes& codes, std::span<const uint32_t> entries,
                                  const GraphKernels& kernels) {
  const CodeSlab slab = codes.slab();
  const size_t block_bytes = GraphLayout{slab.dim}.block_bytes();
  const size_t count = entries.size() / kGraphDegree;
  AKI_ASSIGN_OR_RETURN(HugeArena blocks, HugeArena::Create(block_bytes * count));
  const std::vector<int8_t> origin(slab.dim);
  for (size_t i = 0; i < count; ++i) {
    kernels.encode_block(slab, origin.data(), 0, 0, entries.data() + i * kGraphDegree,
                         reinterpret_cast<uint8_t*>(blocks.data()) + i * block_bytes);
  }
  return blocks;
}

Result<HugeArena> MakeSweepBlocks(OpContext& ctx, const GraphCodes& codes, const GraphKernels& kernels,
                                  Parallel& parallel) {
  const CodeSlab slab = codes.slab();
  const size_t block_bytes = SweepLayout{slab.dim}.block_bytes();
  const uint32_t count = (codes.row_count() + kGraphDegree - 1) / kGraphDegree;
  AKI_ASSIGN_OR_RETURN(HugeArena blocks, HugeArena::Create(block_bytes * count));
  const std::vector<int8_t> origin(slab.dim);
  AKI_RETURN_IF_ERROR(ForPieces(ctx, parallel, count, kPieceRows / kGraphDegree, [&](uint32_t begin, uint32_t end) {
    for (uint32_t at = begin; at < end; ++at) {
      uint32_t ids[kGraphDegree];
      // The places beyond the last row are never looked at.
      for (uint32_t j = 0; j < kGraphDegree; ++j) ids[j] = std::min(at * kGraphDegree + j, codes.row_count() - 1);
      kernels.encode_sweep_block(slab, origin.data(), ids,
                                 reinterpret_cast<uint8_t*>(blocks.data()) + at * block_bytes);
    }
  }));
  return blocks;
}

Result<CompactRows> MakeCompactRows(OpContext& ctx, const GraphCodes& codes, std::span<const uint32_t> neighbours,
                                    uint32_t code_bits, const GraphKernels& kernels, Parallel& parallel) {
  const CodeSlab slab = codes.slab();
  const size_t rows = codes.row_count();
  AKI_CHECK(neighbours.size() == rows * kGraphDegree);
  CompactRows out;
  out.layout = {slab.dim, code_bits};
  const CompactLayout layout = out.layout;
  AKI_ASSIGN_OR_RETURN(out.edges, HugeArena::Create(rows * layout.edge_bytes()));
  AKI_ASSIGN_OR_RETURN(out.signs, HugeArena::Create(rows * layout.sign_bytes()));
  AKI_ASSIGN_OR_RETURN(out.codes, HugeArena::Create(rows * layout.code_bytes()));
  std::memcpy(out.edges.data(), neighbours.data(), rows * layout.edge_bytes());
  auto* signs = reinterpret_cast<uint8_t*>(out.signs.data());
  auto* fine = reinterpret_cast<uint8_t*>(out.codes.data());
  AKI_RETURN_IF_ERROR(ForPieces(ctx, parallel, codes.row_count(), kPieceRows, [&](uint32_t begin, uint32_t end) {
    for (uint32_t row = begin; row < end; ++row) {
      kernels.encode_compact(slab, row, layout, signs + row * layout.sign_bytes(), fine + row * layout.code_bytes());
    }
  }));
  double steps = 0;
  for (size_t row = 0; row < rows; ++row) {
    SignTail tail;
    std::memcpy(&tail, signs + row * layout.sign_bytes() + layout.sign_tail(), sizeof tail);
    steps += tail.scale;
  }
  // Finer codes of five bits are odd numbers.
  out.code_step = static_cast<float>(steps / static_cast<double>(rows)) * (code_bits == 8 ? 1.0f : 2.0f);
  return out;
}

Result<FinerRows> MakeFinerRows(OpContext& ctx, const VectorRows& rows, const GraphSpace& space,
                                const GraphCodes& codes, const GraphKernels& kernels, Parallel& parallel) {
  const CodeSlab slab = codes.slab();
  const size_t row_bytes = slab.dim / 2;
  FinerRows out;
  AKI_ASSIGN_OR_RETURN(out.nibbles, HugeArena::Create(rows.row_count * row_bytes));
  out.norms_squared.resize(rows.row_count);
  auto* nibbles = reinterpret_cast<uint8_t*>(out.nibbles.data());
  AKI_RETURN_IF_ERROR(ForPieces(ctx, parallel, rows.row_count, kPieceRows, [&](uint32_t begin, uint32_t end) {
    std::vector<float> x(slab.dim);
    for (uint32_t row = begin; row < end; ++row) {
      space.TransformRow(rows, row, x.data());
      kernels.encode_finer(x.data(), slab.dim, codes.code(row), slab.scales[row], nibbles + row * row_bytes,
                           &out.norms_squared[row]);
    }
  }));
  return out;
}

Result<HugeArena> MakeCompactEntries(const GraphCodes& codes, std::span<const uint32_t> entries,
                                     const GraphKernels& kernels) {
  const CodeSlab slab = codes.slab();
  const size_t block_bytes = SweepLayout{slab.dim}.block_bytes();
  const size_t count = entries.size() / kGraphDegree;
  AKI_ASSIGN_OR_RETURN(HugeArena blocks, HugeArena::Create(block_bytes * count));
  const std::vector<int8_t> origin(slab.dim);
  for (size_t i = 0; i < count; ++i) {
    kernels.encode_sweep_block(slab, origin.data(), entries.data() + i * kGraphDegree,
                               reinterpret_cast<uint8_t*>(blocks.data()) + i * block_bytes);
  }
  return blocks;
}

}  // namespace akidb
