#include "manifest/catalog.h"

#include <algorithm>

#include "base/hash.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

constexpr size_t kDeltasBeforeCheckpointMin = 64;
constexpr int kRebasesMax = 100;

Status NotFoundError(std::string_view what) {
  return NotFound("collection " + std::string(what) + " does not exist").WithReason("collection_not_found");
}

}  // namespace

Catalog::Catalog(ObjectStore& store, const Environment& env)
    : env_(env), chain_(store, std::string(kCatalogPrefix), CatalogKey, [](std::string_view bytes) {
        return internal::ToStatus(DecodeCatalogVersion(bytes));
      }) {}

Result<std::unique_ptr<Catalog>> Catalog::Open(OpContext& ctx, ObjectStore& store, const Environment& env) {
  std::unique_ptr<Catalog> catalog(new Catalog(store, env));
  MutexLock lock(catalog->mutex_);
  AKI_RETURN_IF_ERROR(catalog->LoadAll(ctx));
  return catalog;
}

Status Catalog::LoadAll(OpContext& ctx) {
  AKI_ASSIGN_OR_RETURN(const ManifestVersion head, chain_.FindHead(ctx));
  if (head.value() == 0) return OkStatus();
  AKI_ASSIGN_OR_RETURN(const std::string head_bytes, chain_.Read(ctx, head));
  AKI_ASSIGN_OR_RETURN(const CatalogVersion newest, DecodeCatalogVersion(head_bytes));
  const ManifestVersion first = newest.checkpoint ? head : std::max(newest.last_checkpoint, ManifestVersion(1));
  for (ManifestVersion v = first; v <= head; v = v.Next()) {
    AKI_ASSIGN_OR_RETURN(const std::string bytes, chain_.Read(ctx, v));
    AKI_ASSIGN_OR_RETURN(const CatalogVersion version, DecodeCatalogVersion(bytes));
    if (version.version != v)
      return DataLoss(CatalogKey(v) + " holds version " + std::to_string(version.version.value()));
    if (v != first && version.previous_sha256 != sha256_) return DataLoss(CatalogKey(v) + " names another predecessor");
    AKI_RETURN_IF_ERROR(Apply(version, bytes));
  }
  return OkStatus();
}

Status Catalog::Apply(const CatalogVersion& version, std::string_view bytes) {
  if (version.checkpoint) {
    entries_.clear();
    by_name_.clear();
    dropped_.clear();
    checkpoint_entries_ = version.put.size();
    last_checkpoint_ = version.version;
  }
  for (const CollectionId id : version.dropped) {
    if (const auto it = entries_.find(id); it != entries_.end()) {
      by_name_.erase(it->second.spec.name);
      entries_.erase(it);
    }
    dropped_.insert(id);
  }
  for (const CatalogEntry& entry : version.put) {
    if (const auto it = by_name_.find(entry.spec.name); it != by_name_.end() && it->second != entry.id) {
      return DataLoss(CatalogKey(version.version) + " names " + entry.spec.name + " twice");
    }
    entries_[entry.id] = entry;
    by_name_[entry.spec.name] = entry.id;
  }
  next_id_ = std::max(next_id_, version.next_collection_id);
  version_ = version.version;
  sha256_ = Sha256Hex(bytes);
  return OkStatus();
}

Status Catalog::ResolvePending(OpContext& ctx) {
  if (!chain_.pending()) return OkStatus();
  const ManifestVersion version = chain_.pending_version();
  std::string bytes = chain_.pending_bytes();
  AKI_ASSIGN_OR_RETURN(const Verdict verdict, chain_.Resolve(ctx));
  if (verdict == Verdict::kLost) {
    AKI_ASSIGN_OR_RETURN(bytes, chain_.Read(ctx, version));
  }
  AKI_ASSIGN_OR_RETURN(const CatalogVersion decoded, DecodeCatalogVersion(bytes));
  return Apply(decoded, bytes);
}

