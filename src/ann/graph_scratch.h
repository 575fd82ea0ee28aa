// The memory of one walk, made once and used again: nothing is allocated while a query runs.
//
// Threads: a GraphScratch serves one walk at a time; ScratchPool is thread-safe.
// Errors:  none.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "ann/graph_kernels.h"
#include "base/mutex.h"

namespace akidb {

class GraphScratch {
 public:
  GraphScratch(uint32_t row_count, uint32_t dim)
      : dim_(dim),
        visited_(row_count / 32 + 1),
        trail_(row_count),
        lut_(static_cast<size_t>(dim) * 4 + 64),
        levels_(dim + 32),
        sign_levels_(dim + 64),
        query_(dim) {}

  // Room for the rotated query, dim elements.
  float* query() { return query_.data(); }

  // A walk for the query in query(), with an empty pool; End must follow. Blocks and entries are for the caller to set.
  GraphWalk Begin(const GraphKernels& kernels, uint32_t pool_capacity, uint32_t result_capacity) {
    if (pool_.size() < size_t{pool_capacity} + kKeySlack) pool_.resize(size_t{pool_capacity} + kKeySlack);
    if (results_.size() < size_t{result_capacity} + kKeySlack) results_.resize(size_t{result_capacity} + kKeySlack);
    prepared_.lut = Aligned(lut_.data());
    prepared_.levels = reinterpret_cast<int16_t*>(Aligned(reinterpret_cast<uint8_t*>(levels_.data())));
    kernels.prepare(query_.data(), &prepared_, dim_);
    GraphWalk walk;
    walk.layout = {dim_};
    walk.query = &prepared_;
    walk.pool = pool_.data();
    walk.pool_capacity = pool_capacity;
    walk.results = results_.data();
    walk.result_capacity = result_capacity;
    walk.visited = visited_.data();
    walk.trail = trail_.data();
    return walk;
  }
  // After Begin, for walks that look at rows of signs.
  void PrepareSigns(const GraphKernels& kernels) {
    prepared_.sign_levels = Aligned(sign_levels_.data());
    kernels.prepare_signs(&prepared_, dim_);
  }
  // Lets the walk remember the eligible rows that it sees, `room` and all its entries at once.
  void KeepMatches(const std::vector<uint64_t>& eligible, uint32_t room, GraphWalk* walk) {
    const size_t all = size_t{room} + walk->entry_block_count * kGraphDegree;
    if (matches_.size() < all) matches_.resize(all);
    unmatched_.resize(eligible.size() * 2);
    std::memcpy(unmatched_.data(), eligible.data(), eligible.size() * sizeof(uint64_t));
    walk->matches = matches_.data();
    walk->match_room = static_cast<uint32_t>(all);
    walk->match_bound = std::numeric_limits<float>::infinity();
    walk->unmatched = unmatched_.data();
  }
  // A walk never comes to a row that it thinks it has visited.
  void Hide(uint32_t row, GraphWalk* walk) {
    visited_[row / 32] |= 1u << (row % 32);
    trail_[walk->trail_size++] = row;
  }
  // Forgets what the walk visited: a few writes instead of a clean-up of all rows.
  void End(const GraphWalk& walk) {
    for (uint32_t i = 0; i < walk.trail_size; ++i) visited_[trail_[i] / 32] = 0;
  }

  uint64_t memory_bytes() const {
    return (visited_.size() + unmatched_.size() + trail_.size()) * 4 + lut_.size() + levels_.size() * 2 +
           sign_levels_.size() + query_.size() * 4 + (pool_.size() + results_.size() + matches_.size()) * 8;
  }

 private:
  static uint8_t* Aligned(uint8_t* p) {
    return p + (kGraphAlign - reinterpret_cast<uintptr_t>(p) % kGraphAlign) % kGraphAlign;
  }

  uint32_t dim_;
  std::vector<uint32_t> visited_;
  std::vector<uint32_t> trail_;
  std::vector<uint8_t> lut_;
  std::vector<int16_t> levels_;
  std::vector<uint8_t> sign_levels_;
  std::vector<float> query_;
  std::vector<int64_t> pool_;
  std::vector<int64_t> results_;
  std::vector<int64_t> matches_;
  std::vector<uint32_t> unmatched_;
  GraphQuery prepared_;
};

// As many scratches as there were walks at once.
class ScratchPool {
 public:
  ScratchPool(uint32_t row_count, uint32_t dim) : row_count_(row_count), dim_(dim) {}

  class Lease {
   public:
    explicit Lease(ScratchPool& pool) : pool_(pool), scratch_(pool.Take()) {}
    ~Lease() { pool_.Return(std::move(scratch_)); }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    GraphScratch* operator->() const { return scratch_.get(); }
    GraphScratch& operator*() const { return *scratch_; }

   private:
    ScratchPool& pool_;
    std::unique_ptr<GraphScratch> scratch_;
  };

  uint64_t memory_bytes() {
    const MutexLock lock(mutex_);
    uint64_t out = 0;
    for (const auto& scratch : idle_) out += scratch->memory_bytes();
    return out;
  }

 private:
  std::unique_ptr<GraphScratch> Take() {
    {
      const MutexLock lock(mutex_);
      if (!idle_.empty()) {
        std::unique_ptr<GraphScratch> out = std::move(idle_.back());
        idle_.pop_back();
        return out;
      }
    }
    return std::make_unique<GraphScratch>(row_count_, dim_);
  }
  void Return(std::unique_ptr<GraphScratch> scratch) {
    const MutexLock lock(mutex_);
    idle_.push_back(std::move(scratch));
  }

  const uint32_t row_count_;
  const uint32_t dim_;
  Mutex mutex_;
  std::vector<std::unique_ptr<GraphScratch>> idle_ AKI_GUARDED_BY(mutex_);
};

// The parts of a key in pool or results (ann/graph_kernels.h).
inline uint32_t RowOfKey(int64_t key) { return static_cast<uint32_t>(key) >> 1; }
inline float DistanceOfKey(int64_t key) {
  const auto ordered = static_cast<int32_t>(key >> 32);
  return std::bit_cast<float>(ordered ^ (ordered >> 31 & 0x7fffffff));
}
// For distances that are not negative.
inline int64_t KeyOfPair(float distance, uint32_t row) {
  return static_cast<int64_t>(static_cast<uint64_t>(std::bit_cast<uint32_t>(distance)) << 32 | uint64_t{row} << 1);
}

}  // namespace akidb
