// Scroll, count and point reads.
#include <algorithm>
#include <queue>

#include "query/eligible.h"
#include "query/result_rows.h"
#include "query/search.h"

namespace akidb {
namespace {

struct Place {
  std::string_view id;
  const SearchUnit* unit = nullptr;
  RowIndex row = 0;
  bool operator<(const Place& other) const { return id < other.id; }
};

// The `size` smallest ids offered; the greatest of them is on top.
class SmallestIds {
 public:
  explicit SmallestIds(size_t size) : size_(size) {}
  bool Wants(std::string_view id) const { return heap_.size() < size_ || id < heap_.top().id; }
  void Add(const Place& place) {
    heap_.push(place);
    if (heap_.size() > size_) heap_.pop();
  }
  std::vector<Place> Sorted() {
    std::vector<Place> out(heap_.size());
    for (size_t i = out.size(); i > 0; --i, heap_.pop()) out[i - 1] = heap_.top();
    return out;
  }

 private:
  size_t size_;
  std::priority_queue<Place> heap_;
};

RowIndex FirstAfter(const SearchUnit& unit, std::string_view after) {
  RowIndex low = 0;
  RowIndex high = unit.row_count();
  while (low < high) {
    const RowIndex middle = low + (high - low) / 2;
    if (unit.Id(middle) <= after) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

Status AddFrom(OpContext& ctx, const SearchUnit& unit, std::string_view after, Eligibility& eligibility,
               SmallestIds* smallest) {
  const bool sorted = unit.SortedById();
  for (RowIndex row = sorted ? FirstAfter(unit, after) : 0; row < unit.row_count(); ++row) {
    if (row % 1024 == 0) AKI_RETURN_IF_ERROR(ctx.Check());
    const std::string_view id = unit.Id(row);
    if (id <= after) continue;
    if (!smallest->Wants(id)) {
      if (sorted) return OkStatus();
      continue;
    }
    AKI_ASSIGN_OR_RETURN(const bool matches, eligibility.Matches(ctx, unit, row));
    if (matches) smallest->Add({id, &unit, row});
  }
  return OkStatus();
}

}  // namespace

Result<ScrollPage> Scroll(OpContext& ctx, const Snapshot& snapshot, const ScrollRequest& request) {
  Eligibility eligibility(snapshot, request.filter.get());
  SmallestIds smallest(static_cast<size_t>(request.limit) + 1);
  for (const auto& unit : snapshot.units())
    AKI_RETURN_IF_ERROR(AddFrom(ctx, *unit, request.after_id, eligibility, &smallest));
  std::vector<Place> places = smallest.Sorted();
  ScrollPage page;
  page.more = places.size() > request.limit;
  if (page.more) places.pop_back();
  std::vector<ResultPlace> shown;
  for (const Place& place : places) shown.push_back({place.unit, place.row});
  AKI_ASSIGN_OR_RETURN(page.rows, MakeResultRows(ctx, shown, request.payload, request.vectors));
  return page;
}

Result<uint64_t> Count(OpContext& ctx, const Snapshot& snapshot, const Filter* filter) {
  Eligibility eligibility(snapshot, filter);
  uint64_t count = 0;
  for (const auto& unit : snapshot.units()) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_ASSIGN_OR_RETURN(const auto rows, eligibility.RowsOf(ctx, *unit));
    count += rows ? rows->Count() : unit->row_count();
  }
  return count;
}

Result<std::vector<ResultRow>> GetRows(OpContext& ctx, const Snapshot& snapshot,
                                       const std::vector<std::string_view>& ids, Include payload, Include vectors) {
  std::vector<RowLocation> found;  // keeps the units alive
  std::vector<ResultPlace> places;
  for (const std::string_view id : ids) {
    auto location = snapshot.Find(id);
    if (!location) continue;
    places.push_back({location->unit.get(), location->row});
    found.push_back(std::move(*location));
  }
  return MakeResultRows(ctx, places, payload, vectors);
}

}  // namespace akidb
