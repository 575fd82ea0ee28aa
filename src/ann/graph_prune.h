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

#include "ann/graph_build_kernels.h"

namespace akidb {

class GraphPruner {
 public:
  GraphPruner(const CodeSlab& slab, const GraphBuildKernels& kernels);
  GraphPruner(const GraphPruner&) = delete;
  GraphPruner& operator=(const GraphPruner&) = delete;

  // `candidates` are keys (distance to `row`, row number), ascending, each row once and `row` not among them. Writes
  // the keys of neighbours and returns how many; there are kGraphDegree unless there are fewer candidates.
  uint32_t ChooseKeys(std::span<const int64_t> candidates, int64_t* chosen);
  // The same as row numbers; places for which there is no candidate get `row` itself.
  void Choose(uint32_t row, std::span<const int64_t> candidates, uint32_t* neighbours);

 private:
  bool IsCovered(size_t at, std::span<const int64_t> candidates, float level);

  const CodeSlab slab_;
  const GraphBuildKernels& kernels_;
  std::vector<int8_t> codes_;
  ChosenCodes chosen_;
  // Of each candidate. It is compared with chosen ones only until one covers it: at a later level, if there is one, it
  // goes on from there.
  struct Candidate {
    float least = 0;    // squared distance to the nearest of those it was compared with
    uint32_t seen = 0;  // how many those are, or kTaken
  };
  std::vector<Candidate> states_;
};

}  // namespace akidb
