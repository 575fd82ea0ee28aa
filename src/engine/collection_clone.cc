// Clones: a collection whose first manifest names another's objects, and a pin there that keeps them until it does not.
#include <algorithm>

#include "base/log.h"
#include "engine/collection_impl.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

std::string PinName(CollectionId clone) { return std::to_string(clone.value()); }

bool IsClonePin(const PinEntry& pin, const std::string& name) { return pin.kind == "clone" && pin.name == name; }

}  // namespace

Result<std::shared_ptr<CollectionImpl>> CollectionImpl::CreateClone(OpContext& ctx, CollectionDeps& deps,
                                                                    const CatalogEntry& entry, const Manifest& origin) {
  std::shared_ptr<CollectionImpl> collection(new CollectionImpl(deps, entry));
  Manifest first;
  first.epoch = Epoch(1);
  // LSNs go on from the source's: positions never go back, whatever becomes of the rows that carry them.
  first.open_epochs.push_back({Epoch(1), deps.options.node, NewestLsn(origin)});
  first.log = deps.options.shared_store ? LogKind::kBucket : LogKind::kLocal;
  if (deps.options.shared_store && entry.spec.ack == AckLevel::kLocal) {
    first.log = LogKind::kLocal;
    first.home = deps.SelfAsHome();
  }
  first.spec = entry.spec;
  first.cloned_from = CloneOrigin{origin.collection, origin.version};
  first.base = origin.base;
  if (first.base) first.base->owner = OwnerOf(origin.collection, *first.base);
  first.segments = origin.segments;
  for (SegmentEntry& segment : first.segments) {
    segment.object.owner = OwnerOf(origin.collection, segment.object);
    if (segment.deletes) segment.deletes->owner = OwnerOf(origin.collection, *segment.deletes);
    if (segment.index) segment.index->owner = OwnerOf(origin.collection, *segment.index);
  }
  MutexLock lock(collection->maintenance_mutex_);
  AKI_RETURN_IF_ERROR(collection->committer_.CreateFirst(ctx, first));
  // Its writer is who writes first; until then its segments are opened only by who reads them.
  collection->LoadView();
  return collection;
}

Result<std::shared_ptr<const ManifestHead>> CollectionImpl::PinForClone(OpContext& ctx, CollectionId clone,
                                                                        const std::optional<ReadPoint>& at) {
  if (!at) {
    AKI_RETURN_IF_ERROR(EnsureEpoch(ctx));
    AKI_RETURN_IF_ERROR(Flush(ctx));
  }
  MutexLock lock(maintenance_mutex_);
  PinEntry pin;
  pin.kind = "clone";
  pin.name = PinName(clone);
  pin.created_at = FormatRfc3339(deps_.env.clock->WallNow());
  if (at) {
    AKI_ASSIGN_OR_RETURN(pin.version, Resolve(ctx, committer_.head()->manifest, *at));
  }
  AKI_RETURN_IF_ERROR(CommitPins(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    const auto same = std::ranges::find_if(manifest->pins, [&](const PinEntry& p) { return IsClonePin(p, pin.name); });
    if (same != manifest->pins.end()) {
      if (*same == pin) return ManifestCommitter::Edited::kAlreadyThere;
      return std::unexpected(AlreadyExists("another node makes a clone with id " + pin.name + " or has given it up"));
    }
    if (!at) {
      AKI_RETURN_IF_ERROR(CheckWriter(*manifest));
      pin.version = manifest->version;
    }
    AKI_RETURN_IF_ERROR(CheckKept(*manifest, pin.version));
    manifest->pins.push_back(pin);
    return ManifestCommitter::Edited::kChanged;
  }));
  return LoadUnchanged(ctx, pin.version);
}

std::vector<CollectionId> CollectionImpl::ClonePins() {
  std::vector<CollectionId> clones;
  const auto head = history_.head();
  for (const PinEntry& pin : head->manifest.pins) {
    if (pin.kind == "clone") clones.emplace_back(std::strtoull(pin.name.c_str(), nullptr, 10));
  }
  return clones;
}

Status CollectionImpl::UnpinClone(OpContext& ctx, CollectionId clone) {
  MutexLock lock(maintenance_mutex_);
  const std::string name = PinName(clone);
  ManifestVersion version;
  AKI_RETURN_IF_ERROR(CommitPins(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    const auto pin = std::ranges::find_if(manifest->pins, [&](const PinEntry& p) { return IsClonePin(p, name); });
    if (pin == manifest->pins.end()) return ManifestCommitter::Edited::kAlreadyThere;
    version = pin->version;
    manifest->pins.erase(pin);
    return ManifestCommitter::Edited::kChanged;
  }));
  if (version.value() != 0) unpinned_.insert(version);
  return OkStatus();
}

bool CollectionImpl::NamesForeign(const std::vector<ManifestVersion>& versions) const {
  return history_.NamesOutside(CollectionPrefix(id_), versions);
}

Result<std::optional<CollectionId>> CollectionImpl::SourceToRelease(OpContext& ctx) {
  // What waits to be read back is read back whole.
  const auto waits_for_foreign = [&](const Unconfirmed& unconfirmed) {
    bool foreign = false;
    ForEachObject(unconfirmed.head->manifest,
                  [&](CollectionId owner, const std::string&, const ObjectRef&) { foreign = foreign || owner != id_; });
    return foreign;
  };
  MutexLock upkeep(upkeep_mutex_);
  std::shared_ptr<const ManifestHead> head;
  std::optional<ManifestVersion> oldest_job;
  {
    MutexLock lock(maintenance_mutex_);
    AKI_RETURN_IF_ERROR(SettleMerge(ctx));
    head = committer_.head();
    if (!epoch_taken_ || !head->manifest.cloned_from) return std::nullopt;
    if (std::ranges::any_of(unconfirmed_, waits_for_foreign)) return std::nullopt;
    oldest_job = OldestFlushStart();
  }
  // A commit that met another node's version and was then refused has moved the head past what is known.
  AKI_RETURN_IF_ERROR(LearnVersions(ctx, {head->manifest.version}));
  if (NamesForeign({head->manifest.version})) return std::nullopt;
  AKI_ASSIGN_OR_RETURN(const ManifestVersion boundary, NextBoundary(ctx, head->manifest, oldest_job));
  std::vector<ManifestVersion> kept = KeptVersions(head->manifest, boundary);
  AKI_RETURN_IF_ERROR(LearnVersions(ctx, kept));
  if (NamesForeign(kept)) return std::nullopt;
  // From here on no commit may name a version that did.
  AKI_ASSIGN_OR_RETURN(head, MoveBoundary(ctx, boundary));
  AKI_RETURN_IF_ERROR(RetireManifests(ctx, head->manifest));
  kept = KeptVersions(head->manifest, KeptFrom(head->manifest));
  AKI_RETURN_IF_ERROR(LearnVersions(ctx, kept));
  if (NamesForeign(kept) || !head->manifest.cloned_from) return std::nullopt;
  return head->manifest.cloned_from->collection;
}

Status CollectionImpl::ForgetSource(OpContext& ctx) {
  MutexLock lock(maintenance_mutex_);
  AKI_RETURN_IF_ERROR(CommitPins(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    if (!manifest->cloned_from) return ManifestCommitter::Edited::kAlreadyThere;
    manifest->cloned_from.reset();
    return ManifestCommitter::Edited::kChanged;
  }));
  Log(LogLevel::kInfo, "clone owns all its objects", {{"collection", id_.value()}});
  return OkStatus();
}

}  // namespace akidb
