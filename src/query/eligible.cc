#include "query/eligible.h"

namespace akidb {

Eligibility::Eligibility(const Snapshot& snapshot, const Filter* filter)
    : lsn_(snapshot.position().lsn), filter_(filter), evaluator_(filter ? FilterEvaluator::New(*filter) : nullptr) {}

Result<std::unique_ptr<RowSet>> Eligibility::RowsOf(OpContext& ctx, const SearchUnit& unit) {
  if (!filter_ && unit.AllLiveAt(lsn_)) return nullptr;
  auto rows = std::make_unique<RowSet>(unit.row_count());
  if (!filter_ || !filter_->NeedsPayload()) {
    for (RowIndex row = 0; row < unit.row_count(); ++row) {
      if (!unit.LiveAt(row, lsn_)) continue;
      if (!evaluator_ || evaluator_->Matches(unit.Id(row), {})) rows->Add(row);
    }
    return rows;
  }
  AKI_RETURN_IF_ERROR(unit.ScanPayloads(ctx, [&](RowIndex row, std::string_view payload) {
    if (unit.LiveAt(row, lsn_) && evaluator_->Matches(unit.Id(row), payload)) rows->Add(row);
    return row % 4096 == 0 ? ctx.Check() : OkStatus();
  }));
  return rows;
}

Result<bool> Eligibility::Matches(OpContext& ctx, const SearchUnit& unit, RowIndex row) {
  if (!unit.LiveAt(row, lsn_)) return false;
  if (!filter_) return true;
  if (!filter_->NeedsPayload()) return evaluator_->Matches(unit.Id(row), {});
  AKI_ASSIGN_OR_RETURN(const PayloadView payload, unit.Payload(ctx, row));
  return evaluator_->Matches(unit.Id(row), payload.json);
}

}  // namespace akidb
