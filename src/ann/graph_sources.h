// What older graphs that had some of the rows know of them: who is near whom. A graph that is made of them need not
// look for all of that again.
//
// Threads: immutable after construction.
// Errors:  none: a graph that is of no use is left out.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ann/graph_topology.h"
#include "base/ids.h"

namespace akidb {

// The number, in the new graph, of a row that is not there.
inline constexpr RowIndex kNoRow = 0xffffffff;

struct GraphSource {
  GraphTopology topology;
  std::span<const RowIndex> rows;  // of each of its rows the number in the new graph, or kNoRow
};

class GraphSources {
 public:
  GraphSources() = default;
  // Borrows `sources`. Leaves out those of which too many rows are gone, and, unless what remains knows most rows, all.
  GraphSources(std::span<const GraphSource> sources, uint32_t row_count);

  uint32_t known_count() const { return known_count_; }
  bool Knows(uint32_t row) const { return !places_.empty() && places_[row].source != kNone; }
  // Appends the neighbours of `row` in its old graph, if it was in one; those of neighbours that are gone stand for
  // them. Some may come twice, and `row` itself may.
  void AppendNeighbours(uint32_t row, std::vector<uint32_t>* out) const;

 private:
  static constexpr uint32_t kNone = 0xffffffff;
  struct Place {
    uint32_t source = kNone;
    uint32_t row = 0;
  };

  std::span<const GraphSource> sources_;
  std::vector<Place> places_;  // of each new row; none if nothing is known of any
  uint32_t known_count_ = 0;
};

}  // namespace akidb
