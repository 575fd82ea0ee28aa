// Indexes of segments. A segment is published without one and scanned; a step of its own builds the index, stores it,
// and lets a later manifest name it; and measures it again with queries, once enough were seen. Losing an index costs a
// new build and no row. One index is worked on at a time.
#include <algorithm>

#include "ann/index_kinds.h"
#include "base/hash.h"
#include "base/log.h"
#include "engine/collection_impl.h"
#include "format/index_object.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

Parallel& ParallelOf(const EngineOptions& options) {
  static Serial serial;
  return options.index_parallel ? *options.index_parallel : serial;
}

}  // namespace

// What serves searches soonest comes first: opening, then building the largest; storing keeps nobody waiting, and
// measuring can be done again.
std::optional<CollectionImpl::IndexJob> CollectionImpl::PickIndexJob() {
  const Manifest& manifest = committer_.head()->manifest;
  const IndexSpec wanted = spec().index;
  const bool writes = epoch_taken_.load(std::memory_order_acquire) || !deps_.options.shared_store;
  std::optional<IndexJob> picked;
  for (const auto& unit : view()->segments) {
    const auto entry = FindSegment(manifest.segments, unit->id());
    // Nobody searches what is not open.
    if (!unit->ready() || entry == manifest.segments.end()) continue;
    const bool stored = entry->index && !unreadable_indexes_.contains(entry->index->id);
    std::optional<IndexJob::Work> work;
    if (unit->indexed()) {
      const IndexSlot& slot = *unit->shared().index;
      if (!stored && writes) {
        work = IndexJob::Work::kStore;
      } else if (slot.ToMeasureWith(*seen_)) {
        work = IndexJob::Work::kMeasure;
      } else if (writes && slot.IsOutdated(entry->index->id)) {
        work = IndexJob::Work::kStore;
      }
    } else if (stored) {
      work = IndexJob::Work::kOpen;
    } else if (writes && wanted.kind != IndexKind::kFlat && unit->row_count() >= deps_.options.index_rows_min) {
      work = IndexJob::Work::kBuild;
    }
    if (!work) continue;
    const bool better =
        !picked || *work < picked->work || (*work == picked->work && unit->row_count() > picked->unit->row_count());
    if (better) picked = IndexJob{*work, unit, *entry, wanted};
  }
  return picked;
}

Result<bool> CollectionImpl::IndexStep(OpContext& ctx) {
  std::optional<IndexJob> job;
  {
    MutexLock lock(maintenance_mutex_);
    if (indexing_ || superseded()) return false;
    {
      MutexLock write(write_mutex_);
      if (dropped_) return false;
    }
    job = PickIndexJob();
    if (!job) return false;
    if (job->work == IndexJob::Work::kBuild || job->work == IndexJob::Work::kStore) {
      AKI_RETURN_IF_ERROR(EnsureEpochLocked(ctx));
    }
    if (job->work != IndexJob::Work::kOpen) {
      // What is about to be merged away is not worth an index.
      AKI_ASSIGN_OR_RETURN(const auto merging, PickMerge(MergeScope::kPolicy));
      if (merging_ || !merging.empty()) return false;
    }
    job->start = committer_.head()->manifest.version;
    indexing_ = true;
  }
  Status status;
  const OpGroup::Member member(until_dropped_, ctx);
  switch (job->work) {
    case IndexJob::Work::kOpen: status = OpenStoredIndex(ctx, *job); break;
    case IndexJob::Work::kBuild: status = BuildSegmentIndex(ctx, *job); break;
    case IndexJob::Work::kMeasure: status = MeasureIndex(ctx, *job->unit); break;
    case IndexJob::Work::kStore: status = StoreIndex(ctx, *job); break;
  }
  MutexLock lock(maintenance_mutex_);
  indexing_ = false;
  if (!status.ok()) return std::unexpected(std::move(status));
  return true;
}

