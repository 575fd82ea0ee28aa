// Which rows of a unit may be in an answer: live at the snapshot's LSN and matching the filter.
//
// Threads: one Eligibility, one thread.
// Errors:  those of payload reads and ctx.Check().
#pragma once

#include <memory>
#include <optional>

#include "ann/row_set.h"
#include "engine/snapshot.h"
#include "filter/filter.h"

namespace akidb {

class Eligibility {
 public:
  // `filter` may be null; both must outlive this.
  Eligibility(const Snapshot& snapshot, const Filter* filter);

  // Null when every row is eligible.
  Result<std::shared_ptr<const RowSet>> RowsOf(OpContext& ctx, const SearchUnit& unit);
  // For callers that go through the rows of one unit after the other and stop early.
  Result<bool> Matches(OpContext& ctx, const SearchUnit& unit, RowIndex row);

 private:
  // Evaluates id and payload of every row.
  Result<std::shared_ptr<const RowSet>> ScanAll(OpContext& ctx, const SearchUnit& unit);

  Lsn lsn_;
  const Filter* filter_;
  std::unique_ptr<FilterEvaluator> evaluator_;
  // What the columns of the unit that Matches was asked about last say.
  const SearchUnit* matched_unit_ = nullptr;
  std::optional<ColumnMatch> matched_;
};

}  // namespace akidb
