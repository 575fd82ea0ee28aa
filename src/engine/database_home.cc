// The node's own log on a shared store: it is there once a collection is bound to this node, is replayed to those that
// still are, and puts aside what a rebind took away.
#include <algorithm>

#include "base/log.h"
#include "engine/database_impl.h"
#include "engine/discarded_log.h"
#include "engine/disk_identity.h"
#include "format/disk_id.h"

namespace akidb {

Status AlteredMeanwhile() {
  return Aborted("another request altered the collection's ack meanwhile").WithReason("altered_meanwhile");
}

std::string DatabaseImpl::WalDir() const { return deps_.options.data_dir + "/wal"; }

WalOptions DatabaseImpl::NodeLogOptions() const {
  WalOptions options;
  options.dir = WalDir();
  options.file_bytes = deps_.options.wal_file_bytes;
  options.wal_bytes_max = deps_.options.limits.wal_bytes_max;
  return options;
}

Status DatabaseImpl::RecoverNodeLog(OpContext& ctx) {
  if (deps_.options.home_confirm < std::chrono::milliseconds(1) ||
      deps_.options.home_confirm > std::chrono::milliseconds(kHomeConfirmMsMax)) {
    return InvalidArgument("engine.home_confirm must be between a millisecond and an hour");
  }
  AKI_ASSIGN_OR_RETURN(const auto disk, FindDiskId(*deps_.env.fs, WalDir(), deps_.options.store_name));
  MutexLock lock(open_mutex_);
  if (!deps_.options.shared_store) {
    if (!disk) return ReplayNodeLog(ctx);
    return FailedPrecondition(WalDir() + " holds the log of a store that several nodes share")
        .WithReason("wrong_data_dir");
  }
  if (!disk) return OkStatus();
  deps_.node_log.SetDisk(*disk);
  homes_due_ = true;
  return ReplayNodeLog(ctx);
}

Status DatabaseImpl::EnsureNodeLog(OpContext& ctx) {
  MutexLock lock(open_mutex_);
  if (deps_.wal.load(std::memory_order_acquire) != nullptr) return OkStatus();
  AKI_ASSIGN_OR_RETURN(std::string disk, EnsureDiskId(deps_.env, WalDir(), deps_.options.store_name));
  AKI_ASSIGN_OR_RETURN(wal_, Wal::Open(ctx, deps_.env, NodeLogOptions(), [](const WalRecord&) { return OkStatus(); }));
  deps_.node_log.SetDisk(std::move(disk));
  deps_.wal.store(wal_.get(), std::memory_order_release);
  return OkStatus();
}

Status DatabaseImpl::ReplayNodeLog(OpContext& ctx) {
  const auto visit = [&](const WalRecord& record) AKI_REQUIRES(open_mutex_) -> Status {
    const auto entry = catalog_->FindById(record.collection);
    if (!entry) return OkStatus();  // dropped since
    if (deps_.options.shared_store) return ReplayToHome(ctx, *entry, record);
    AKI_ASSIGN_OR_RETURN(const auto collection, OpenLocked(ctx, *entry));
    AKI_RETURN_IF_ERROR(collection->EnsureEpoch(ctx));
    return collection->Replay(ctx, record);
  };
  AKI_ASSIGN_OR_RETURN(wal_, Wal::Open(ctx, deps_.env, NodeLogOptions(), visit));
  deps_.wal.store(wal_.get(), std::memory_order_release);
  for (const auto& collection : LoadedImpls()) {
    if (deps_.options.shared_store && (!collection->on_node_log() || collection->writer_epoch().value() == 0)) continue;
    wal_->AdvanceLsn(collection->manifest_lsn());
    collection->AttachNodeLog();
  }
  return OkStatus();
}

// A collection that cannot be opened now must not keep the node from serving the others.
Status DatabaseImpl::ReplayToHome(OpContext& ctx, const CatalogEntry& entry, const WalRecord& record) {
  if (deps_.node_log.IsUnreplayed(entry.id)) return OkStatus();
  const auto put_off = [&](const Status& status) {
    Log(LogLevel::kError, "a collection's records in this node's log cannot be replayed yet",
        {{"collection", entry.id.value()}, {"error", status.ToString()}});
    deps_.node_log.NoteUnreplayed(entry.id, record.lsn);
    return OkStatus();
  };
  const auto opened = OpenLocked(ctx, entry);
  if (!opened) return opened.error().reason() == "collection_dropped" ? OkStatus() : put_off(opened.error());
  CollectionImpl& collection = **opened;
  switch (collection.FateOf(record.epoch, record.lsn)) {
    case CollectionImpl::RecordFate::kPublished: return OkStatus();
    case CollectionImpl::RecordFate::kLost: deps_.node_log.NoteLost(entry.id); return OkStatus();
    case CollectionImpl::RecordFate::kReplay: break;
  }
  if (Status claimed = collection.EnsureEpoch(ctx); !claimed.ok()) {
    // Before its first epoch a home has written nothing that is not lost.
    return claimed.reason() == "home_waiting" ? OkStatus() : put_off(claimed);
  }
  return collection.Replay(ctx, record);
}

Result<std::shared_ptr<CollectionImpl>> DatabaseImpl::OpenAtHead(OpContext& ctx, const CatalogEntry& entry) {
  for (bool again = true;; again = false) {
    std::shared_ptr<CollectionImpl> collection;
    {
      MutexLock lock(open_mutex_);
      AKI_ASSIGN_OR_RETURN(collection, OpenLocked(ctx, entry));
    }
    Status read = collection->ReadHead(ctx);
    if (read.ok()) return collection;
    // Once it is known to be superseded it is opened anew.
    if (!again || !collection->superseded()) return std::unexpected(std::move(read));
  }
}

Result<std::shared_ptr<CollectionImpl>> DatabaseImpl::OpenToMove(OpContext& ctx, const CatalogEntry& entry,
                                                                 AckLevel ack) {
  AKI_ASSIGN_OR_RETURN(const auto collection, OpenAtHead(ctx, entry));
  const bool to_local = ack == AckLevel::kLocal;
  // One that came from a directory says "local" too, and is bound to nothing.
  const bool bound = !collection->home().empty();
  if (bound == to_local && (entry.spec.ack == AckLevel::kLocal) == to_local) return nullptr;
  AKI_RETURN_IF_ERROR(collection->EnsureEpoch(ctx));
  if (to_local) AKI_RETURN_IF_ERROR(EnsureNodeLog(ctx));
  return collection;
}

Status DatabaseImpl::MoveHome(OpContext& ctx, CollectionImpl& collection, CollectionImpl::HomeMove move) {
  Status moved = collection.MoveHome(ctx, move);
  FindLoaded(collection.id());  // forgets it, to be opened as it is now
  homes_due_ = true;
  deps_.wake_follow();
  return moved;
}

// Binding writes the catalog and then the manifest, releasing the manifest and then the catalog. What one node has left
// between the two another one may take up and finish the other way: of two such alterations one sees here what the
// other has written, so they are not both told that theirs is done.
Status DatabaseImpl::CheckMoved(OpContext& ctx, CollectionId id, AckLevel ack) {
  AKI_RETURN_IF_ERROR(internal::ToStatus(catalog_->Refresh(ctx)));
  const auto entry = catalog_->FindById(id);
  if (!entry) return OkStatus();  // dropped since
  const bool to_local = ack == AckLevel::kLocal;
  bool done = (entry->spec.ack == AckLevel::kLocal) == to_local;
  if (!to_local) {
    AKI_ASSIGN_OR_RETURN(const auto collection, OpenAtHead(ctx, *entry));
    done = done && collection->home().empty();
  }
  return done ? OkStatus() : AlteredMeanwhile();
}

Status DatabaseImpl::FinishReplay(OpContext& ctx, CollectionImpl& collection) {
  if (!deps_.node_log.IsUnreplayed(collection.id())) return OkStatus();
  if (collection.AtHome()) return collection.EnsureEpoch(ctx).Annotate("what this node's log has of the collection");
  deps_.node_log.NoteLost(collection.id());  // taken away meanwhile
  return OkStatus();
}

void DatabaseImpl::TakeUpHomes(OpContext& ctx) {
  if (!homes_due_ || deps_.wal.load(std::memory_order_acquire) == nullptr) return;
  homes_due_ = false;
  for (const CatalogEntry& entry : catalog_->List()) {
    if (entry.spec.ack != AckLevel::kLocal) continue;
    const auto take_up = [&]() -> Status {
      // Whoever opens or drops one may hold the lock for long, and requests wait for this task.
      if (!open_mutex_.TryLock()) return Unavailable("another collection is being opened").WithReason("home_waiting");
      const auto collection = OpenLocked(ctx, entry);
      open_mutex_.Unlock();
      if (!collection) return collection.error();
      if (!(*collection)->AtHome() || (*collection)->writer_epoch().value() != 0) return OkStatus();
      return (*collection)->EnsureEpoch(ctx);
    };
    Status taken = take_up();
    if (taken.ok() || taken.reason() == "collection_dropped") continue;
    homes_due_ = true;
    if (taken.reason() == "home_waiting") continue;
    Log(LogLevel::kWarn, "a collection that is bound to this node cannot be taken up",
        {{"collection", entry.id.value()}, {"error", taken.ToString()}});
  }
}

// Nothing is trimmed from the log until this is done.
Status DatabaseImpl::DiscardLost(OpContext& ctx) {
  for (const CollectionId id : deps_.node_log.Lost()) {
    std::optional<DiscardedRecords> discarded;
    if (catalog_->FindById(id)) {
      ManifestCommitter committer(*deps_.store, deps_.env, id);
      AKI_RETURN_IF_ERROR(committer.Load(ctx));
      const Manifest& head = committer.head()->manifest;
      const auto lost = [&](Epoch epoch, Lsn lsn) { return head.LostByRebind(epoch, lsn); };
      if (!head.dropped) {
        AKI_ASSIGN_OR_RETURN(discarded, PutAside(ctx, deps_.env, *deps_.wal.load(), id, lost, deps_.options.data_dir,
                                                 deps_.options.wal_file_bytes));
      }
    }
    if (discarded && discarded->fresh) {
      deps_.discarded_records.fetch_add(discarded->count, std::memory_order_relaxed);
      Log(LogLevel::kError, "acknowledged writes are lost: their collection was taken away from this node",
          {{"collection", id.value()},
           {"records", discarded->count},
           {"bytes", discarded->bytes},
           {"first_lsn", discarded->first.value()},
           {"last_lsn", discarded->last.value()},
           {"kept_in", discarded->dir}});
    }
    deps_.node_log.NoteDiscarded(id);
  }
  return OkStatus();
}

void DatabaseImpl::MeasureRisk() {
  uint64_t bytes = 0;
  std::optional<MonotonicTime> since;
  for (const auto& collection : LoadedImpls()) {
    const CollectionImpl::AtRisk at_risk = collection->at_risk();
    bytes += at_risk.bytes;
    if (at_risk.since) since = std::min(since.value_or(*at_risk.since), *at_risk.since);
  }
  deps_.at_risk_bytes.store(bytes, std::memory_order_relaxed);
  deps_.at_risk_since_ns.store(since ? since->time_since_epoch().count() : -1, std::memory_order_relaxed);
}

uint64_t DatabaseImpl::at_risk_bytes() const {
  return (deps_.options.shared_store ? deps_.at_risk_bytes : deps_.unflushed_bytes).load(std::memory_order_relaxed);
}

Duration DatabaseImpl::at_risk_age() const {
  const int64_t since = deps_.at_risk_since_ns.load(std::memory_order_relaxed);
  return since < 0 ? Duration::zero() : deps_.env.clock->Now() - MonotonicTime(Duration(since));
}

Result<RebindReport> DatabaseImpl::Rebind(OpContext& ctx, std::string_view name) {
  AKI_ASSIGN_OR_RETURN(const CatalogEntry entry, FindOwn(ctx, name));
  std::shared_ptr<CollectionImpl> collection;
  {
    MutexLock lock(open_mutex_);
    AKI_ASSIGN_OR_RETURN(collection, OpenLocked(ctx, entry));
  }
  AKI_RETURN_IF_ERROR(collection->FollowHead(ctx));
  if (deps_.options.shared_store && !collection->home().empty()) AKI_RETURN_IF_ERROR(EnsureNodeLog(ctx));
  AKI_ASSIGN_OR_RETURN(RebindReport report, collection->Rebind(ctx));
  homes_due_ = true;
  deps_.wake_follow();
  return report;
}

}  // namespace akidb
