// Creating, opening and replaying a collection; taking its epoch.
#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "engine/collection_impl.h"
#include "format/deletion_vector.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

constexpr uint64_t kDeletesBytesMax = 1ull << 30;

// What the log may hold in one record: the request limits as they were when it was written may have been higher.
Limits ReplayLimits() {
  Limits limits;
  limits.vectors_per_request_max = UINT32_MAX;
  limits.payload_bytes_max = UINT32_MAX;
  limits.id_bytes_max = UINT32_MAX;
  limits.vector_dim_max = UINT32_MAX;
  limits.request_bytes_max = UINT64_MAX;
  return limits;
}

}  // namespace

CollectionImpl::CollectionImpl(CollectionDeps& deps, const CatalogEntry& entry)
    : deps_(deps),
      id_(entry.id),
      created_at_(entry.created_at),
      committer_(*deps.store, deps.env, entry.id),
      view_(std::make_shared<View>()),
      spec_(entry.spec) {}

CollectionImpl::~CollectionImpl() { deps_.unflushed_bytes.fetch_sub(own_unflushed_bytes_, std::memory_order_relaxed); }

Result<std::shared_ptr<CollectionImpl>> CollectionImpl::Create(OpContext& ctx, CollectionDeps& deps,
                                                               const CatalogEntry& entry) {
  std::shared_ptr<CollectionImpl> collection(new CollectionImpl(deps, entry));
  Manifest first;
  first.epoch = Epoch(1);
  first.open_epochs.push_back({Epoch(1), deps.options.node, Lsn(0)});
  first.spec = entry.spec;
  MutexLock lock(collection->maintenance_mutex_);
  AKI_RETURN_IF_ERROR(collection->committer_.CreateFirst(ctx, first));
  collection->epoch_ = 1;
  collection->epoch_taken_ = true;
  collection->sweep_due_ = false;
  auto view = std::make_shared<View>();
  view->version = ManifestVersion(1);
  MutexLock state(collection->state_mutex_);
  collection->view_ = std::move(view);
  return collection;
}

Result<std::shared_ptr<CollectionImpl>> CollectionImpl::Open(OpContext& ctx, CollectionDeps& deps,
                                                             const CatalogEntry& entry) {
  std::shared_ptr<CollectionImpl> collection(new CollectionImpl(deps, entry));
  MutexLock lock(collection->maintenance_mutex_);
  AKI_RETURN_IF_ERROR(collection->committer_.Load(ctx));
  AKI_RETURN_IF_ERROR(collection->LoadView(ctx));
  return collection;
}

Status CollectionImpl::LoadView(OpContext& ctx) {
  const Manifest& manifest = committer_.head()->manifest;
  auto next = std::make_shared<View>();
  next->version = manifest.version;
  uint64_t live = 0;
  Lsn newest;
  for (const SegmentEntry& segment : manifest.segments) {
    AKI_ASSIGN_OR_RETURN(auto unit, OpenSegment(ctx, segment));
    live += unit->row_count() - unit->marks().count();
    newest = std::max(newest, segment.lsn_max);
    next->segments.push_back(std::move(unit));
  }
  for (const EpochEntry& epoch : manifest.open_epochs) newest = std::max(newest, epoch.watermark);
  if (deps_.wal) deps_.wal->AdvanceLsn(newest);
  MutexLock write(write_mutex_);
  replay_epochs_ = manifest.open_epochs;
  epoch_ = manifest.epoch.value();
  live_rows_ = live;
  MutexLock state(state_mutex_);
  base_lsn_.store(newest.value(), std::memory_order_release);
  view_ = std::move(next);
  return OkStatus();
}

