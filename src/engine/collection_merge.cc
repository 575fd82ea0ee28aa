// Merging segments: fewer, larger ones, without the rows that were deleted. Built without any lock held; committed only
// if every input is still what it was.
#include <algorithm>
#include <bit>
#include <map>
#include <queue>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "engine/collection_impl.h"

namespace akidb {
namespace {

// Rows of several open segments, in order of id.
template <class Origin>
class MergedSource final : public SegmentSource {
 public:
  MergedSource(const std::vector<std::shared_ptr<SegmentUnit>>& inputs, const std::vector<Origin>& origins)
      : inputs_(inputs), origins_(origins) {}
  uint32_t row_count() const override { return static_cast<uint32_t>(origins_.size()); }
  Result<std::string_view> Id(OpContext&, RowIndex row) override { return Input(row).Id(origins_[row].row); }
  Result<std::string_view> Vector(OpContext&, RowIndex row) override {
    const VectorRows& vectors = Input(row).vectors();
    return std::string_view(reinterpret_cast<const char*>(vectors.Row(origins_[row].row)),
                            vectors.dim * ElementBytes(vectors.type));
  }
  float Scale(RowIndex row) override { return Input(row).vectors().scales[origins_[row].row]; }
  Result<std::string_view> Payload(OpContext& ctx, RowIndex row) override {
    AKI_RETURN_IF_ERROR(row % 1024 == 0 ? ctx.Check() : OkStatus());
    AKI_ASSIGN_OR_RETURN(payload_, Input(row).Payload(ctx, origins_[row].row));
    return payload_.json;
  }
  Lsn lsn_max() const override {
    Lsn newest;
    for (const auto& input : inputs_) newest = std::max(newest, input->newest_lsn());
    return newest;
  }

 private:
  const SegmentUnit& Input(RowIndex row) { return *inputs_[origins_[row].input]; }
  const std::vector<std::shared_ptr<SegmentUnit>>& inputs_;
  const std::vector<Origin>& origins_;
  PayloadView payload_;
};

// What the indexes of the inputs know of the rows of the product; where one was merged again before it had its index,
// what it was to be built from. Small beside an index, which need not be kept for it.
template <class Origin>
std::vector<IndexSource> IndexSources(const std::vector<std::shared_ptr<SegmentUnit>>& inputs,
                                      const std::vector<Origin>& origins) {
  std::vector<std::vector<RowIndex>> places;
  for (const auto& input : inputs) places.emplace_back(input->row_count(), kNoRow);
  for (RowIndex row = 0; row < origins.size(); ++row) places[origins[row].input][origins[row].row] = row;
  std::vector<IndexSource> out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto slot = inputs[i]->shared().index;
    if (const VectorIndex* index = slot->get()) {
      out.push_back({std::string(index->kind()), index->Encode(), std::move(places[i])});
      continue;
    }
    const auto inherited = slot->inherited();
    if (!inherited) continue;
    for (IndexSource source : *inherited) {
      for (RowIndex& row : source.rows) row = row == kNoRow ? kNoRow : places[i][row];
      out.push_back(std::move(source));
    }
  }
  return out;
}

uint64_t BytesOf(const SegmentUnit& unit) { return unit.entry().object.size_bytes; }

// Up to where deletes are in segments that `manifest` names.
Lsn PublishedBy(const Manifest& manifest) {
  Lsn published;
  for (const EpochEntry& epoch : manifest.open_epochs) published = std::max(published, epoch.watermark);
  return published;
}

}  // namespace

Result<std::vector<std::shared_ptr<SegmentUnit>>> CollectionImpl::PickMerge(MergeScope scope) {
  const auto current = view();
  std::vector<std::shared_ptr<SegmentUnit>> picked;
  if (scope == MergeScope::kFull) {
    // A clone's own segments need its source no more.
    const bool dirty = std::ranges::any_of(current->segments, [](const auto& unit) {
      return unit->marks().count() > 0 || unit->entry().object.owner != CollectionId();
    });
    if (current->segments.size() > 1 || dirty) picked = current->segments;
    return picked;
  }
  for (const auto& unit : current->segments) {
    const auto published = FindSegment(committer_.head()->manifest.segments, unit->id());
    const uint32_t dead = published == committer_.head()->manifest.segments.end() ? 0 : published->deleted_count;
    if (dead > 0 && dead >= deps_.options.merge_deleted_ratio * unit->row_count()) return std::vector{unit};
  }
  // Size classes grow by the fan-out, so that a row is rewritten once a class: O(log n) times in its life.
  // An unverified product must stay what its inputs wait for.
  const auto settled = [](const auto& unit) { return unit->verified() || !unit->merged(); };
  const int class_bits = std::max(1, static_cast<int>(std::bit_width(deps_.options.merge_fanout)) - 1);
  std::map<int, std::vector<std::shared_ptr<SegmentUnit>>> classes;
  for (const auto& unit : current->segments) {
    const int size_class = static_cast<int>(std::bit_width(BytesOf(*unit))) / class_bits;
    if (settled(unit)) classes[size_class].push_back(unit);
  }
  for (auto& [size_class, units] : classes) {
    if (units.size() < deps_.options.merge_fanout) continue;
    uint64_t bytes = 0;
    for (auto& unit : units) {
      bytes += BytesOf(*unit);
      if (bytes > deps_.options.segment_bytes_max) break;
      picked.push_back(unit);
    }
    if (picked.size() > 1) return picked;
    picked.clear();
  }
  return picked;
}

