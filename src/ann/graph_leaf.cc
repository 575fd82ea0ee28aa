#include "ann/graph_leaf.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace akidb {
namespace {

template <class T>
T* Aligned(std::vector<T>& all) {
  return all.data() + (kGraphAlign - reinterpret_cast<uintptr_t>(all.data()) % kGraphAlign);
}

}  // namespace

void GraphLeaf::Fill(std::span<const uint32_t> rows, std::span<const uint32_t> ids) {
  const size_t dim = slab_.dim;
  codes_ = {.dim = slab_.dim, .count = static_cast<uint32_t>(rows.size())};
  const size_t padded = codes_.padded();
  tiles_.resize(std::max(tiles_.size(), padded * dim + kGraphAlign));
  room_.resize(kRowsAtOnce * dim + kGraphAlign);
  dots_.resize(std::max(dots_.size(), kRowsAtOnce * padded));
  ids_.assign(ids.begin(), ids.end());
  ids_.resize(padded, LeafSkip::kNoId);
  scales_.assign(padded, 0.0f);
  norms_squared_.assign(padded, std::numeric_limits<float>::infinity());
  sums_.assign(padded, 0);
  int8_t* tiles = Aligned(tiles_);
  for (size_t i = 0; i < padded; ++i) {
    // Beyond the last row its own code again: anything will do.
    const uint32_t row = rows[std::min(i, rows.size() - 1)];
    const int8_t* code = slab_.codes + size_t{row} * dim;
    int8_t* to = tiles + i / kTileColumns * kTileColumns * dim + i % kTileColumns * 4;
    for (size_t k = 0; k < dim; k += 4) std::memcpy(to + k * kTileColumns, code + k, 4);
    sums_[i] = kernels_.sum(code, slab_.dim);
    if (i >= rows.size()) continue;
    scales_[i] = slab_.scales[row];
    norms_squared_[i] = slab_.norms_squared[row];
  }
  codes_.tiles = tiles;
  codes_.ids = ids_.data();
  codes_.scales = scales_.data();
  codes_.norms_squared = norms_squared_.data();
  codes_.sums = sums_.data();
}

void GraphLeaf::MakeDots(const CodeSlab& slab, std::span<const uint32_t> others, size_t begin, LeafGap gap) {
  uint32_t rows[kRowsAtOnce];
  for (size_t i = 0; i < kRowsAtOnce; ++i) rows[i] = others[std::min(begin + i, others.size() - 1)];
  kernels_.leaf_dots(slab, rows, codes_, gap, Aligned(room_), dots_.data());
}

}  // namespace akidb
