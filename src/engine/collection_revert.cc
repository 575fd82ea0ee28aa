// Reverting: a new version that names the segments of an old one. History is not rewritten, and the epochs and
// watermarks stay the current ones, so that no record that was reverted is ever replayed.
#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "engine/collection_impl.h"

namespace akidb {

Result<ManifestVersion> CollectionImpl::Revert(OpContext& ctx, const ReadPoint& point) {
  const SealHold hold(*this);  // or there would always be something under way
  while (true) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    AKI_RETURN_IF_ERROR(EnsureEpoch(ctx));
    AKI_RETURN_IF_ERROR(Flush(ctx));
    MutexLock lock(maintenance_mutex_);
    AKI_RETURN_IF_ERROR(SettleMerge(ctx));
    {
      MutexLock write(write_mutex_);
      if (dropped_) return std::unexpected(CheckWritable(0));
    }
    if (flushing()) continue;  // sealed meanwhile: what it deletes belongs to segments of before the revert
    AKI_RETURN_IF_ERROR(EnsureEpochLocked(ctx));
    const Manifest& current = committer_.head()->manifest;
    RevertJob job;
    AKI_ASSIGN_OR_RETURN(job.version, Resolve(ctx, current, point));
    AKI_ASSIGN_OR_RETURN(const auto target, LoadUnchanged(ctx, job.version));
    job.revert_generation = current.revert_generation;
    job.base = target->manifest.base;
    job.segments = target->manifest.segments;
    // Opened before anything names them again: a version that cannot be read is no place to go back to.
    AKI_ASSIGN_OR_RETURN(job.units, OpenUnits(ctx, job.segments));
    const ManifestVersion version = job.version;
    unsettled_revert_ = std::move(job);
    AKI_RETURN_IF_ERROR(SettleRevert(ctx));
    const ManifestVersion reverted = committer_.head()->manifest.version;
    Log(LogLevel::kInfo, "reverted",
        {{"collection", id_.value()}, {"to", version.value()}, {"version", reverted.value()}});
    return reverted;
  }
}

// Finishes a revert whose commit had an unknown outcome: until then the view may differ from the manifest.
Status CollectionImpl::SettleRevert(OpContext& ctx) {
  if (!unsettled_revert_) return OkStatus();
  auto committed = CommitRevert(ctx, *unsettled_revert_);
  if (!committed) {
    Status status = std::move(committed).error();
    if (status.effect() == Effect::kNone) unsettled_revert_.reset();
    return status;
  }
  auto units = std::move(unsettled_revert_->units);
  if ((*committed)->manifest.segments != unsettled_revert_->segments) {
    // Another committer was faster than this settlement.
    auto opened = OpenUnits(ctx, (*committed)->manifest.segments);
    if (!opened) return std::move(opened).error();
    units = std::move(*opened);
  }
  unsettled_revert_.reset();
  SwapToReverted(**committed, std::move(units));
  return OkStatus();
}

Result<std::shared_ptr<const ManifestHead>> CollectionImpl::CommitRevert(OpContext& ctx, const RevertJob& job) {
  const Epoch epoch(epoch_.load());
  return committer_.Commit(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    AKI_RETURN_IF_ERROR(CheckWriter(*manifest));
    // Only the writer reverts, and only one at a time.
    if (manifest->revert_generation > job.revert_generation) return ManifestCommitter::Edited::kAlreadyThere;
    if (manifest->dropped) return std::unexpected(NotFound("collection was dropped").WithReason("collection_dropped"));
    AKI_RETURN_IF_ERROR(CheckKept(*manifest, job.version));
    // All that older epochs left was replayed and then published by the flush above: closed here, so that nothing of
    // before the revert can come back.
    const auto own = std::ranges::find(manifest->open_epochs, epoch, &EpochEntry::epoch);
    AKI_CHECK(own != manifest->open_epochs.end());
    EpochEntry open = *own;
    for (const EpochEntry& entry : manifest->open_epochs) open.watermark = std::max(open.watermark, entry.watermark);
    manifest->open_epochs = {open};
    manifest->revert_generation = job.revert_generation + 1;
    manifest->base = job.base;
    manifest->segments = job.segments;
    return ManifestCommitter::Edited::kChanged;
  });
}

void CollectionImpl::SwapToReverted(const ManifestHead& head, std::vector<std::shared_ptr<SegmentUnit>> units) {
  history_.NoteHead(committer_.head());
  const auto& epochs = head.manifest.open_epochs;
  const auto own = std::ranges::find(epochs, Epoch(epoch_.load()), &EpochEntry::epoch);
  const Lsn published = own == epochs.end() ? Lsn(0) : own->watermark;

  MutexLock write(write_mutex_);
  const auto old = view();
  // What was written since the seal comes after the revert, as it would in a replay: each of those writes takes away
  // the row that now stands under its id.
  std::vector<std::pair<Lsn, std::string_view>> later;
  for (const auto& unit : old->segments) {
    for (const RowIndex row : unit->marks().RowsDeletedAt(Lsn(Lsn::Max().value() - 1))) {
      if (unit->marks().DeletedAt(row) > published) later.emplace_back(unit->marks().DeletedAt(row), unit->Id(row));
    }
  }
  uint64_t live = 0;
  const auto add_growing = [&](const GrowingRows& rows) {
    for (RowIndex row = 0; row < rows.row_count(); ++row) {
      later.emplace_back(rows.InsertedAt(row), rows.Id(row));
      if (rows.DeletedAt(row) == Lsn::Max()) ++live;
    }
  };
  for (const auto& rows : old->sealed) add_growing(*rows);
  if (old->active) add_growing(*old->active);
  std::ranges::sort(later);
  for (const auto& [lsn, id] : later) {
    for (const auto& unit : units) {
      if (const auto row = unit->FindLatest(id)) unit->marks().Mark(*row, lsn);
    }
  }
  for (const auto& unit : units) live += unit->row_count() - unit->marks().count();
  for (const auto& unit : old->segments) {
    const auto same = std::ranges::find(units, unit->id(), [](const auto& u) { return u->id(); });
    if (same != units.end() && unit->verified()) (*same)->set_verified();
  }

  auto next = std::make_shared<View>(*old);
  next->segments = std::move(units);
  next->version = head.manifest.version;
  live_rows_ = live;
  reverts_.fetch_add(1, std::memory_order_release);
  sweep_due_ = true;
  garbage_since_.clear();
  MutexLock state(state_mutex_);
  view_ = std::move(next);
}

}  // namespace akidb
