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
  void StartTasks();

  Result<std::shared_ptr<Collection>> Create(OpContext& ctx, const CollectionSpec& spec) override;
  Result<std::shared_ptr<Collection>> Get(OpContext& ctx, std::string_view name) override;
  Status Drop(OpContext& ctx, std::string_view name) override;
  Status Alter(OpContext& ctx, std::string_view name, const CollectionSpec& spec) override;
  std::vector<CatalogEntry> List() override { return catalog_->List(); }
  std::vector<std::shared_ptr<Collection>> Loaded() override;
  void NotifyDurable(OpContext& ctx, Lsn lsn, std::move_only_function<void()> done) override;
  Status WaitDurable(OpContext& ctx, Lsn lsn) override { return wal_->WaitDurable(ctx, lsn); }
  WalStats wal_stats() const override { return wal_->stats(); }
  uint64_t unflushed_bytes() const override { return deps_.unflushed_bytes.load(std::memory_order_relaxed); }
  const Limits& limits() const override { return deps_.options.limits; }
  Status Close(OpContext& ctx) override;

  // Steps of the background tasks.
  NextStep FlushTaskStep(OpContext& ctx);
  NextStep MergeTaskStep(OpContext& ctx);
  NextStep TrimTaskStep(OpContext& ctx);
  NextStep CollectTaskStep(OpContext& ctx);
  NextStep PrepareTaskStep(OpContext& ctx);

 private:
  Result<std::shared_ptr<CollectionImpl>> OpenLocked(OpContext& ctx, const CatalogEntry& entry)
      AKI_REQUIRES(open_mutex_);
  std::vector<std::shared_ptr<CollectionImpl>> LoadedImpls();
  Status PurgeDropped(OpContext& ctx);
  Status DeleteAllObjects(OpContext& ctx, CollectionId id);
  void StopTasks();

  CollectionDeps deps_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<Catalog> catalog_;
  std::unique_ptr<Wal> wal_;

  Mutex open_mutex_;
  Mutex map_mutex_;
  std::map<CollectionId, std::shared_ptr<CollectionImpl>> loaded_ AKI_GUARDED_BY(map_mutex_);

  std::vector<TaskId> tasks_;
  std::atomic<TaskId> flush_task_{0};
  CollectionId flush_cursor_;                            // flush task only
  std::map<CollectionId, MonotonicTime> dropped_since_;  // collect task only
};

}  // namespace akidb