Result<std::shared_ptr<SegmentUnit>> CollectionImpl::OpenSegment(OpContext& ctx, const SegmentEntry& entry) {
  AKI_ASSIGN_OR_RETURN(
      auto reader, SegmentReader::Open(ctx, deps_.store, SegmentKey(id_, entry.object.id), entry, deps_.payload_cache));
  std::vector<RowIndex> deleted;
  if (entry.deletes) {
    const std::string key = DeletesKey(id_, entry.deletes->id);
    auto body = deps_.store->Get(ctx, key, kDeletesBytesMax);
    if (!body) {
      Status error = std::move(body).error();
      if (error.code() == StatusCode::kNotFound || error.code() == StatusCode::kPermissionDenied) {
        error = Unavailable("the manifest names " + key + " but it cannot be read: " + std::string(error.message()));
      }
      return std::unexpected(std::move(error));
    }
    AKI_ASSIGN_OR_RETURN(deleted, DecodeDeletionVector(body->bytes, entry.object.id, entry.row_count));
    if (deleted.size() != entry.deleted_count) {
      return std::unexpected(DataLoss(key + " deletes " + std::to_string(deleted.size()) + " rows, the manifest says " +
                                      std::to_string(entry.deleted_count)));
    }
  }
  return std::make_shared<SegmentUnit>(std::move(reader), deleted, deps_.env.clock->Now());
}

Status CollectionImpl::Replay(OpContext& ctx, const WalRecord& record) {
  MutexLock lock(write_mutex_);
  const auto epoch = std::find_if(replay_epochs_.begin(), replay_epochs_.end(),
                                  [&](const EpochEntry& e) { return e.epoch == record.epoch; });
  if (epoch == replay_epochs_.end() || record.lsn <= epoch->watermark) {
    // Already in a segment. It stays in the log until that segment was read back.
    if (!replay_first_lsn_) replay_first_lsn_ = record.lsn;
    return OkStatus();
  }
  AKI_RETURN_IF_ERROR(ctx.Check());
  if (record.type == WalRecordType::kUpsert) {
    AKI_ASSIGN_OR_RETURN(const ColumnBatch batch, DecodeColumns(record.body, ReplayLimits()));
    const CollectionSpec current = spec();
    if (batch.dim != current.dim || batch.type != current.vector_type) {
      return DataLoss("record " + std::to_string(record.lsn.value()) +
                      " has another vector type or dimension than its collection");
    }
    ApplyUpsert(batch, record.lsn);
  } else {
    AKI_ASSIGN_OR_RETURN(const auto ids, DecodeIdList(record.body, ReplayLimits()));
    ApplyDelete(ids, record.lsn);
  }
  return OkStatus();
}

Status CollectionImpl::EnsureEpoch(OpContext& ctx) {
  if (epoch_taken_.load(std::memory_order_acquire)) return OkStatus();
  MutexLock lock(maintenance_mutex_);
  return EnsureEpochLocked(ctx);
}

Status CollectionImpl::EnsureEpochLocked(OpContext& ctx) {
  if (epoch_taken_.load(std::memory_order_acquire)) return OkStatus();
  // Names this process's claim over failed tries: after an unknown outcome the edit may meet its own effect, or that of
  // an earlier process whose request arrived late.
  if (epoch_claim_.empty()) epoch_claim_ = deps_.options.node + "." + deps_.env.random->Hex(16);
  const std::string claim = epoch_claim_;
  const CollectionSpec current = spec();
  AKI_ASSIGN_OR_RETURN(const auto head,
                       committer_.Commit(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
                         if (manifest->open_epochs.size() > 0 && manifest->open_epochs.back().node == claim) {
                           return ManifestCommitter::Edited::kAlreadyThere;
                         }
                         manifest->epoch = manifest->epoch.Next();
                         manifest->open_epochs.push_back({manifest->epoch, claim, Lsn(0)});
                         manifest->spec = current;
                         return ManifestCommitter::Edited::kChanged;
                       }));
  // If somebody else's version came in between, what was opened is not what this process took over. Nothing was
  // applied yet: rows are only replayed or written after the takeover.
  if (head->manifest.version != view()->version.Next()) AKI_RETURN_IF_ERROR(LoadView(ctx));
  epoch_ = head->manifest.epoch.value();
  PublishVersion();
  epoch_taken_.store(true, std::memory_order_release);
  Log(LogLevel::kDebug, "epoch taken", {{"collection", id_.value()}, {"epoch", epoch_.load()}});
  return OkStatus();
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
  MutexLock lock(write_mutex_);
  dropped_ = true;
  deps_.unflushed_bytes.fetch_sub(own_unflushed_bytes_.exchange(0), std::memory_order_relaxed);
}

}  // namespace akidb
