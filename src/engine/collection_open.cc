// Creating and opening a collection.
#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "engine/collection_impl.h"
#include "format/object_keys.h"

namespace akidb {
CollectionImpl::CollectionImpl(CollectionDeps& deps, const CatalogEntry& entry)
    : deps_owner_(deps.shared_from_this()),
      deps_(deps),
      id_(entry.id),
      created_at_(entry.created_at),
      seen_(std::make_shared<SeenQueries>(entry.id.value())),
      committer_(*deps.store, deps.env, entry.id),
      manifests_(committer_.reader()),
      history_(ObjectKeysOf),
      watch_(*deps.env.clock),
      view_(std::make_shared<View>()),
      spec_(entry.spec) {}

CollectionImpl::~CollectionImpl() {
  deps_.unflushed_bytes.fetch_sub(own_unflushed_bytes_, std::memory_order_relaxed);
  for (VisibleWaiter& waiter : waiters_) waiter.done(Unavailable("this node stopped before the position was seen"));
  watch_.End(
      Unavailable("this node stopped before it could acknowledge the write; it is in the log").WithEffectUnknown());
  EndCommitted(Unavailable("this node stopped before the write was published; it is in the log").WithEffectUnknown());
}

Result<std::shared_ptr<CollectionImpl>> CollectionImpl::Create(OpContext& ctx, CollectionDeps& deps,
                                                               const CatalogEntry& entry) {
  std::shared_ptr<CollectionImpl> collection(new CollectionImpl(deps, entry));
  Manifest first;
  first.epoch = Epoch(1);
  if (deps.nodes) AKI_RETURN_IF_ERROR(deps.nodes->Ensure(ctx));
  first.open_epochs.push_back({Epoch(1), collection->NextClaim(), Lsn(0)});
  first.log = deps.options.shared_store ? LogKind::kBucket : LogKind::kLocal;
  if (deps.options.shared_store && entry.spec.ack == AckLevel::kLocal) {
    first.log = LogKind::kLocal;
    first.home = deps.SelfAsHome();
  }
  first.spec = entry.spec;
  MutexLock lock(collection->maintenance_mutex_);
  AKI_RETURN_IF_ERROR(collection->committer_.CreateFirst(ctx, first));
  collection->LoadView();
  AKI_RETURN_IF_ERROR(collection->TakeUpLog(ctx, collection->committer_.head()->manifest));
  collection->epoch_taken_ = true;
  collection->sweep_due_ = false;
  collection->old_streams_due_ = false;
  return collection;
}

Result<std::shared_ptr<CollectionImpl>> CollectionImpl::Open(OpContext& ctx, CollectionDeps& deps,
                                                             const CatalogEntry& entry) {
  std::shared_ptr<CollectionImpl> collection(new CollectionImpl(deps, entry));
  MutexLock lock(collection->maintenance_mutex_);
  AKI_RETURN_IF_ERROR(collection->committer_.Load(ctx));
  if (collection->committer_.head()->manifest.dropped) {
    return std::unexpected(NotFound("collection was dropped").WithReason("collection_dropped"));
  }
  AKI_RETURN_IF_ERROR(collection->Reload(ctx));
  return collection;
}

Lsn CollectionImpl::NewestLsn(const Manifest& manifest) {
  Lsn newest;
  for (const SegmentEntry& segment : manifest.segments) newest = std::max(newest, segment.lsn_max);
  for (const EpochEntry& epoch : manifest.open_epochs) newest = std::max(newest, epoch.watermark);
  return newest;
}

void CollectionImpl::LoadView(std::vector<std::shared_ptr<SegmentUnit>> units) {
  const Manifest& manifest = committer_.head()->manifest;
  history_.NoteHead(committer_.head());
  auto next = std::make_shared<View>();
  next->version = manifest.version;
  next->segments = std::move(units);
  uint64_t live = 0;
  for (const SegmentEntry& segment : manifest.segments) live += segment.row_count - segment.deleted_count;
  const Lsn newest = NewestLsn(manifest);
  // On a shared store a collection's LSNs are its log's, and are moved when it takes that up.
  Wal* const wal = deps_.wal.load(std::memory_order_acquire);
  if (wal != nullptr && !deps_.options.shared_store) wal->AdvanceLsn(newest);
  NoteHome(manifest);
  tails_.clear();
  MutexLock write(write_mutex_);
  // What a reader applied of the log is read again, above the new watermarks.
  batch_first_lsn_ = Lsn(0);
  applied_lsn_.store(0, std::memory_order_release);
  deps_.unflushed_bytes.fetch_sub(own_unflushed_bytes_.exchange(0), std::memory_order_relaxed);
  replay_epochs_ = manifest.open_epochs;
  epoch_ = manifest.epoch.value();
  live_rows_ = live;
  MutexLock state(state_mutex_);
  base_lsn_.store(newest.value(), std::memory_order_release);
  view_ = std::move(next);
}

std::vector<std::shared_ptr<SegmentUnit>> CollectionImpl::UnitsOf(const Manifest& manifest, const View& current) {
  std::vector<std::shared_ptr<SegmentUnit>> units;
  for (const SegmentEntry& entry : manifest.segments) {
    const auto known =
        std::ranges::find(current.segments, entry.object.id, [](const auto& unit) { return unit->id(); });
    if (known != current.segments.end() && (*known)->IsOf(entry) && (*known)->deleted_count() == entry.deleted_count) {
      units.push_back(*known);
    } else {
      const auto open = [this, entry](OpContext& ctx) { return OpenSegment(ctx, entry, deps_.store); };
      units.push_back(std::make_shared<SegmentUnit>(entry, open, deps_.env.clock->Now()));
    }
  }
  return units;
}

Status CollectionImpl::PrepareUnits(OpContext& ctx, const std::vector<std::shared_ptr<SegmentUnit>>& units) {
  for (const auto& unit : units) AKI_RETURN_IF_ERROR(unit->Prepare(ctx));
  return OkStatus();
}

Result<std::shared_ptr<SegmentUnit>> CollectionImpl::OpenUnit(OpContext& ctx, const SegmentEntry& entry) {
  auto unit = std::make_shared<SegmentUnit>(
      entry, [this, entry](OpContext& open_ctx) { return OpenSegment(open_ctx, entry, deps_.store); },
      deps_.env.clock->Now());
  AKI_RETURN_IF_ERROR(unit->Prepare(ctx));
  return unit;
}

Result<SegmentUnit::Opened> CollectionImpl::OpenSegment(OpContext& ctx, const SegmentEntry& entry,
                                                        const std::shared_ptr<ObjectStore>& store) {
  // Another version that is open may have it.
  SegmentUnit::Shared shared = FindOpen(entry.object.id);
  if (!shared.reader) {
    AKI_ASSIGN_OR_RETURN(shared.reader,
                         SegmentReader::Open(ctx, store, SegmentKeyOf(id_, entry.object), entry, deps_.payload_cache));
    shared.index = std::make_shared<IndexSlot>();
  }
  AKI_ASSIGN_OR_RETURN(std::vector<RowIndex> deleted, ReadDeletes(ctx, entry));
  return SegmentUnit::Opened{std::move(shared), std::move(deleted)};
}

void CollectionImpl::SetSpec(const CollectionSpec& spec) {
  MutexLock lock(state_mutex_);
  spec_ = spec;
}

CollectionSpec CollectionImpl::spec() const {
  MutexLock lock(state_mutex_);
  return spec_;
}

void CollectionImpl::MarkDropped() {
  {
    MutexLock lock(write_mutex_);
    dropped_ = true;
    deps_.unflushed_bytes.fetch_sub(own_unflushed_bytes_.exchange(0), std::memory_order_relaxed);
  }
  until_dropped_.Cancel();
  // Whoever still holds this object has nothing to wait for.
  superseded_.store(deps_.options.shared_store, std::memory_order_release);
  const Status dropped = NotFound("the collection was dropped").WithReason("collection_dropped");
  watch_.End(dropped);
  EndCommitted(dropped);
  EndWaiters(dropped);
}

}  // namespace akidb
