// A graph over 8-bit codes that grows row by row while it is searched: each row has a list of up to kSlots neighbours,
// whose places are stored one by one, so that a reader sees old and new ones mixed but never half a number.
//
// What a walk finds is a matter of luck with lists that change; what it may return is not: `linked` says which rows it
// can be expected to find, and whoever searches looks for all others himself (ann/growing_index.h).
//
// Threads:    Encode, Link, Unlink and Mend: one caller at a time. All const members: any thread, meanwhile.
// Errors:     Create: kResourceExhausted.
// Invariants: 1. A number that a reader can come to is that of an encoded row, whose code never changes again.
//             2. No list of a linked row names a row that is gone.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ann/ask_for.h"
#include "ann/graph_kernels.h"
#include "ann/graph_prune.h"
#include "base/huge_arena.h"
#include "base/status.h"

namespace akidb {

class GrowingScratch;

class GrowingGraph {
 public:
  // A list is cut to kGraphDegree when it is full, so that a row that is chosen by many is pruned now and then only.
  static constexpr uint32_t kSlots = 48;

  // `dim` is padded (graph_kernels.h). Memory is used as rows come.
  static Result<std::unique_ptr<GrowingGraph>> Create(uint32_t capacity, uint32_t dim, const GraphKernels& kernels);
  ~GrowingGraph();

  // Gives a row its code: once, before it is linked first. `place` has dim elements.
  void Encode(uint32_t row, const float* place);
  // Finds neighbours among the linked rows by a walk of beam `ef`. The row is encoded, and was never linked or is gone.
  void Link(uint32_t row, uint32_t ef);
  // The row is not to be found any more. Walks still lead through it until it is mended away.
  void Unlink(uint32_t row);
  // Looks at up to `rows_max` lists and replaces what they name of unlinked rows by neighbours of those. False once
  // all that were unlinked before the last round began are gone, so that they may be linked again.
  bool Mend(uint32_t rows_max, uint32_t ef);

  uint32_t capacity() const { return capacity_; }
  uint32_t dim() const { return slab_.dim; }
  const CodeSlab& slab() const { return slab_; }
  const GraphKernels& kernels() const { return kernels_; }
  uint32_t linked_count() const { return linked_count_.load(std::memory_order_acquire); }
  // Rows 64 * word and following that are linked.
  uint64_t LinkedWord(uint32_t word) const {
    return std::atomic_ref<uint64_t>(linked_[word]).load(std::memory_order_acquire);
  }
  // Of the codes so far, their mean step.
  float code_step() const { return code_step_.load(std::memory_order_relaxed); }
  uint64_t memory_bytes() const;

  uint32_t entry_count() const { return entry_count_.load(std::memory_order_acquire); }
  uint32_t Entry(uint32_t i) const { return entries_[i].load(std::memory_order_acquire); }
  // Writes up to kSlots numbers, returns how many.
  uint32_t Neighbours(uint32_t row, uint32_t* out) const;
  void AskForList(uint32_t row) const { AskForLines(lists_ + size_t{row} * kSlots, kSlots * sizeof(uint32_t)); }

 private:
  enum class State : uint8_t { kNew, kAbsent, kLinked, kUnlinked };  // kAbsent: encoded, in no linked row's list
  static constexpr uint32_t kEntriesMax = 512;

  GrowingGraph(uint32_t capacity, uint32_t dim, const GraphKernels& kernels, HugeArena arena);

  bool IsLinked(uint32_t row) const { return states_[row] == State::kLinked; }
  uint32_t* List(uint32_t row) { return lists_ + size_t{row} * kSlots; }
  void Fill(uint32_t row, std::span<const uint32_t> neighbours);
  // Lets `row` be a neighbour of `of`, if it is near enough or nobody else's.
  void Offer(uint32_t of, uint32_t row);
  // The new list of `row`: `chosen`, and those of `considered` that would be nobody's neighbour otherwise.
  void Replace(uint32_t row, std::span<const uint32_t> chosen, std::span<const uint32_t> considered);
  // From ids_, in any order and with repetitions, to the nearest keys_.
  void MakeKeys(uint32_t row);
  void FindNear(uint32_t row, uint32_t ef);
  void MakeEntry(uint32_t row);
  void MendList(uint32_t row, uint32_t ef);
  void ForgetUnlinked();

  const uint32_t capacity_;
  const GraphKernels& kernels_;
  const HugeArena arena_;
  // Parts of the arena.
  int8_t* codes_;
  uint32_t* lists_;
  float* scales_;
  float* norms_squared_;
  uint64_t* linked_;     // bitmap
  uint16_t* chosen_by_;  // how many lists name the row
  State* states_;
  const CodeSlab slab_;

  std::atomic<uint32_t> linked_count_{0};
  std::atomic<uint32_t> entry_count_{0};
  std::atomic<uint32_t> entries_[kEntriesMax] = {};
  std::atomic<uint32_t> rows_end_{0};  // beyond the last row encoded
  std::atomic<float> code_step_{0};

  // The writer's.
  GraphPruner pruner_;
  std::unique_ptr<GrowingScratch> scratch_;
  double steps_ = 0;
  uint32_t encoded_ = 0;
  uint32_t mend_next_ = 0;
  std::vector<uint32_t> unlinked_;  // since the round of mending began
  std::vector<uint32_t> leaving_;   // before
  std::vector<uint32_t> ids_;
  std::vector<float> distances_;
  std::vector<int64_t> keys_;
  std::vector<uint32_t> next_;
};

}  // namespace akidb
