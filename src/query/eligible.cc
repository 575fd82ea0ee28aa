#include "query/eligible.h"

namespace akidb {
namespace {

bool Has(const RowBits& bits, RowIndex row) { return !bits.empty() && (bits[row / 64] >> row % 64 & 1) != 0; }

}  // namespace

Eligibility::Eligibility(const Snapshot& snapshot, const Filter* filter)
    : lsn_(snapshot.position().lsn), filter_(filter), evaluator_(filter ? FilterEvaluator::New(*filter) : nullptr) {}

Result<std::shared_ptr<const RowSet>> Eligibility::RowsOf(OpContext& ctx, const SearchUnit& unit) {
  const bool all_live = unit.AllLiveAt(lsn_);
  std::shared_ptr<RowSet> rows;
  if (!filter_) {
    if (all_live) return nullptr;
    rows = std::make_shared<RowSet>(unit.row_count(), true);
  } else {
    AKI_ASSIGN_OR_RETURN(auto matching, unit.Matching(ctx, *filter_));
    if (!matching) return ScanAll(ctx, unit);
    if (all_live) return matching;
    rows = std::make_shared<RowSet>(*matching);
  }
  unit.RemoveDead(lsn_, rows.get());
  return rows;
}

Result<std::shared_ptr<const RowSet>> Eligibility::ScanAll(OpContext& ctx, const SearchUnit& unit) {
  auto rows = std::make_shared<RowSet>(unit.row_count());
  if (!filter_->NeedsPayload()) {
    for (RowIndex row = 0; row < unit.row_count(); ++row) {
      if (unit.LiveAt(row, lsn_) && evaluator_->Matches(unit.Id(row), {})) rows->Add(row);
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
  if (matched_unit_ != &unit) {
    AKI_ASSIGN_OR_RETURN(matched_, unit.MatchColumns(ctx, *filter_));
    matched_unit_ = &unit;
  }
  if (matched_ && !Has(matched_->undecided, row)) return Has(matched_->matching, row);
  AKI_ASSIGN_OR_RETURN(const PayloadView payload, unit.Payload(ctx, row));
  return evaluator_->Matches(unit.Id(row), payload.json);
}

}  // namespace akidb
