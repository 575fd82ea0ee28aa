// Which of many near rows become a row's neighbours: those that no chosen neighbour is nearer to than the row itself
// (the rule of relative neighbourhood graphs), then, as every block has room for kGraphDegree, those that fail it by
// least, and at last simply the nearest.
//
// Threads: one at a time.
// Errors:  none.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ann/graph_kernels.h"

namespace akidb {

class GraphPruner {
 public:
  GraphPruner(const CodeSlab& slab, const GraphKernels& kernels) : slab_(slab), kernels_(kernels) {}

  // `candidates` are keys (distance to `row`, row number), ascending, each row once and `row` not among them. Writes
  // kGraphDegree neighbours; places for which there is no candidate get `row` itself.
  void Choose(uint32_t row, std::span<const int64_t> candidates, uint32_t* neighbours);

 private:
  void Take(size_t chosen, std::span<const int64_t> candidates);

  const CodeSlab slab_;
  const GraphKernels& kernels_;
  std::vector<float> cover_;  // of each candidate: how much nearer a chosen one is to it than the row is
  std::vector<uint8_t> taken_;
  std::vector<uint32_t> ids_;  // candidates whose cover the next choice may raise
  std::vector<uint32_t> places_;
  std::vector<float> distances_;
};

}  // namespace akidb
