// Which rows of a unit may be in an answer: live at the snapshot's LSN and matching the filter.
//
// Threads: one Eligibility, one thread.
// Errors:  those of payload reads and ctx.Check().
#pragma once

#include <functional>
#include <memory>

#include "ann/row_set.h"
#include "engine/snapshot.h"
#include "filter/filter.h"

namespace akidb {

class Eligibility {
 public:
  // `filter` may be null; both must outlive this.
  Eligibility(const Snapshot& snapshot, const Filter* filter);

  // Null when every row is eligible.
  Result<std::unique_ptr<RowSet>> RowsOf(OpContext& ctx, const SearchUnit& unit);
  Result<bool> Matches(OpContext& ctx, const SearchUnit& unit, RowIndex row);

 private:
  Lsn lsn_;
  const Filter* filter_;
  std::unique_ptr<FilterEvaluator> evaluator_;
};

}  // namespace akidb
