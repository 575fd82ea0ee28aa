// The database behind engine/database.h: opening and recovery in database.cc, background tasks in database_tasks.cc,
// clones and what becomes of dropped collections in database_clone.cc, the node's own log in database_home.cc.
//
// Threads:    lock order: alter_mutex_ (held over all that altering takes), open_mutex_ (held over store calls of
// create,
//             open, drop), map_mutex_ (a few instructions).
// Errors:     see Database.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "engine/collection_impl.h"
#include "manifest/catalog.h"

namespace akidb {

// kAborted.
Status AlteredMeanwhile();

class DatabaseImpl final : public Database {
 public:
  DatabaseImpl(const Environment& env, std::shared_ptr<ObjectStore> store, const EngineOptions& options);
  ~DatabaseImpl() override;

  Status Recover(OpContext& ctx);
  void StartTasks();

  Result<std::shared_ptr<Collection>> Create(OpContext& ctx, const CollectionSpec& spec) override;
  Result<std::shared_ptr<Collection>> Get(OpContext& ctx, std::string_view name) override;
  Status Drop(OpContext& ctx, std::string_view name) override;
  Result<std::shared_ptr<Collection>> Clone(OpContext& ctx, std::string_view source, std::string_view name,
                                            const std::optional<ReadPoint>& at) override;
  Status Alter(OpContext& ctx, std::string_view name, const EditSpec& edit, AckGiven ack) override;
  Result<RebindReport> Rebind(OpContext& ctx, std::string_view name) override;
  std::vector<CatalogEntry> List() override { return catalog_->List(); }
  std::vector<AliasTarget> Aliases() override { return catalog_->Aliases(); }
  Status SetAlias(OpContext& ctx, std::string_view alias, std::string_view collection) override {
    return catalog_->SetAlias(ctx, alias, collection);
  }
  Status DropAlias(OpContext& ctx, std::string_view alias) override { return catalog_->DropAlias(ctx, alias); }
  Status SwitchAlias(OpContext& ctx, std::string_view alias, std::string_view from, std::string_view to) override {
    return catalog_->SwitchAlias(ctx, alias, from, to);
  }
  bool AtHand(std::string_view name, Access access) override;
  std::vector<std::shared_ptr<Collection>> Loaded() override;
  AckLevel default_ack() const override { return deps_.options.shared_store ? AckLevel::kObject : AckLevel::kLocal; }
  WalStats wal_stats() const override {
    const Wal* wal = deps_.wal.load(std::memory_order_acquire);
    return wal != nullptr ? wal->stats() : WalStats{};
  }
  uint64_t unflushed_bytes() const override { return deps_.unflushed_bytes.load(std::memory_order_relaxed); }
  uint64_t at_risk_bytes() const override;
  Duration at_risk_age() const override;
  uint64_t discarded_records() const override { return deps_.discarded_records.load(std::memory_order_relaxed); }
  NodeLeases* nodes() override { return deps_.nodes.get(); }
  uint64_t takeovers() const override { return deps_.takeovers.load(std::memory_order_relaxed); }
  const Limits& limits() const override { return deps_.options.limits; }
  Status Close(OpContext& ctx) override;

  // Steps of the background tasks.
  NextStep FlushTaskStep(OpContext& ctx);
  NextStep UploadTaskStep(OpContext& ctx);
  NextStep UnhurriedFlushTaskStep(OpContext& ctx);
  NextStep UnhurriedUploadTaskStep(OpContext& ctx);
  NextStep MergeTaskStep(OpContext& ctx);
  NextStep IndexTaskStep(OpContext& ctx) AKI_EXCLUDES(index_mutex_);
  NextStep GrowTaskStep(OpContext& ctx);
  NextStep TrimTaskStep(OpContext& ctx);
  NextStep CollectTaskStep(OpContext& ctx);
  NextStep PrepareTaskStep(OpContext& ctx);
  NextStep FollowTaskStep(OpContext& ctx);
  NextStep LeaseTaskStep(OpContext& ctx);

