#include "ann/graph_sources.h"

#include <algorithm>
#include <functional>

#include "base/check.h"

namespace akidb {
namespace {

// Where more rows are gone, what is left is bridges rather than neighbours.
constexpr double kGoneMax = 0.3;
// Up to here, neighbours of those that are gone make up for them.
constexpr double kGoneOfWhole = 0.05;
// Where fewer rows are known, searching for the others costs as much as building anew, in a graph that is worse.
constexpr double kKnownMin = 0.5;

}  // namespace

GraphSources::GraphSources(std::span<const GraphSource> sources, uint32_t row_count) : sources_(sources) {
  places_.resize(row_count);
  whole_.resize(sources.size());
  for (uint32_t s = 0; s < sources.size(); ++s) {
    const std::span<const RowIndex> rows = sources[s].rows;
    AKI_CHECK(rows.size() == sources[s].topology.row_count);
    const auto gone = static_cast<double>(std::ranges::count(rows, kNoRow));
    if (gone > kGoneMax * static_cast<double>(rows.size())) continue;
    whole_[s] = gone <= kGoneOfWhole * static_cast<double>(rows.size()) ? 1 : 0;
    for (uint32_t old = 0; old < rows.size(); ++old) {
      const RowIndex row = rows[old];
      if (row == kNoRow) continue;
      AKI_CHECK(row < row_count);
      known_count_ += places_[row].source == kNone ? 1 : 0;
      places_[row] = {s, old};
    }
  }
  if (known_count_ >= kKnownMin * row_count) return;
  known_count_ = 0;
  places_.clear();
}

std::vector<uint32_t> GraphSources::Groups() const {
  std::vector<uint32_t> out;
  for (const Place& place : places_) {
    if (place.source == kNone || whole_[place.source] == 0) return {};
    out.push_back(place.source);
  }
  const bool same = std::ranges::adjacent_find(out, std::not_equal_to<>()) == out.end();
  return same ? std::vector<uint32_t>() : out;
}

void GraphSources::AppendNeighbours(uint32_t row, std::vector<uint32_t>* out) const {
  if (!Knows(row)) return;
  const GraphSource& source = sources_[places_[row].source];
  const auto neighbours_of = [&](uint32_t old) {
    return std::span(source.topology.neighbours).subspan(size_t{old} * kGraphDegree, kGraphDegree);
  };
  for (const uint32_t old : neighbours_of(places_[row].row)) {
    if (source.rows[old] != kNoRow) {
      out->push_back(source.rows[old]);
      continue;
    }
    for (const uint32_t beyond : neighbours_of(old)) {
      if (source.rows[beyond] != kNoRow) out->push_back(source.rows[beyond]);
    }
  }
}

}  // namespace akidb