Status CollectionImpl::OpenStoredIndex(OpContext& ctx, const IndexJob& job) {
  const std::string key = IndexKeyOf(id_, *job.entry.index);
  const auto open = [&]() -> Result<std::unique_ptr<VectorIndex>> {
    AKI_ASSIGN_OR_RETURN(const ObjectBody body, deps_.store->Get(ctx, key, kIndexObjectBytesMax));
    AKI_ASSIGN_OR_RETURN(const std::string_view stored,
                         DecodeIndexObject(body.bytes, job.unit->id(), job.entry.index_kind, job.unit->row_count()));
    const auto reader = job.unit->shared().reader;
    return OpenIndex(ctx, job.entry.index_kind, stored, reader->vectors(), reader->distance(),
                     ParallelOf(deps_.options));
  };
  auto index = open();
  if (index) {
    job.unit->shared().index->NoteStored(job.entry.index->id, 0);
    job.unit->shared().index->Fill(std::move(*index));
    return OkStatus();
  }
  const StatusCode code = index.error().code();
  if (code == StatusCode::kDataLoss || code == StatusCode::kUnimplemented || code == StatusCode::kNotFound) {
    // The rows are there: they are scanned until the writer has built another one.
    MutexLock lock(maintenance_mutex_);
    unreadable_indexes_.insert(job.entry.index->id);
  }
  return std::move(index).error().Annotate(key);
}

Status CollectionImpl::BuildSegmentIndex(OpContext& ctx, const IndexJob& job) {
  const auto reader = job.unit->shared().reader;
  IndexBuildOptions options;
  options.ef_construction = job.wanted.ef_construction;
  if (job.wanted.layout == IndexLayout::kCompact) options.layout = GraphLayoutKind::kCompact5;
  const MonotonicTime began = deps_.env.clock->Now();
  const auto inherited = job.unit->shared().index->inherited();
  const std::span<const IndexSource> sources = inherited ? std::span(*inherited) : std::span<const IndexSource>();
  AKI_ASSIGN_OR_RETURN(auto index, BuildIndex(ctx, kGraphKind, reader->vectors(), reader->distance(), options,
                                              ParallelOf(deps_.options), sources));
  Log(LogLevel::kInfo, "indexed",
      {{"collection", id_.value()},
       {"segment", job.unit->id()},
       {"rows", job.unit->row_count()},
       {"older_indexes", sources.size()},
       {"seconds", std::chrono::duration<double>(deps_.env.clock->Now() - began).count()}});
  job.unit->shared().index->Fill(std::move(index));
  return OkStatus();
}

Status CollectionImpl::MeasureIndex(OpContext& ctx, const SegmentUnit& unit) {
  const MonotonicTime began = deps_.env.clock->Now();
  IndexSlot& slot = *unit.shared().index;
  const uint64_t changes = slot.changes();
  AKI_RETURN_IF_ERROR(slot.MeasureWith(ctx, *seen_, ParallelOf(deps_.options)));
  Log(LogLevel::kInfo, "measured with queries",
      {{"collection", id_.value()},
       {"segment", unit.id()},
       {"queries_seen", seen_->seen()},
       {"wider", slot.changes() != changes},
       {"seconds", std::chrono::duration<double>(deps_.env.clock->Now() - began).count()}});
  return OkStatus();
}

Status CollectionImpl::StoreIndex(OpContext& ctx, const IndexJob& job) {
  IndexSlot& slot = *job.unit->shared().index;
  const uint64_t changes = slot.changes();
  const VectorIndex& index = job.unit->index();
  const std::string kind(index.kind());
  const std::string bytes = EncodeIndexObject(job.unit->id(), kind, job.unit->row_count(), index.Encode());
  ObjectRef object;
  object.id = MintId(job.start);
  AKI_ASSIGN_OR_RETURN(const ObjectMeta meta,
                       deps_.store->Put(ctx, IndexKey(id_, object.id), bytes, PutCondition::IfAbsent()));
  object.sha256 = Sha256Hex(bytes);
  object.version_id = meta.version_id;
  object.size_bytes = bytes.size();

  slot.NoteTried(object.id);
  MutexLock lock(maintenance_mutex_);
  // Named or not: a failed try leaves it for the collector, and what it replaces is the collector's too.
  sweep_due_ = true;
  const Epoch epoch(epoch_.load());
  AKI_RETURN_IF_ERROR(committer_.Commit(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    if (manifest->epoch != epoch) return std::unexpected(Aborted("the collection changed hands"));
    if (job.start < manifest->gc_boundary) {
      return std::unexpected(Aborted("the collector's boundary passed the index"));
    }
    const auto entry = FindSegment(manifest->segments, job.unit->id());
    if (entry == manifest->segments.end()) return std::unexpected(Aborted("the segment of the index is gone"));
    if (entry->index && entry->index->id == object.id) return ManifestCommitter::Edited::kAlreadyThere;
    entry->index_kind = kind;
    entry->index = object;
    return ManifestCommitter::Edited::kChanged;
  }));
  PublishVersion();
  slot.NoteStored(object.id, changes);
  return OkStatus();
}

}  // namespace akidb
