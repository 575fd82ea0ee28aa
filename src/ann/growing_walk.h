// A best-first walk through a graph that grows meanwhile, and its memory.
//
// Threads: a GrowingScratch serves one walk at a time.
// Errors:  none.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "ann/graph_kernels.h"
#include "ann/graph_scratch.h"
#include "ann/growing_graph.h"

namespace akidb {

inline constexpr uint32_t kNoGrowingRow = std::numeric_limits<uint32_t>::max();

// The nearest keys (ann/graph_scratch.h) of those offered, ascending; some may be taken.
class NearestKeys {
 public:
  void Reset(uint32_t capacity) {
    keys_.clear();
    capacity_ = capacity;
    next_ = 0;
  }
  void Offer(int64_t key) {
    if (keys_.size() == capacity_) {
      if (capacity_ == 0 || key >= keys_.back()) return;
      keys_.pop_back();
    }
    const auto at = std::ranges::upper_bound(keys_, key);
    next_ = std::min(next_, static_cast<size_t>(at - keys_.begin()));
    keys_.insert(at, key);
  }
  // The nearest that was not taken, or kNoGrowingRow.
  uint32_t Take() {
    while (next_ < keys_.size()) {
      int64_t& key = keys_[next_++];
      if ((key & kTaken) != 0) continue;
      key |= kTaken;
      return RowOfKey(key);
    }
    return kNoGrowingRow;
  }
  // What Take would give if nothing came between.
  uint32_t Next() const {
    for (size_t i = next_; i < keys_.size(); ++i) {
      if ((keys_[i] & kTaken) == 0) return RowOfKey(keys_[i]);
    }
    return kNoGrowingRow;
  }
  const std::vector<int64_t>& keys() const { return keys_; }

 private:
  static constexpr int64_t kTaken = 1;

  std::vector<int64_t> keys_;
  uint32_t capacity_ = 0;
  size_t next_ = 0;
};

class GrowingScratch {
 public:
  GrowingScratch(uint32_t capacity, uint32_t dim)
      : dim_(dim),
        visited_(size_t{capacity} / 64 + 1),
        eligible_(size_t{capacity} / 64 + 1),
        lut_(size_t{dim} * 4 + kGraphAlign),
        levels_(dim + kGraphAlign),
        place_(dim) {}

  float* place() { return place_.data(); }
  // For the query whose place is in place().
  const GraphQuery& Prepare(const GraphKernels& kernels) {
    prepared_.lut = Aligned(lut_.data());
    prepared_.levels = Aligned(levels_.data());
    kernels.prepare(place_.data(), &prepared_, dim_);
    return prepared_;
  }
  // One bit a row of the graph's capacity: which may be results.
  std::vector<uint64_t>& eligible() { return eligible_; }

  const NearestKeys& pool() const { return pool_; }
  const NearestKeys& results() const { return results_; }

  // Fills pool() with the `ef` nearest of all rows that the walk comes to, and results() with the nearest of those
  // that are eligible. `score` writes the distances of rows: score(ids, count, out).
  template <class Score>
  void Walk(const GrowingGraph& graph, uint32_t ef, uint32_t results_capacity, const Score& score) {
    pool_.Reset(ef);
    results_.Reset(results_capacity);
    const auto look = [&](const uint32_t* ids, uint32_t count) {
      uint32_t fresh[GrowingGraph::kSlots];
      float distances[GrowingGraph::kSlots];
      uint32_t n = 0;
      for (uint32_t i = 0; i < count; ++i) {
        if (Visit(ids[i])) fresh[n++] = ids[i];
      }
      score(fresh, n, distances);
      for (uint32_t i = 0; i < n; ++i) {
        const int64_t key = KeyOfPair(distances[i], fresh[i]);
        pool_.Offer(key);
        if (results_capacity > 0 && (eligible_[fresh[i] / 64] >> (fresh[i] % 64) & 1) != 0) results_.Offer(key);
      }
    };
    uint32_t ids[GrowingGraph::kSlots];
    const uint32_t entries = graph.entry_count();
    for (uint32_t begin = 0; begin < entries; begin += GrowingGraph::kSlots) {
      const uint32_t n = std::min(entries - begin, GrowingGraph::kSlots);
      for (uint32_t i = 0; i < n; ++i) ids[i] = graph.Entry(begin + i);
      look(ids, n);
    }
    for (uint32_t row = pool_.Take(); row != kNoGrowingRow; row = pool_.Take()) {
      if (const uint32_t next = pool_.Next(); next != kNoGrowingRow) graph.AskForList(next);
      look(ids, graph.Neighbours(row, ids));
    }
    for (const uint32_t row : trail_) visited_[row / 64] = 0;
    trail_.clear();
  }

  uint64_t memory_bytes() const {
    return (visited_.size() + eligible_.size()) * 8 + trail_.capacity() * 4 + lut_.size() + levels_.size() * 2 +
           place_.size() * 4;
  }

 private:
  template <class T>
  static T* Aligned(T* p) {
    const uintptr_t beyond = reinterpret_cast<uintptr_t>(p) % kGraphAlign;
    return beyond == 0 ? p : p + (kGraphAlign - beyond) / sizeof(T);
  }
  // False if it was visited before.
  bool Visit(uint32_t row) {
    uint64_t& word = visited_[row / 64];
    const uint64_t bit = uint64_t{1} << (row % 64);
    if ((word & bit) != 0) return false;
    word |= bit;
    trail_.push_back(row);
    return true;
  }

  const uint32_t dim_;
  std::vector<uint64_t> visited_;
  std::vector<uint64_t> eligible_;
  std::vector<uint32_t> trail_;
  NearestKeys pool_;
  NearestKeys results_;
  std::vector<uint8_t> lut_;
  std::vector<int16_t> levels_;
  std::vector<float> place_;
  GraphQuery prepared_;
};

}  // namespace akidb
