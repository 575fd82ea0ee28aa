// Some rows laid out so that all of them are compared with others at the speed of the multiplier.
//
// Threads: one at a time.
// Errors:  none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "ann/graph_build_kernels.h"

namespace akidb {

// What a row is not compared with: the row of this id, and some that follow each other in the leaf.
struct LeafSkip {
  static constexpr uint32_t kNoId = 0xffffffff;

  uint32_t id = kNoId;
  LeafGap gap;
};

class GraphLeaf {
 public:
  GraphLeaf(const CodeSlab& slab, const GraphBuildKernels& kernels) : slab_(slab), kernels_(kernels) {}

  // Forgets what it held. Keys name row i as ids[i].
  void Fill(std::span<const uint32_t> rows, std::span<const uint32_t> ids);
  // Calls body(i, keys) for each of `others`, rows of `slab`: keys (distance, id), ascending, of the nearest kLeafKeys
  // of the leaf that are not beyond limit_of(i), without those that skipped_of(i) names.
  template <class Skipped, class Limit, class Body>
  void ForNearest(const CodeSlab& slab, std::span<const uint32_t> others, Skipped skipped_of, Limit limit_of,
                  Body body) {
    int64_t keys[kLeafKeys];
    for (size_t begin = 0; begin < others.size(); begin += kRowsAtOnce) {
      // Those that no row is compared with.
      LeafGap gap{0, codes_.count};
      for (size_t i = begin; i < others.size() && i < begin + kRowsAtOnce; ++i) {
        const LeafSkip skip = skipped_of(i);
        gap = {std::max(gap.begin, skip.gap.begin), std::min(gap.end, skip.gap.end)};
      }
      MakeDots(slab, others, begin, gap);
      for (size_t i = begin; i < others.size() && i < begin + kRowsAtOnce; ++i) {
        const LeafSkip skip = skipped_of(i);
        const uint32_t count = kernels_.leaf_nearest(slab, others[i], skip.id, limit_of(i), codes_, skip.gap,
                                                     dots_.data() + (i - begin) * codes_.padded(), keys);
        body(i, std::span<const int64_t>(keys, count));
      }
    }
  }

 private:
  // Of kRowsAtOnce rows from `begin` on; the last stands for those that are not there.
  void MakeDots(const CodeSlab& slab, std::span<const uint32_t> others, size_t begin, LeafGap gap);

  const CodeSlab slab_;
  const GraphBuildKernels& kernels_;
  LeafCodes codes_;
  std::vector<int8_t> tiles_;
  std::vector<uint32_t> ids_;
  std::vector<float> scales_;
  std::vector<float> norms_squared_;
  std::vector<int32_t> sums_;
  std::vector<int32_t> dots_;
  std::vector<uint8_t> room_;
};

}  // namespace akidb