 private:
  // The entry of a collection's own name, for changes.
  Result<CatalogEntry> FindOwn(OpContext& ctx, std::string_view name);
  Result<std::shared_ptr<CollectionImpl>> OpenLocked(OpContext& ctx, const CatalogEntry& entry)
      AKI_REQUIRES(open_mutex_);
  Result<std::shared_ptr<CollectionImpl>> OpenByName(OpContext& ctx, std::string_view name) AKI_EXCLUDES(open_mutex_);
  // The open collection, unless another node has taken it over: that one is forgotten, to be opened anew.
  std::shared_ptr<CollectionImpl> FindLoaded(CollectionId id) AKI_EXCLUDES(map_mutex_);
  std::vector<std::shared_ptr<CollectionImpl>> LoadedImpls();
  // Lets open collections know what other nodes dropped and altered; not now, if somebody opens or drops one.
  void SettleLoaded() AKI_EXCLUDES(open_mutex_);
  Status CheckNewName(OpContext& ctx, std::string_view name) AKI_REQUIRES(open_mutex_);
  // Drops pins of clones that were never finished, and of those that need them no more.
  Status SettleClones(OpContext& ctx, CollectionImpl& collection);
  Status AbandonClone(OpContext& ctx, CollectionId source, CollectionId clone);
  Status UnpinClone(OpContext& ctx, CollectionId source, CollectionId clone);
  Status PurgeDropped(OpContext& ctx);
  // True once nothing of the collection is left but its names: where several nodes share the store, tombstones, a head
  // that says that it was dropped, and fences; elsewhere the first manifest.
  Result<bool> Purge(OpContext& ctx, CollectionId id);
  // Deletes what lies below the collection's prefix, but for `kept`, its first manifest, and on request what keeps
  // names from being free: manifests and fences.
  enum class Names : uint8_t { kKeep, kFree };
  Status DeleteObjects(OpContext& ctx, CollectionId id, const std::set<std::string, std::less<>>& kept, Names names);
  Status BuryManifests(OpContext& ctx, const Manifest& head);
  void StopTasks();
  // Which collections a flush task serves: those for whose commit somebody waits, or soon may have to, or the others.
  enum class FlushShare : uint8_t { kAll, kHurried, kUnhurried };
  // One step of the first collection that has one to do.
  NextStep FlushAny(OpContext& ctx, CollectionImpl::FlushOrder order, FlushShare share);

  // home
  std::string WalDir() const;
  WalOptions NodeLogOptions() const;
  Status RecoverNodeLog(OpContext& ctx) AKI_EXCLUDES(open_mutex_);
  Status ReplayNodeLog(OpContext& ctx) AKI_REQUIRES(open_mutex_);
  Status ReplayToHome(OpContext& ctx, const CatalogEntry& entry, const WalRecord& record) AKI_REQUIRES(open_mutex_);
  // Gives this node a log and its disk a name, unless it has them. Comes before anything is bound to it.
  Status EnsureNodeLog(OpContext& ctx) AKI_EXCLUDES(open_mutex_);
  // The collection as the store's newest manifest has it.
  Result<std::shared_ptr<CollectionImpl>> OpenAtHead(OpContext& ctx, const CatalogEntry& entry)
      AKI_EXCLUDES(open_mutex_);
  // The collection, whose writer this process is or becomes, if it takes more than the catalog to alter its `ack`; else
  // null.
  Result<std::shared_ptr<CollectionImpl>> OpenToMove(OpContext& ctx, const CatalogEntry& entry, AckLevel ack)
      AKI_EXCLUDES(open_mutex_);
  Status MoveHome(OpContext& ctx, CollectionImpl& collection, CollectionImpl::HomeMove move);
  // That settings and manifest agree on `ack`, which was written to both.
  Status CheckMoved(OpContext& ctx, CollectionId id, AckLevel ack) AKI_EXCLUDES(open_mutex_);
  // Replays what could not be when the node started; until that works nobody reads the collection here.
  Status FinishReplay(OpContext& ctx, CollectionImpl& collection);
  // Becomes the writer of what is bound to this node, so that others know whom to forward to.
  void TakeUpHomes(OpContext& ctx) AKI_EXCLUDES(open_mutex_);
  Status DiscardLost(OpContext& ctx);
  void MeasureRisk();

  const std::shared_ptr<CollectionDeps> deps_owner_ = std::make_shared<CollectionDeps>();
  CollectionDeps& deps_ = *deps_owner_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<Wal> wal_;  // CollectionDeps::wal points to it

  Mutex index_mutex_;
  bool stopping_ AKI_GUARDED_BY(index_mutex_) = false;
  OpContext* index_ctx_ AKI_GUARDED_BY(index_mutex_) = nullptr;  // of the step under way
  Mutex alter_mutex_;
  Mutex open_mutex_;
  Mutex map_mutex_;
  std::map<CollectionId, std::shared_ptr<CollectionImpl>> loaded_ AKI_GUARDED_BY(map_mutex_);

  std::vector<std::pair<Executor*, TaskId>> tasks_;
  std::atomic<TaskId> flush_task_{0};
  std::atomic<TaskId> upload_task_{0};  // 0: none
  // Likewise; of the executor that computes.
  std::atomic<TaskId> unhurried_flush_task_{0};
  std::atomic<TaskId> unhurried_upload_task_{0};
  std::atomic<TaskId> follow_task_{0};
  std::atomic<bool> homes_due_{false};
  MonotonicTime catalog_due_{};                          // follow task only
  std::atomic<CollectionId> flush_cursor_{};             // flush tasks only
  std::map<CollectionId, MonotonicTime> dropped_since_;  // collect task only
  std::map<CollectionId, MonotonicTime> unnamed_since_;  // clones with a pin and without a name; collect task only
};

}  // namespace akidb
