#include "ann/graph_prune.h"

#include <algorithm>

#include "ann/graph_scratch.h"

namespace akidb {
namespace {

// Squared ratios: at the first level a candidate must be nearer to the row than to any chosen neighbour, at later ones
// it may be farther by the root of the level.
constexpr float kLevels[] = {1.0f, 1.25f, 1.7f};
constexpr float kLastLevel = kLevels[2];

}  // namespace

void GraphPruner::Take(size_t chosen, std::span<const int64_t> candidates) {
  taken_[chosen] = 1;
  ids_.clear();
  places_.clear();
  for (size_t i = chosen + 1; i < candidates.size(); ++i) {
    if (taken_[i] != 0 || cover_[i] > kLastLevel) continue;
    ids_.push_back(RowOfKey(candidates[i]));
    places_.push_back(static_cast<uint32_t>(i));
  }
  distances_.resize(ids_.size());
  kernels_.distances(slab_, RowOfKey(candidates[chosen]), ids_.data(), ids_.size(), distances_.data());
  for (size_t i = 0; i < ids_.size(); ++i) {
    const float to_row = DistanceOfKey(candidates[places_[i]]);
    // Equal vectors cover each other completely.
    const float ratio = distances_[i] > 0 ? to_row / distances_[i] : 1e30f;
    cover_[places_[i]] = std::max(cover_[places_[i]], ratio);
  }
}

void GraphPruner::Choose(uint32_t row, std::span<const int64_t> candidates, uint32_t* neighbours) {
  uint32_t count = 0;
  if (candidates.size() > kGraphDegree) {
    cover_.assign(candidates.size(), 0.0f);
    taken_.assign(candidates.size(), 0);
    for (const float level : kLevels) {
      for (size_t i = 0; i < candidates.size() && count < kGraphDegree; ++i) {
        if (taken_[i] != 0 || cover_[i] > level) continue;
        Take(i, candidates);
        neighbours[count++] = RowOfKey(candidates[i]);
      }
    }
    for (size_t i = 0; i < candidates.size() && count < kGraphDegree; ++i) {
      if (taken_[i] == 0) neighbours[count++] = RowOfKey(candidates[i]);
    }
  } else {
    for (const int64_t key : candidates) neighbours[count++] = RowOfKey(key);
  }
  while (count < kGraphDegree) neighbours[count++] = row;
}

}  // namespace akidb
