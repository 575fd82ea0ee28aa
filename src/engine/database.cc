#include "engine/database.h"

#include "base/log.h"
#include "engine/database_impl.h"

namespace akidb {
namespace {

constexpr int kCreateTriesMax = 1000;

Status NoSuchCollection(std::string_view name) {
  return NotFound("collection " + std::string(name) + " does not exist").WithReason("collection_not_found");
}

}  // namespace

Result<std::unique_ptr<Database>> Database::Open(OpContext& ctx, const Environment& env,
                                                 std::shared_ptr<ObjectStore> store, const EngineOptions& options) {
  auto database = std::make_unique<DatabaseImpl>(env, std::move(store), options);
  AKI_RETURN_IF_ERROR(database->Recover(ctx));
  database->StartTasks();
  return database;
}

DatabaseImpl::DatabaseImpl(const Environment& env, std::shared_ptr<ObjectStore> store, const EngineOptions& options) {
  deps_.env = env;
  deps_.store = std::move(store);
  deps_.options = options;
  deps_.process = ProcessName(options.node, env.random->Hex(kIncarnationDigits));
  if (options.shared_store && options.leases) {
    deps_.nodes = std::make_unique<NodeLeases>(env, deps_.store, deps_.process);
  }
  deps_.payload_cache = NewPayloadBlockCache(options.payload_cache_bytes, options.column_cache_bytes);
}

DatabaseImpl::~DatabaseImpl() { StopTasks(); }

Status DatabaseImpl::Recover(OpContext& ctx) {
  FileSystem& fs = *deps_.env.fs;
  AKI_RETURN_IF_ERROR(MakeDirs(fs, deps_.options.shared_store ? deps_.options.data_dir : WalDir()));
  AKI_ASSIGN_OR_RETURN(lock_, fs.Lock(deps_.options.data_dir + "/LOCK", deps_.options.lock_note));
  AKI_ASSIGN_OR_RETURN(catalog_, Catalog::Open(ctx, *deps_.store, deps_.env));

  AKI_RETURN_IF_ERROR(RecoverNodeLog(ctx));
  const WalStats stats = wal_stats();
  Log(LogLevel::kInfo, "database open",
      {{"collections", catalog_->size()},
       {"replayed_records", stats.replayed_records},
       {"wal_bytes", stats.live_bytes}});
  return OkStatus();
}

std::shared_ptr<CollectionImpl> DatabaseImpl::FindLoaded(CollectionId id) {
  std::shared_ptr<CollectionImpl> superseded;
  {
    MutexLock lock(map_mutex_);
    const auto it = loaded_.find(id);
    if (it == loaded_.end()) return nullptr;
    if (!it->second->superseded()) return it->second;
    // Before anything lets the log go.
    if (deps_.options.shared_store && it->second->on_node_log()) deps_.node_log.NoteLost(id);
    superseded = std::move(it->second);
    loaded_.erase(it);
  }
  // The tasks do not know it any more.
  superseded->AnswerLate();
  return nullptr;
}

Result<std::shared_ptr<CollectionImpl>> DatabaseImpl::OpenLocked(OpContext& ctx, const CatalogEntry& entry) {
  if (auto collection = FindLoaded(entry.id)) return collection;
  AKI_ASSIGN_OR_RETURN(auto collection, CollectionImpl::Open(ctx, deps_, entry));
  MutexLock lock(map_mutex_);
  loaded_.emplace(entry.id, collection);
  return collection;
}

std::vector<std::shared_ptr<CollectionImpl>> DatabaseImpl::LoadedImpls() {
  MutexLock lock(map_mutex_);
  std::vector<std::shared_ptr<CollectionImpl>> out;
  out.reserve(loaded_.size());
  for (const auto& [id, collection] : loaded_) out.push_back(collection);
  return out;
}

std::vector<std::shared_ptr<Collection>> DatabaseImpl::Loaded() {
  const auto impls = LoadedImpls();
  return {impls.begin(), impls.end()};
}

Status DatabaseImpl::CheckNewName(OpContext& ctx, std::string_view name) {
  AKI_RETURN_IF_ERROR(catalog_->CheckFree(ctx, name));
  if (catalog_->size() < deps_.options.limits.collections_max) return OkStatus();
  return FailedPrecondition("there are " + std::to_string(catalog_->size()) + " collections, the limit is " +
                            std::to_string(deps_.options.limits.collections_max))
      .WithReason("too_many_collections");
}

Result<std::shared_ptr<Collection>> DatabaseImpl::Create(OpContext& ctx, const CollectionSpec& spec) {
  AKI_RETURN_IF_ERROR(spec.Validate(deps_.options.limits));
  if (deps_.options.shared_store && spec.ack == AckLevel::kLocal) AKI_RETURN_IF_ERROR(EnsureNodeLog(ctx));
  MutexLock lock(open_mutex_);
  AKI_RETURN_IF_ERROR(CheckNewName(ctx, spec.name));
  // The first manifest before the name: what the catalog names can always be opened.
  for (int attempt = 0; attempt < kCreateTriesMax; ++attempt) {
    CatalogEntry entry{catalog_->MintId(), FormatRfc3339(deps_.env.clock->WallNow()), spec};
    auto created = CollectionImpl::Create(ctx, deps_, entry);
    if (!created) {
      // A crash between manifest and name left this id used.
      if (created.error().code() == StatusCode::kAlreadyExists) {
        AKI_RETURN_IF_ERROR(internal::ToStatus(catalog_->Refresh(ctx)));  // so did the other nodes' collections
        continue;
      }
      return std::unexpected(std::move(created).error());
    }
    AKI_RETURN_IF_ERROR(catalog_->Add(ctx, entry));
    MutexLock map_lock(map_mutex_);
    loaded_.emplace(entry.id, *created);
    return *created;
  }
  return std::unexpected(Internal("no unused collection id in " + std::to_string(kCreateTriesMax) + " tries"));
}

Result<std::shared_ptr<Collection>> DatabaseImpl::Get(OpContext& ctx, std::string_view name) {
  AKI_ASSIGN_OR_RETURN(const auto entry, catalog_->ResolveFresh(ctx, name));
  if (!entry) return std::unexpected(NoSuchCollection(name));
  std::shared_ptr<CollectionImpl> collection = FindLoaded(entry->id);
  if (!collection) {
    AKI_ASSIGN_OR_RETURN(collection, OpenByName(ctx, name));
  }
  AKI_RETURN_IF_ERROR(FinishReplay(ctx, *collection));
  return collection;
}

bool DatabaseImpl::AtHand(std::string_view name, Access access) {
  const auto entry = catalog_->Resolve(name);
  const auto collection = entry ? FindLoaded(entry->id) : nullptr;
  return collection && !deps_.node_log.IsUnreplayed(collection->id()) && collection->opened() &&
         (access == Access::kRead || collection->writer_epoch().value() != 0);
}

Result<std::shared_ptr<CollectionImpl>> DatabaseImpl::OpenByName(OpContext& ctx, std::string_view name) {
  MutexLock lock(open_mutex_);
  std::optional<CollectionId> dropped;
  while (true) {
    const auto still = catalog_->Resolve(name);
    if (!still || still->id == dropped) return std::unexpected(NoSuchCollection(name));
    auto opened = OpenLocked(ctx, *still);
    if (opened || opened.error().reason() != "collection_dropped") return opened;
    // Who dropped it did not come to the name, nor perhaps to the fences, without which others may still write; or this
    // node has not heard of it yet, and the name may be another collection's by now.
    dropped = still->id;
    Status ended = CollectionImpl::EndForAll(ctx, deps_, still->id);
    if (ended.ok()) ended = catalog_->Drop(ctx, still->id);
    ended.IgnoreError("the next request for it tries again");
  }
}

Result<CatalogEntry> DatabaseImpl::FindOwn(OpContext& ctx, std::string_view name) {
  AKI_ASSIGN_OR_RETURN(const auto entry, catalog_->ResolveFresh(ctx, name));
  if (!entry) return std::unexpected(NoSuchCollection(name));
  if (entry->spec.name == name) return *entry;
  return std::unexpected(FailedPrecondition(std::string(name) + " is an alias; the collection is " + entry->spec.name)
                             .WithReason("is_alias"));
}

Status DatabaseImpl::Drop(OpContext& ctx, std::string_view name) {
  MutexLock lock(open_mutex_);
  if (deps_.options.shared_store) AKI_RETURN_IF_ERROR(internal::ToStatus(catalog_->Refresh(ctx)));
  AKI_ASSIGN_OR_RETURN(const CatalogEntry entry, FindOwn(ctx, name));
  AKI_RETURN_IF_ERROR(CheckNoAliases(name, catalog_->AliasesOf(entry.id)));
  if (deps_.options.shared_store) {
    // Whoever writes to it on another node must stop before the name is gone.
    AKI_RETURN_IF_ERROR(CollectionImpl::EndForAll(ctx, deps_, entry.id));
  }
  if (Status dropped = catalog_->Drop(ctx, entry.id); !dropped.ok()) {
    // Without its name gone it is half dropped: nobody writes to it any more.
    return deps_.options.shared_store ? std::move(dropped).WithEffectUnknown() : std::move(dropped);
  }
  std::shared_ptr<CollectionImpl> collection;
  {
    MutexLock map_lock(map_mutex_);
    if (auto node = loaded_.extract(entry.id)) collection = std::move(node.mapped());
  }
  if (collection) collection->MarkDropped();
  return OkStatus();
}

Status DatabaseImpl::Alter(OpContext& ctx, std::string_view name, const EditSpec& edit, AckGiven ack) {
  MutexLock altering(alter_mutex_);
  const bool may_move = deps_.options.shared_store && ack == AckGiven::kYes;
  if (may_move) AKI_RETURN_IF_ERROR(internal::ToStatus(catalog_->Refresh(ctx)));
  AKI_ASSIGN_OR_RETURN(const CatalogEntry entry, FindOwn(ctx, name));
  AKI_ASSIGN_OR_RETURN(const CollectionSpec proposed, edit(entry.spec));
  std::shared_ptr<CollectionImpl> writer;
  const EditSpec checked = [&](const CollectionSpec& old) -> Result<CollectionSpec> {
    AKI_ASSIGN_OR_RETURN(const CollectionSpec spec, edit(old));
    AKI_RETURN_IF_ERROR(spec.Validate(deps_.options.limits));
    const bool moves = (spec.ack == AckLevel::kLocal) != (old.ack == AckLevel::kLocal);
    if (deps_.options.shared_store && moves && (!writer || spec.ack != proposed.ack))
      return std::unexpected(AlteredMeanwhile());
    const char* fixed = spec.name != old.name                 ? "name"
                        : spec.dim != old.dim                 ? "vector_dim"
                        : spec.distance != old.distance       ? "distance"
                        : spec.vector_type != old.vector_type ? "vector_type"
                                                              : nullptr;
    if (!fixed) return spec;
    return std::unexpected(InvalidArgument(std::string(fixed) + " cannot be changed; create another collection")
                               .WithReason("immutable_field"));
  };
  if (may_move) {
    AKI_ASSIGN_OR_RETURN(writer, OpenToMove(ctx, entry, proposed.ack));
  }
  // Nothing is moved for settings that would be refused. Between catalog and manifest, also after a crash there, the
  // settings say "local" and nothing is bound: then the store acknowledges, which promises more.
  AKI_RETURN_IF_ERROR(internal::ToStatus(checked(entry.spec)));
  const bool bound = writer && writer->AtHome();
  const bool release = bound && proposed.ack != AckLevel::kLocal;
  if (release) AKI_RETURN_IF_ERROR(MoveHome(ctx, *writer, CollectionImpl::HomeMove::kRelease));
  auto altered = catalog_->Update(ctx, entry.id, checked);
  if (!altered) return release ? std::move(altered).error().WithEffectUnknown() : std::move(altered).error();
  {
    MutexLock map_lock(map_mutex_);
    if (const auto it = loaded_.find(entry.id); it != loaded_.end()) it->second->SetSpec(altered->spec);
  }
  if (!writer) return OkStatus();
  Status moved;
  if (!bound && proposed.ack == AckLevel::kLocal) moved = MoveHome(ctx, *writer, CollectionImpl::HomeMove::kBind);
  if (moved.ok()) moved = CheckMoved(ctx, entry.id, proposed.ack);
  return moved.ok() ? std::move(moved) : std::move(moved).WithEffectUnknown();
}

void DatabaseImpl::SettleLoaded() {
  if (!open_mutex_.TryLock()) return;
  for (const auto& collection : LoadedImpls()) {
    if (const auto entry = catalog_->FindById(collection->id())) {
      collection->SetSpec(entry->spec);
      continue;
    }
    {
      MutexLock map_lock(map_mutex_);
      loaded_.erase(collection->id());
    }
    collection->MarkDropped();
  }
  open_mutex_.Unlock();
}

Status DatabaseImpl::Close(OpContext& ctx) {
  StopTasks();
  Status first_error;
  for (const auto& collection : LoadedImpls()) {
    Status status = collection->Flush(ctx);
    // What a node has that was taken over is in the log, for whoever is the writer now.
    if (first_error.ok() && !collection->superseded()) first_error = std::move(status);
  }
  if (deps_.nodes) deps_.nodes->Release(ctx).IgnoreError("others find out in time that this node is gone");
  MutexLock lock(map_mutex_);
  loaded_.clear();
  lock_.reset();
  return first_error;
}

}  // namespace akidb