Status Catalog::Commit(OpContext& ctx, const std::function<Status(CatalogVersion*)>& make) {
  AKI_RETURN_IF_ERROR(ResolvePending(ctx));
  for (int rebase = 0; rebase < kRebasesMax; ++rebase) {
    CatalogVersion next;
    AKI_RETURN_IF_ERROR(make(&next));
    next.version = version_.Next();
    next.previous_sha256 = sha256_;
    next.attempt_id = env_.random->Hex(16);
    next.created_at = FormatRfc3339(env_.clock->WallNow());
    next.last_checkpoint = last_checkpoint_;
    next.next_collection_id = next_id_;
    std::string bytes = EncodeCatalogVersion(next);
    AKI_ASSIGN_OR_RETURN(const Verdict verdict, chain_.Create(ctx, next.version, bytes));
    if (verdict == Verdict::kWon) return Apply(next, bytes);
    AKI_ASSIGN_OR_RETURN(bytes, chain_.Read(ctx, next.version));
    AKI_ASSIGN_OR_RETURN(const CatalogVersion winner, DecodeCatalogVersion(bytes));
    AKI_RETURN_IF_ERROR(Apply(winner, bytes));
  }
  return Aborted("catalog: other committers won " + std::to_string(kRebasesMax) + " times in a row");
}

Status Catalog::CheckpointIfDue(OpContext& ctx) {
  const uint64_t deltas = version_.value() - last_checkpoint_.value();
  if (deltas < std::max(kDeltasBeforeCheckpointMin, checkpoint_entries_)) return OkStatus();
  return Commit(ctx, [this](CatalogVersion* next) AKI_REQUIRES(mutex_) {
    next->checkpoint = true;
    for (const auto& [id, entry] : entries_) next->put.push_back(entry);
    next->dropped.assign(dropped_.begin(), dropped_.end());
    return OkStatus();
  });
}

std::optional<CatalogEntry> Catalog::Find(std::string_view name) {
  MutexLock lock(mutex_);
  const auto it = by_name_.find(name);
  if (it == by_name_.end()) return std::nullopt;
  return entries_.at(it->second);
}

std::optional<CatalogEntry> Catalog::FindById(CollectionId id) {
  MutexLock lock(mutex_);
  const auto it = entries_.find(id);
  if (it == entries_.end()) return std::nullopt;
  return it->second;
}

std::vector<CatalogEntry> Catalog::List() {
  MutexLock lock(mutex_);
  std::vector<CatalogEntry> out;
  out.reserve(by_name_.size());
  for (const auto& [name, id] : by_name_) out.push_back(entries_.at(id));
  return out;
}

size_t Catalog::size() {
  MutexLock lock(mutex_);
  return entries_.size();
}

CollectionId Catalog::MintId() {
  MutexLock lock(mutex_);
  const CollectionId id = next_id_;
  next_id_ = next_id_.Next();
  return id;
}

std::vector<CollectionId> Catalog::Dropped() {
  MutexLock lock(mutex_);
  return {dropped_.begin(), dropped_.end()};
}

Status Catalog::Add(OpContext& ctx, const CatalogEntry& entry) {
  MutexLock lock(mutex_);
  AKI_RETURN_IF_ERROR(Commit(ctx, [&](CatalogVersion* next) AKI_REQUIRES(mutex_) -> Status {
    if (by_name_.contains(entry.spec.name)) {
      return AlreadyExists("collection " + entry.spec.name + " already exists").WithReason("collection_exists");
    }
    next->put.push_back(entry);
    return OkStatus();
  }));
  CheckpointIfDue(ctx).IgnoreError("the delta is committed; the next change tries the checkpoint again");
  return OkStatus();
}

Status Catalog::Change(OpContext& ctx, const CatalogEntry& entry) {
  MutexLock lock(mutex_);
  return Commit(ctx, [&](CatalogVersion* next) AKI_REQUIRES(mutex_) -> Status {
    if (!entries_.contains(entry.id)) return NotFoundError(entry.spec.name);
    next->put.push_back(entry);
    return OkStatus();
  });
}

Status Catalog::Drop(OpContext& ctx, CollectionId id) {
  MutexLock lock(mutex_);
  AKI_RETURN_IF_ERROR(Commit(ctx, [&](CatalogVersion* next) AKI_REQUIRES(mutex_) -> Status {
    if (!entries_.contains(id)) return NotFoundError(std::to_string(id.value()));
    next->dropped.push_back(id);
    return OkStatus();
  }));
  CheckpointIfDue(ctx).IgnoreError("the delta is committed; the next change tries the checkpoint again");
  return OkStatus();
}

}  // namespace akidb
