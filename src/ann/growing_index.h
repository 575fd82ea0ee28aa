// The index of rows that are still being appended: a graph over the first of them, made in steps that lag behind, and
// an exact scan of the others. A view of the first n rows is searched like any other index (ann/vector_index.h).
//
// What an answer may hold never depends on the graph: rows that it has linked are looked for by a walk, every other
// eligible row of the view is scanned, and a walk that found too few gives way to a scan of all.
//
// Threads: Advance, Remove, Restore and Mend: one caller at a time. Search, and whatever is const: any thread,
//          meanwhile. Rows below `published` must not change any more, and be visible to the caller of Advance.
// Errors:  Advance, Mend: those of ctx.Check(); kResourceExhausted. Search: those of ctx.Check().
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "ann/graph_space.h"
#include "ann/growing_beams.h"
#include "ann/growing_graph.h"
#include "ann/growing_walk.h"
#include "ann/row_set.h"
#include "ann/vector_index.h"
#include "base/context.h"
#include "base/mutex.h"
#include "simd/kernels.h"

namespace akidb {

struct GrowingOptions {
  uint32_t rows_min = 10'000;  // fewer are scanned
  // Searches must have scanned so many rows for each row that is linked: nothing is spent where nobody searches, and
  // about as much as searches cost where they do. 0: rows are linked in any case.
  uint32_t scans_per_row = 0;
  uint32_t ef_construction = 64;
  uint64_t seed = 1;
};

class GrowingIndex {
 public:
  // `rows` has room for row_count rows; the memory is borrowed.
  GrowingIndex(const VectorRows& rows, Distance distance, const GrowingOptions& options,
               const KernelSet& kernels = Kernels());
  ~GrowingIndex();

  // Links up to `rows_max` more of the first `published` rows, without those for which `skip` says so: they are scanned
  // by whoever has them. Returns how many rows were looked at.
  Result<uint32_t> Advance(OpContext& ctx, uint32_t published, uint32_t rows_max,
                           const std::function<bool(RowIndex)>& skip = nullptr);
  // Takes a linked row out of the graph: views that have it scan it from now on.
  void Remove(RowIndex row);
  // Links a row again that Remove took out, once Mend returned false.
  void Restore(RowIndex row);
  // Mends up to `rows_max` lists; true if there is more to do.
  Result<bool> Mend(OpContext& ctx, uint32_t rows_max);

  // Searches the first `row_count` rows, which were published. Borrows this.
  std::unique_ptr<VectorIndex> View(uint32_t row_count) const;
  Status Search(OpContext& ctx, uint32_t row_count, const IndexQuery& query, std::vector<Candidate>* out) const;

  bool IsLinked(RowIndex row) const;
  uint32_t linked_count() const;
  uint32_t next_row() const { return next_row_; }  // the first that Advance has not looked at; for its caller
  // Rows that searches have scanned for want of a graph.
  uint64_t scanned_rows() const { return scanned_rows_.load(std::memory_order_relaxed); }
  // Beyond the rows themselves.
  uint64_t memory_bytes() const;

 private:
  friend class GrowingBeamMeter;
  // Made when there are rows enough to know their mean and spread.
  struct Body {
    GraphSpace space;
    std::unique_ptr<GrowingGraph> graph;
  };
  class Lease;
  // What a search wants of a walk, and what came of it.
  struct Walk {
    uint32_t pool = 0;
    uint32_t wanted = 0;
    bool filtered = false;
    uint32_t near = 0;  // eligible rows nearer than the farthest of the pool
    float reach = 0;    // distance of the tenth nearest of the pool, squared
  };

  const Body* body() const { return ready_.load(std::memory_order_acquire); }
  VectorRows First(uint32_t row_count) const;
  Status MakeBody(uint32_t published);
  // Splits what is eligible: scratch gets the linked rows, `rest` the words of the others; returns how many are linked.
  uint32_t Split(const GrowingGraph& graph, uint32_t row_count, const RowSet* eligible, GrowingScratch& scratch,
                 std::vector<uint64_t>* rest) const;
  void FindNear(const Body& body, std::span<const float> query, GrowingScratch& scratch, Walk* walk) const;
  // Appends the exactly scored results of the walk.
  void Rescore(const Body& body, std::span<const float> query, const GrowingScratch& scratch, uint32_t wanted,
               std::vector<Candidate>* out) const;
  void KeepBest(uint32_t wanted, std::vector<Candidate>* out) const;
  Status Scan(OpContext& ctx, const VectorRows& rows, uint32_t matches, const IndexQuery& query,
              std::vector<Candidate>* out) const;
  bool WalkIsCheaper(const GrowingGraph& graph, uint32_t pool, uint32_t linked) const;
  uint32_t PoolSize(const GrowingGraph& graph, uint32_t ef, uint32_t wanted, uint32_t linked) const;

  const VectorRows rows_;
  const Distance distance_;
  const GrowingOptions options_;
  const KernelSet& kernel_set_;
  const GraphKernels& kernels_;

  std::unique_ptr<Body> body_;
  std::atomic<const Body*> ready_{nullptr};
  GrowingBeams beams_;
  mutable std::atomic<uint64_t> scanned_rows_{0};

  // Of the one that changes it.
  uint32_t next_row_ = 0;
  uint32_t measure_at_ = 0;  // linked rows
  std::vector<float> place_;

  mutable Mutex scratches_mutex_;
  mutable std::vector<std::unique_ptr<GrowingScratch>> scratches_ AKI_GUARDED_BY(scratches_mutex_);
};

}  // namespace akidb
