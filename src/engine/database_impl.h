// The database behind engine/database.h: opening and recovery in database.cc, background tasks in database_tasks.cc.
//
// Threads:    lock order: open_mutex_ (held over store calls of create, open, drop), map_mutex_ (a few instructions).
// Errors:     see Database.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "engine/collection_impl.h"
#include "manifest/catalog.h"

namespace akidb {

class DatabaseImpl final : public Database {
 public:
  DatabaseImpl(const Environment& env, std::shared_ptr<ObjectStore> store, const EngineOptions& options);
  ~DatabaseImpl() override;

  Status Recover(OpContext& ctx);
  Status ReplayNodeLog(OpContext& ctx, const std::string& wal_dir);
  void StartTasks();

  Result<std::shared_ptr<Collection>> Create(OpContext& ctx, const CollectionSpec& spec) override;
  Result<std::shared_ptr<Collection>> Get(OpContext& ctx, std::string_view name) override;
  Status Drop(OpContext& ctx, std::string_view name) override;
  Status Alter(OpContext& ctx, std::string_view name, const CollectionSpec& spec) override;
  std::vector<CatalogEntry> List() override { return catalog_->List(); }
  std::vector<std::shared_ptr<Collection>> Loaded() override;
  AckLevel default_ack() const override { return deps_.options.shared_store ? AckLevel::kObject : AckLevel::kLocal; }
  WalStats wal_stats() const override { return wal_ ? wal_->stats() : WalStats{}; }
  uint64_t unflushed_bytes() const override { return deps_.unflushed_bytes.load(std::memory_order_relaxed); }
  const Limits& limits() const override { return deps_.options.limits; }
  Status Close(OpContext& ctx) override;

  // Steps of the background tasks.
  NextStep FlushTaskStep(OpContext& ctx);
  NextStep MergeTaskStep(OpContext& ctx);
  NextStep TrimTaskStep(OpContext& ctx);
  NextStep CollectTaskStep(OpContext& ctx);
  NextStep PrepareTaskStep(OpContext& ctx);
  NextStep FollowTaskStep(OpContext& ctx);

 private:
  Result<std::shared_ptr<CollectionImpl>> OpenLocked(OpContext& ctx, const CatalogEntry& entry)
      AKI_REQUIRES(open_mutex_);
  // The open collection, unless another node has taken it over: that one is forgotten, to be opened anew.
  std::shared_ptr<CollectionImpl> FindLoaded(CollectionId id) AKI_EXCLUDES(map_mutex_);
  std::vector<std::shared_ptr<CollectionImpl>> LoadedImpls();
  Status ValidateAck(AckLevel ack) const;
  Status PurgeDropped(OpContext& ctx);
  Status DeleteAllObjects(OpContext& ctx, CollectionId id);
  void StopTasks();

  CollectionDeps deps_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<Wal> wal_;  // null on a shared store

  Mutex open_mutex_;
  Mutex map_mutex_;
  std::map<CollectionId, std::shared_ptr<CollectionImpl>> loaded_ AKI_GUARDED_BY(map_mutex_);

  std::vector<TaskId> tasks_;
  std::atomic<TaskId> flush_task_{0};
  std::atomic<TaskId> follow_task_{0};
  CollectionId flush_cursor_;                            // flush task only
  std::map<CollectionId, MonotonicTime> dropped_since_;  // collect task only
};

}  // namespace akidb
