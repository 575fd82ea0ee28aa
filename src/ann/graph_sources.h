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
  // Of each row the number of the graph it was in, if near rows in there need not be looked for again. Nothing unless
  // that is so for all rows, and there are graphs whose rows do not know each other.
  std::vector<uint32_t> Groups() const;
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
  std::vector<Place> places_;   // of each new row; none if nothing is known of any
  std::vector<uint8_t> whole_;  // of each source: whether it lost hardly any row
  uint32_t known_count_ = 0;
};

}  // namespace akidb
