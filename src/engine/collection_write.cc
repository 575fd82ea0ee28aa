// Writes: validate, decide under the write lock, log, apply. Nothing here waits for the disk.
#include <algorithm>

#include "base/check.h"
#include "base/coding.h"
#include "engine/collection_impl.h"
#include "engine/merge_patch.h"

namespace akidb {
namespace {

// Later than every LSN a record can have, earlier than "never deleted".
constexpr Lsn kLatest(Lsn::Max().value() - 1);
constexpr size_t kDeleteRecordBytesMax = 32u << 20;

}  // namespace

Status CollectionImpl::CheckWritable(uint64_t bytes) {
  if (dropped_) return NotFound("collection was dropped").WithReason("collection_dropped");
  if (superseded()) return NotTheWriter();
  if (home_changing_) {
    return Unavailable("what acknowledges writes of collection " + std::to_string(id_.value()) +
                       " is being changed; nothing was done, retry")
        .WithReason("home_changing");
  }
  const uint64_t unflushed = deps_.growing_bytes();
  if (unflushed + bytes > deps_.options.limits.unflushed_bytes_max) {
    deps_.wake_flush();
    return ResourceExhausted("unflushed writes have reached " + std::to_string(unflushed) + " bytes, the limit is " +
                             std::to_string(deps_.options.limits.unflushed_bytes_max) + "; retry when they are flushed")
        .WithReason("unflushed_full");
  }
  return bound_.load(std::memory_order_acquire) ? CheckAtRisk(bytes) : OkStatus();
}

GrowingRows& CollectionImpl::Active() {
  auto current = view();
  if (current->active) return *current->active;
  auto next = std::make_shared<View>(*current);
  const CollectionSpec current_spec = spec();
  GrowingIndexing indexing{.scans_per_row = deps_.options.growing_scans_per_row, .bytes = deps_.growing_index_bytes};
  if (current_spec.index.kind != IndexKind::kFlat) indexing.rows_min = deps_.options.index_rows_min;
  next->active = std::make_shared<GrowingRows>(current_spec, std::move(indexing));
  GrowingRows& active = *next->active;
  MutexLock lock(state_mutex_);
  view_ = std::move(next);
  return active;
}

std::optional<RowLocation> CollectionImpl::FindLatest(const View& view, std::string_view id) {
  if (view.active) {
    if (const auto row = view.active->FindLatest(id)) return view.active->UnitOf(*row);
  }
  for (const auto& rows : view.sealed) {
    if (const auto row = rows->FindLatest(id)) return rows->UnitOf(*row);
  }
  for (const auto& unit : view.segments) {
    if (const auto row = unit->FindLatest(id)) return RowLocation{unit, *row};
  }
  return std::nullopt;
}

bool CollectionImpl::Exists(const View& view, std::string_view id) {
  return (view.active && view.active->FindLatest(id)) ||
         std::ranges::any_of(view.sealed, [&](const auto& rows) { return rows->FindLatest(id).has_value(); }) ||
         std::ranges::any_of(view.segments, [&](const auto& unit) { return unit->FindLatest(id).has_value(); });
}

bool CollectionImpl::RemoveLatest(const View& view, std::string_view id, Lsn lsn) {
  const auto remove_from = [&](GrowingRows& rows) {
    const auto row = rows.FindLatest(id);
    if (row) rows.MarkDeleted(*row, lsn);
    return row.has_value();
  };
  if (view.active && remove_from(*view.active)) return true;
  for (const auto& rows : view.sealed) {
    if (remove_from(*rows)) return true;
  }
  for (const auto& unit : view.segments) {
    if (const auto row = unit->FindLatest(id)) {
      unit->marks().Mark(*row, lsn);
      return true;
    }
  }
  return false;
}

void CollectionImpl::NoteApplied(Lsn lsn) {
  if (batch_first_lsn_.value() == 0) {
    batch_first_lsn_ = lsn;
    batch_since_ = deps_.env.clock->Now();
    if (bound_.load(std::memory_order_acquire)) {
      MutexLock lock(committed_mutex_);
      unpublished_since_.emplace_back(lsn, batch_since_);
    }
    deps_.wake_flush();
  }
  applied_lsn_.store(lsn.value(), std::memory_order_release);
}

void CollectionImpl::ApplyUpsert(const ColumnBatch& batch, Lsn lsn) {
  GrowingRows& active = Active();
  const auto current = view();
  const uint64_t before = active.memory_bytes();
  const size_t vector_bytes = batch.dim * ElementBytes(batch.type);
  uint64_t replaced = 0;
  for (size_t i = 0; i < batch.ids.size(); ++i) {
    if (RemoveLatest(*current, batch.ids[i], lsn)) ++replaced;
    GrowingRows::NewRow row;
    row.id = batch.ids[i];
    row.vector = reinterpret_cast<const std::byte*>(batch.vectors.data()) + i * vector_bytes;
    if (!batch.scales.empty()) row.scale = GetLe<float>(batch.scales.data() + i * sizeof(float));
    row.payload = batch.payloads[i];
    active.Append(row, lsn);
  }
  live_rows_.fetch_add(batch.ids.size() - replaced, std::memory_order_relaxed);
  const uint64_t grown = active.memory_bytes() - before;
  own_unflushed_bytes_.fetch_add(grown, std::memory_order_relaxed);
  deps_.unflushed_bytes.fetch_add(grown, std::memory_order_relaxed);
  if (bound_.load(std::memory_order_acquire)) deps_.at_risk_bytes.fetch_add(grown, std::memory_order_relaxed);
  NoteApplied(lsn);
  if (active.memory_bytes() >= deps_.options.seal_bytes) deps_.wake_flush();
}

void CollectionImpl::ApplyDelete(const std::vector<std::string_view>& ids, Lsn lsn) {
  const auto current = view();
  uint64_t removed = 0;
  for (const std::string_view id : ids) {
    if (RemoveLatest(*current, id, lsn)) ++removed;
  }
  live_rows_.fetch_sub(removed, std::memory_order_relaxed);
  NoteApplied(lsn);
}

WriteReceipt CollectionImpl::Receipt(Lsn lsn, uint64_t affected) {
  WriteReceipt receipt;
  receipt.position = {Epoch(epoch_.load(std::memory_order_relaxed)), view()->version, lsn};
  receipt.affected = affected;
  return receipt;
}

Result<WriteReceipt> CollectionImpl::LogAndApply(OpContext& ctx, const ColumnBatch& batch) {
  if (batch.ids.empty()) return LogAndDelete(ctx, {});
  const std::string body = EncodeColumns(batch);
  AKI_RETURN_IF_ERROR(CheckWritable(body.size()));
  AKI_ASSIGN_OR_RETURN(const Lsn lsn, log()->Append(ctx, WalRecordType::kUpsert, body));
  ApplyUpsert(batch, lsn);
  return Receipt(lsn, batch.ids.size());
}

Result<WriteReceipt> CollectionImpl::LogAndDelete(OpContext& ctx, const std::vector<std::string_view>& ids) {
  // Where another process may have taken the collection over, or dropped it, what changes nothing is logged too: the
  // rows that it found nothing among are those that count only if the log still takes a record.
  if (ids.empty() && !deps_.options.shared_store) return Receipt(Lsn(applied_lsn_.load(std::memory_order_relaxed)), 0);
  const std::string body = EncodeIdList(ids);
  if (body.size() > kDeleteRecordBytesMax) {
    return std::unexpected(
        ResourceExhausted("the delete names " + std::to_string(ids.size()) + " ids in " + std::to_string(body.size()) +
                          " bytes, the limit of one atomic delete is " + std::to_string(kDeleteRecordBytesMax))
            .WithReason("delete_too_large")
            .WithRetry(Retry::kNever));
  }
  AKI_RETURN_IF_ERROR(CheckWritable(body.size()));
  AKI_ASSIGN_OR_RETURN(const Lsn lsn, log()->Append(ctx, WalRecordType::kDelete, body));
  ApplyDelete(ids, lsn);
  return Receipt(lsn, ids.size());
}

Result<WriteReceipt> CollectionImpl::Write(OpContext& ctx, const WriteRows& rows, WriteMode mode, BatchPolicy policy) {
  std::vector<RowError> errors;
  AKI_ASSIGN_OR_RETURN(StorableRows storable, ValidateRows(rows, spec(), deps_.options.limits, policy, &errors));
  AKI_RETURN_IF_ERROR(EnsureEpoch(ctx));
  MutexLock lock(write_mutex_);
  if (dropped_) return std::unexpected(CheckWritable(0));
  if (mode != WriteMode::kUpsert) {
    const auto current = view();
    std::vector<size_t> keep;
    for (size_t i = 0; i < storable.batch.ids.size(); ++i) {
      const std::string_view id = storable.batch.ids[i];
      const bool exists = Exists(*current, id);
      if (exists == (mode == WriteMode::kUpdate)) {
        keep.push_back(i);
        continue;
      }
      const size_t index = storable.request_index[i];
      Status status = exists ? AlreadyExists("id " + std::string(id) + " already exists").WithReason("id_exists")
                             : NotFound("id " + std::string(id) + " does not exist").WithReason("id_not_found");
      status = std::move(status).Annotate("vectors[" + std::to_string(index) + "]");
      if (policy == BatchPolicy::kAllOrNothing) return std::unexpected(std::move(status));
      errors.push_back({index, std::move(status)});
    }
    if (keep.size() != storable.batch.ids.size()) storable.Keep(keep);
  }
  AKI_ASSIGN_OR_RETURN(WriteReceipt receipt, LogAndApply(ctx, storable.batch));
  std::ranges::sort(errors, {}, &RowError::index);
  receipt.errors = std::move(errors);
  return receipt;
}

Result<WriteReceipt> CollectionImpl::DeleteIds(OpContext& ctx, const std::vector<std::string_view>& ids) {
  if (ids.size() > deps_.options.limits.vectors_per_request_max) {
    return std::unexpected(InvalidArgument("ids has " + std::to_string(ids.size()) + " entries, the limit is " +
                                           std::to_string(deps_.options.limits.vectors_per_request_max))
                               .WithReason("too_many_ids"));
  }
  AKI_RETURN_IF_ERROR(EnsureEpoch(ctx));
  MutexLock lock(write_mutex_);
  if (dropped_) return std::unexpected(CheckWritable(0));
  const auto current = view();
  std::vector<std::string_view> present;
  for (const std::string_view id : ids) {
    if (Exists(*current, id)) present.push_back(id);
  }
  std::ranges::sort(present);
  present.erase(std::ranges::unique(present).begin(), present.end());
  return LogAndDelete(ctx, present);
}

Result<WriteReceipt> CollectionImpl::DeleteMatching(OpContext& ctx, const Filter& filter) {
  AKI_RETURN_IF_ERROR(EnsureEpoch(ctx));
  auto evaluator = FilterEvaluator::New(filter);
  const auto collect = [&](const SearchUnit& unit, Lsn lsn, std::vector<std::string>* out) -> Status {
    AKI_ASSIGN_OR_RETURN(const auto matching, unit.Matching(ctx, filter));
    for (RowIndex row = 0; matching && row < unit.row_count(); ++row) {
      if (matching->Contains(row) && unit.LiveAt(row, lsn)) out->emplace_back(unit.Id(row));
    }
    if (matching) return OkStatus();
    return unit.ScanPayloads(ctx, [&](RowIndex row, std::string_view payload) {
      if (unit.LiveAt(row, lsn) && evaluator->Matches(unit.Id(row), payload)) out->emplace_back(unit.Id(row));
      return OkStatus();
    });
  };
  // Most of the work happens outside the lock, on what is visible now ...
  const uint64_t reverts = reverts_.load(std::memory_order_acquire);
  AKI_ASSIGN_OR_RETURN(const auto before, Read(ctx));
  const Lsn seen = before->position().lsn;
  std::vector<std::string> matched;
  for (const auto& unit : before->units()) AKI_RETURN_IF_ERROR(collect(*unit, seen, &matched));
  // ... and under it only what was inserted since, so that the delete is one point in the order of writes.
  MutexLock lock(write_mutex_);
  if (dropped_) return std::unexpected(CheckWritable(0));
  if (reverts_.load(std::memory_order_relaxed) != reverts)
    return std::unexpected(Aborted("the collection was reverted while rows were matched"));
  const auto current = view();
  std::vector<std::string> ids;
  for (std::string& id : matched) {
    const auto location = FindLatest(*current, id);
    if (location && location->unit->newest_lsn() <= seen) ids.push_back(std::move(id));
  }
  std::vector<std::shared_ptr<const SearchUnit>> units(current->segments.begin(), current->segments.end());
  for (const auto& rows : current->sealed) rows->AddUnits(&units);
  if (current->active) current->active->AddUnits(&units);
  for (const auto& unit : units) {
    if (unit->newest_lsn() > seen) AKI_RETURN_IF_ERROR(collect(*unit, kLatest, &ids));
  }
  std::ranges::sort(ids);
  const std::vector<std::string_view> views(ids.begin(), ids.end());
  return LogAndDelete(ctx, views);
}

Result<WriteReceipt> CollectionImpl::MergePayload(OpContext& ctx, std::string_view id, std::string_view patch) {
  AKI_RETURN_IF_ERROR(ValidateId(id, deps_.options.limits));
  AKI_RETURN_IF_ERROR(EnsureEpoch(ctx));
  MutexLock lock(write_mutex_);
  if (dropped_) return std::unexpected(CheckWritable(0));
  const auto location = FindLatest(*view(), id);
  if (!location)
    return std::unexpected(NotFound("id " + std::string(id) + " does not exist").WithReason("id_not_found"));
  AKI_ASSIGN_OR_RETURN(const PayloadView payload, location->unit->Payload(ctx, location->row));
  AKI_ASSIGN_OR_RETURN(const std::string merged, ApplyMergePatch(payload.json, patch, deps_.options.limits));
  const VectorRows& vectors = location->unit->vectors();
  ColumnBatch batch;
  batch.type = vectors.type;
  batch.dim = vectors.dim;
  batch.ids.push_back(id);
  batch.vectors = {reinterpret_cast<const char*>(vectors.Row(location->row)), vectors.dim * ElementBytes(vectors.type)};
  if (vectors.scales) batch.scales = {reinterpret_cast<const char*>(&vectors.scales[location->row]), sizeof(float)};
  batch.payloads.push_back(merged);
  return LogAndApply(ctx, batch);
}

}  // namespace akidb
