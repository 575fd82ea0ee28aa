#include "ann/graph_prune.h"

#include <algorithm>
#include <array>
#include <limits>

#include "ann/ask_for.h"
#include "ann/graph_scratch.h"

namespace akidb {
namespace {

// Squared ratios: at the first level a candidate must be nearer to the row than to any chosen neighbour, at later ones
// it may be farther by the root of the level.
constexpr float kLevels[] = {1.0f, 1.25f, 1.7f};
constexpr float kInfinite = std::numeric_limits<float>::infinity();
constexpr float kNothing = 1e-30f;  // equal vectors cover each other, also where they are equal to the row
constexpr uint32_t kTaken = 0xffffffff;
constexpr size_t kCodesAhead = 4;

}  // namespace

GraphPruner::GraphPruner(const CodeSlab& slab, const GraphBuildKernels& kernels)
    : slab_(slab), kernels_(kernels), codes_(size_t{kGraphDegree + kChosenSlack} * slab.dim + kGraphAlign) {
  chosen_.dim = slab.dim;
  chosen_.codes = codes_.data() + (kGraphAlign - reinterpret_cast<uintptr_t>(codes_.data()) % kGraphAlign);
}

bool GraphPruner::IsCovered(size_t at, std::span<const int64_t> candidates, float level) {
  Candidate& state = states_[at];
  const float bound = std::max(DistanceOfKey(candidates[at]) / level, kNothing);
  if (state.least >= bound && state.seen < chosen_.count) {
    state.seen = kernels_.nearest_chosen(slab_, RowOfKey(candidates[at]), chosen_, state.seen, bound, &state.least);
  }
  return state.least < bound;
}

uint32_t GraphPruner::ChooseKeys(std::span<const int64_t> candidates, int64_t* chosen) {
  if (candidates.size() <= kGraphDegree) {
    std::ranges::copy(candidates, chosen);
    return static_cast<uint32_t>(candidates.size());
  }
  states_.assign(candidates.size(), {kInfinite, 0});
  chosen_.count = 0;
  std::ranges::fill(chosen_.norms_squared, kInfinite);
  const auto ask_for = [&](size_t at) {
    AskForLines(slab_.codes + size_t{RowOfKey(candidates[at])} * slab_.dim, slab_.dim);
  };
  for (const float level : kLevels) {
    const bool first = level == kLevels[0];
    for (size_t i = 0; i < candidates.size() && chosen_.count < kGraphDegree; ++i) {
      if (first && i + kCodesAhead < candidates.size()) ask_for(i + kCodesAhead);
      if (states_[i].seen == kTaken || IsCovered(i, candidates, level)) continue;
      states_[i].seen = kTaken;
      chosen[chosen_.count] = candidates[i];
      kernels_.choose(slab_, RowOfKey(candidates[i]), &chosen_);
    }
  }
  uint32_t count = chosen_.count;
  for (size_t i = 0; i < candidates.size() && count < kGraphDegree; ++i) {
    if (states_[i].seen != kTaken) chosen[count++] = candidates[i];
  }
  return count;
}

void GraphPruner::Choose(uint32_t row, std::span<const int64_t> candidates, uint32_t* neighbours) {
  std::array<int64_t, kGraphDegree> chosen;
  const uint32_t count = ChooseKeys(candidates, chosen.data());
  for (uint32_t i = 0; i < kGraphDegree; ++i) neighbours[i] = i < count ? RowOfKey(chosen[i]) : row;
}

}  // namespace akidb