Result<bool> CollectionImpl::MergeStep(OpContext& ctx, MergeScope scope) {
  MergeJob job;
  {
    MutexLock lock(maintenance_mutex_);
    if (merging_ || superseded()) return false;
    // On a shared store only a write makes a node the writer; elsewhere there is nobody to take it from.
    if (!epoch_taken_ && deps_.options.shared_store) return false;
    AKI_RETURN_IF_ERROR(SettleMerge(ctx));
    {
      MutexLock write(write_mutex_);
      if (dropped_) return false;
    }
    AKI_ASSIGN_OR_RETURN(job.inputs, PickMerge(scope));
    if (job.inputs.empty()) return false;
    AKI_RETURN_IF_ERROR(EnsureEpochLocked(ctx));
    job.start = committer_.head()->manifest.version;
    job.revert_generation = committer_.head()->manifest.revert_generation;
    // Only rows whose deletion is published are left out, so that no reader of the new manifest misses a row whose
    // replacement it cannot see yet.
    job.watermark = std::max(PublishedBy(committer_.head()->manifest), manifest_lsn());
    {
      // The head may be of a flush whose outcome was not known, and whose rows this node does not show yet.
      MutexLock state(state_mutex_);
      job.watermark = std::min(job.watermark, VisibleLsn());
    }
    merging_ = true;
  }
  Status status = BuildMerge(ctx, &job);
  MutexLock lock(maintenance_mutex_);
  merging_ = false;
  merge_done_.NotifyAll();
  {
    MutexLock write(write_mutex_);
    if (dropped_) return false;
  }
  if (status.ok()) status = PrepareMergeCommit(ctx, &job);
  if (status.ok()) {
    unsettled_merge_ = std::move(job);
    status = SettleMerge(ctx);
  }
  if (!status.ok()) {
    sweep_due_ = true;  // what it uploaded is the collector's
    return std::unexpected(std::move(status));
  }
  return true;
}

Status CollectionImpl::SettleMerge(OpContext& ctx) {
  AKI_RETURN_IF_ERROR(SettleRevert(ctx));
  if (!unsettled_merge_) return OkStatus();
  Status status = CommitMerge(ctx, &*unsettled_merge_);
  if (status.ok() || status.effect() == Effect::kNone) unsettled_merge_.reset();
  return status;
}

Status CollectionImpl::Merge(OpContext& ctx, MergeScope scope) {
  AKI_RETURN_IF_ERROR(Flush(ctx));
  while (true) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    {
      MutexLock lock(maintenance_mutex_);
      while (merging_) merge_done_.Wait(maintenance_mutex_);
    }
    AKI_ASSIGN_OR_RETURN(const bool merged, MergeStep(ctx, scope));
    if (!merged || scope == MergeScope::kFull) return OkStatus();
  }
}

Status CollectionImpl::BuildMerge(OpContext& ctx, MergeJob* job) {
  using Cursor = std::pair<std::string_view, uint32_t>;  // id, input
  std::priority_queue<Cursor, std::vector<Cursor>, std::greater<>> cursors;
  std::vector<RowIndex> next(job->inputs.size(), 0);
  const auto advance = [&](uint32_t input) {
    const SegmentUnit& unit = *job->inputs[input];
    RowIndex& row = next[input];
    while (row < unit.row_count() && !unit.marks().LiveAt(row, job->watermark)) ++row;
    if (row < unit.row_count()) cursors.push({unit.Id(row), input});
  };
  for (uint32_t input = 0; input < job->inputs.size(); ++input) advance(input);
  while (!cursors.empty()) {
    const uint32_t input = cursors.top().second;
    cursors.pop();
    // One id can be in two inputs when the older row is deleted, but not yet in a published manifest.
    const bool twin = !job->origins.empty() && job->inputs[job->origins.back().input]->Id(job->origins.back().row) ==
                                                   job->inputs[input]->Id(next[input]);
    if (twin) return Aborted("id is live in two segments until the next flush; merge later");
    job->origins.push_back({input, next[input]++});
    advance(input);
  }
  if (job->origins.empty()) return OkStatus();
  const OpGroup::Member member(until_dropped_, ctx);
  MergedSource<MergeJob::Origin> source(job->inputs, job->origins);
  AKI_ASSIGN_OR_RETURN(NewSegment written, WriteNewSegment(ctx, job->start, source));
  job->segment = std::move(written.entry);
  job->unit = std::move(written.unit);
  if (spec().index.kind != IndexKind::kFlat) {
    job->unit->shared().index->Inherit(IndexSources(job->inputs, job->origins));
  }
  return OkStatus();
}

Status CollectionImpl::PrepareMergeCommit(OpContext& ctx, MergeJob* job) {
  if (!job->segment) return OkStatus();
  // Deletes that a flush published while the merge was built go along; later ones are in the log.
  const Lsn published = std::max(job->watermark, PublishedBy(committer_.head()->manifest));
  job->published = published;
  std::vector<RowIndex> deleted_since;
  for (RowIndex row = 0; row < job->unit->row_count(); ++row) {
    const MergeJob::Origin& origin = job->origins[row];
    if (!job->inputs[origin.input]->marks().LiveAt(origin.row, published)) deleted_since.push_back(row);
  }
  if (deleted_since.empty()) return OkStatus();
  AKI_ASSIGN_OR_RETURN(job->segment->deletes, PutDeletes(ctx, *job->unit, deleted_since, job->start));
  job->segment->deleted_count = static_cast<uint32_t>(deleted_since.size());
  return OkStatus();
}

Status CollectionImpl::CommitMerge(OpContext& ctx, MergeJob* job) {
  const Epoch epoch(epoch_.load());
  bool deleted_meanwhile = false;
  const auto edit = [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    const auto named = [&](const std::string& id) { return FindSegment(manifest->segments, id); };
    const auto gone = [&](const auto& input) { return named(input->id()) == manifest->segments.end(); };
    if (job->segment && named(job->segment->object.id) != manifest->segments.end())
      return ManifestCommitter::Edited::kAlreadyThere;
    if (manifest->epoch != epoch || manifest->revert_generation != job->revert_generation) {
      return std::unexpected(Aborted("the collection changed hands or was reverted while segments were merged"));
    }
    if (job->start < manifest->gc_boundary)
      return std::unexpected(Aborted("the collector's boundary passed the objects of this merge"));
    // Nothing else takes segments away from an epoch and revert generation, but flushes that found no row left: this
    // very commit did, or has nothing left to do.
    if (!job->segment && std::ranges::all_of(job->inputs, gone)) return ManifestCommitter::Edited::kAlreadyThere;
    // A flush whose outcome was not known is in this manifest after all, and what it deletes from the inputs would be
    // lost with them.
    if (job->segment && PublishedBy(*manifest) > job->published) {
      deleted_meanwhile = true;
      return std::unexpected(Aborted("a flush deleted rows of the segments that were merged"));
    }
    for (const auto& input : job->inputs) {
      if (!gone(input)) {
        manifest->segments.erase(named(input->id()));
        continue;
      }
      // A flush took it out with its last row, which the product has as a deleted one.
      const bool emptied = input->marks().RowsDeletedAt(job->published).size() == input->row_count();
      if (job->segment && !emptied) return std::unexpected(Aborted("an input of the merge is gone"));
    }
    if (job->segment) manifest->segments.push_back(*job->segment);
    return ManifestCommitter::Edited::kChanged;
  };
  auto committed = committer_.Commit(ctx, edit);
  while (!committed && std::exchange(deleted_meanwhile, false)) {
    AKI_RETURN_IF_ERROR(PrepareMergeCommit(ctx, job));
    committed = committer_.Commit(ctx, edit);
  }
  if (!committed) return std::move(committed).error();
  const auto head = std::move(*committed);
  history_.NoteHead(head);
  MutexLock write(write_mutex_);
  auto next = std::make_shared<View>(*view());
  next->version = head->manifest.version;
  std::erase_if(next->segments, [&](const auto& u) { return std::ranges::find(job->inputs, u) != job->inputs.end(); });
  if (const auto& unit = job->unit) {
    for (RowIndex row = 0; row < unit->row_count(); ++row) {
      const MergeJob::Origin& origin = job->origins[row];
      const Lsn deleted_at = job->inputs[origin.input]->marks().DeletedAt(origin.row);
      if (deleted_at != Lsn::Max()) unit->marks().Mark(row, deleted_at);
    }
    unit->set_merged();
    next->segments.push_back(unit);
  }
  const auto unsettled = [](const auto& u) { return u->merged() && !u->verified(); };
  // What such an input replaced now waits for this product: its grace starts again.
  if (std::ranges::any_of(job->inputs, unsettled)) garbage_since_.clear();
  sweep_due_ = true;
  Log(LogLevel::kInfo, "merged",
      {{"collection", id_.value()},
       {"version", head->manifest.version.value()},
       {"inputs", job->inputs.size()},
       {"rows", job->origins.size()}});
  MutexLock state(state_mutex_);
  view_ = std::move(next);
  return OkStatus();
}

}  // namespace akidb
