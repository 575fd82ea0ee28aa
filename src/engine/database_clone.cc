// Clones, and what becomes of dropped collections: a clone's pin is in its source before anything names the clone, and
// goes only when nothing can need it. A crash at any point leaves garbage at most, which the collect task finds.
#include <algorithm>

#include "base/hash.h"
#include "base/log.h"
#include "engine/database_impl.h"
#include "format/object_keys.h"
#include "format/wal_object.h"

namespace akidb {
namespace {

constexpr int kCloneTriesMax = 1000;
constexpr ManifestVersion kFirstVersion(1);
// The attempt that the last tombstone of a collection carries: nothing of it is left, and its id is never used again.
constexpr std::string_view kPurged = "purged";

bool KeepsAfterDrop(const PinEntry& pin) { return pin.kind != "snapshot" && pin.kind != "reader"; }

std::string PurgedBytes() {
  return EncodeManifestTombstone({kFirstVersion, std::string(kPurged), Epoch(0), Sha256Hex("")});
}

// What the first manifest of a collection says of it. Asks for the name itself, because absence from a listing proves
// nothing (I11): where there is none, one is created that says "purged".
enum class Remains : uint8_t { kChain, kNothing };
Result<Remains> RemainsOf(OpContext& ctx, ObjectStore& store, CollectionId id) {
  const std::string key = ManifestKey(id, kFirstVersion);
  const auto created = store.Put(ctx, key, PurgedBytes(), PutCondition::IfAbsent());
  if (created) return Remains::kNothing;
  if (created.error().code() != StatusCode::kAborted) return std::unexpected(created.error());
  AKI_ASSIGN_OR_RETURN(const ObjectBody body, store.Get(ctx, key, kManifestBytesMax));
  AKI_ASSIGN_OR_RETURN(const auto tombstone, DecodeManifestTombstone(body.bytes));
  return tombstone && tombstone->attempt_id == kPurged ? Remains::kNothing : Remains::kChain;
}

}  // namespace

Result<std::shared_ptr<Collection>> DatabaseImpl::Clone(OpContext& caller, std::string_view source,
                                                        std::string_view name, const std::optional<ReadPoint>& at) {
  AKI_RETURN_IF_ERROR(ValidateName("collection", name));
  AKI_ASSIGN_OR_RETURN(const auto origin, Get(caller, source));
  if (!at) AKI_RETURN_IF_ERROR(origin->Flush(caller));  // may take long, so without the lock
  const AckLevel ack = origin->spec().ack;              // which may be altered meanwhile
  if (deps_.options.shared_store && ack == AckLevel::kLocal) AKI_RETURN_IF_ERROR(EnsureNodeLog(caller));
  // Gives up well before the collect task may take this clone for dead.
  OpContext ctx(caller.clock());
  ctx.set_request_id(caller.request_id());
  ctx.set_deadline(std::min(caller.deadline(), caller.clock().Now() + deps_.options.gc_grace / 2));
  MutexLock lock(open_mutex_);
  const auto entry_of_origin = catalog_->FindById(origin->id());
  if (!entry_of_origin) {
    return std::unexpected(
        NotFound("collection " + std::string(source) + " was dropped").WithReason("collection_not_found"));
  }
  AKI_RETURN_IF_ERROR(CheckNewName(ctx, name));
  AKI_ASSIGN_OR_RETURN(const auto collection, OpenLocked(ctx, *entry_of_origin));
  for (int attempt = 0; attempt < kCloneTriesMax; ++attempt) {
    CatalogEntry entry{catalog_->MintId(), FormatRfc3339(deps_.env.clock->WallNow()), collection->spec()};
    entry.spec.name = name;
    entry.spec.ack = ack;
    // The pin, then what needs it, then the name.
    const auto pinned = collection->PinForClone(ctx, entry.id, at);
    if (!pinned && pinned.error().code() == StatusCode::kAlreadyExists) continue;
    if (!pinned) return std::unexpected(pinned.error());
    auto created = CollectionImpl::CreateClone(ctx, deps_, entry, (*pinned)->manifest);
    if (!created) {
      if (created.error().code() != StatusCode::kAlreadyExists) return std::unexpected(std::move(created).error());
      AKI_RETURN_IF_ERROR(internal::ToStatus(catalog_->Refresh(ctx)));
      continue;
    }
    AKI_RETURN_IF_ERROR(catalog_->Add(ctx, entry));
    Log(LogLevel::kInfo, "cloned",
        {{"collection", collection->id().value()},
         {"version", (*pinned)->manifest.version.value()},
         {"clone", entry.id.value()}});
    homes_due_ = true;  // others forward to its home, if it has one, once that has claimed it
    MutexLock map_lock(map_mutex_);
    loaded_.emplace(entry.id, *created);
    return *created;
  }
  return std::unexpected(Internal("no unused collection id in " + std::to_string(kCloneTriesMax) + " tries"));
}

Status DatabaseImpl::SettleClones(OpContext& ctx, CollectionImpl& collection) {
  AKI_ASSIGN_OR_RETURN(const auto source, collection.SourceToRelease(ctx));
  if (source) {
    AKI_RETURN_IF_ERROR(UnpinClone(ctx, *source, collection.id()));
    AKI_RETURN_IF_ERROR(collection.ForgetSource(ctx));
  }
  const MonotonicTime now = deps_.env.clock->Now();
  for (const CollectionId clone : collection.ClonePins()) {
    const auto known = [&] {
      const auto dropped = catalog_->Dropped();
      return catalog_->FindById(clone) || std::ranges::find(dropped, clone) != dropped.end();
    };
    if (known()) {
      unnamed_since_.erase(clone);
      continue;
    }
    const MonotonicTime since = unnamed_since_.try_emplace(clone, now).first->second;
    if (now >= since + deps_.options.gc_grace) AKI_RETURN_IF_ERROR(AbandonClone(ctx, collection.id(), clone));
  }
  return OkStatus();
}

// Its creator died or is stalled. Once the catalog calls it dropped, no name can be given to it any more; if it has a
// manifest, the purge takes it from there, and the pin with it.
Status DatabaseImpl::AbandonClone(OpContext& ctx, CollectionId source, CollectionId clone) {
  AKI_RETURN_IF_ERROR(catalog_->Abandon(ctx, clone));
  AKI_ASSIGN_OR_RETURN(const Remains remains, RemainsOf(ctx, *deps_.store, clone));
  return remains == Remains::kNothing ? UnpinClone(ctx, source, clone) : OkStatus();
}

// The source may be a collection that was dropped, also if its name is still there.
Status DatabaseImpl::UnpinClone(OpContext& ctx, CollectionId source, CollectionId clone) {
  std::shared_ptr<CollectionImpl> collection;
  {
    MutexLock lock(open_mutex_);
    if (const auto entry = catalog_->FindById(source)) {
      auto opened = OpenLocked(ctx, *entry);
      if (!opened && opened.error().reason() != "collection_dropped") return std::move(opened).error();
      if (opened) collection = std::move(*opened);
    }
  }
  if (collection) {
    Status status = collection->UnpinClone(ctx, clone);
    if (status.reason() != "collection_dropped") return status;
  }
  ManifestCommitter committer(*deps_.store, deps_.env, source);
  AKI_RETURN_IF_ERROR(committer.Load(ctx));
  return internal::ToStatus(committer.Commit(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    const size_t pins = std::erase_if(manifest->pins, [&](const PinEntry& pin) {
      return pin.kind == "clone" && pin.name == std::to_string(clone.value());
    });
    return pins == 0 ? ManifestCommitter::Edited::kAlreadyThere : ManifestCommitter::Edited::kChanged;
  }));
}

Status DatabaseImpl::PurgeDropped(OpContext& ctx) {
  const MonotonicTime now = deps_.env.clock->Now();
  std::vector<CollectionId> purged;
  for (const CollectionId id : catalog_->Dropped()) {
    const MonotonicTime since = dropped_since_.try_emplace(id, now).first->second;
    if (now < since + deps_.options.gc_grace) continue;
    AKI_ASSIGN_OR_RETURN(const bool gone, Purge(ctx, id));
    if (gone) purged.push_back(id);
    dropped_since_[id] = now;
  }
  if (!purged.empty()) AKI_RETURN_IF_ERROR(catalog_->MarkPurged(ctx, purged));
  for (const CollectionId id : purged) dropped_since_.erase(id);
  return OkStatus();
}

Result<bool> DatabaseImpl::Purge(OpContext& ctx, CollectionId id) {
  AKI_ASSIGN_OR_RETURN(const Remains remains, RemainsOf(ctx, *deps_.store, id));
  if (remains == Remains::kChain) {
    ManifestCommitter committer(*deps_.store, deps_.env, id);
    AKI_RETURN_IF_ERROR(committer.Load(ctx));
    // Nobody pins anything in it from here on, so that what is pinned now is all that is ever needed.
    AKI_ASSIGN_OR_RETURN(const auto head,
                         committer.Commit(ctx, [](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
                           if (manifest->dropped) return ManifestCommitter::Edited::kAlreadyThere;
                           manifest->dropped = true;
                           return ManifestCommitter::Edited::kChanged;
                         }));
    std::set<std::string, std::less<>> kept;
    for (const PinEntry& pin : head->manifest.pins) {
      if (!KeepsAfterDrop(pin)) continue;
      AKI_ASSIGN_OR_RETURN(const auto pinned, committer.reader()->Read(ctx, pin.version));
      for (std::string& key : ObjectKeysOf(pinned->manifest)) kept.insert(std::move(key));
    }
    // The head must stay readable: whoever slept while the collection was dropped learns it there.
    if (const auto& base = head->manifest.base) kept.insert(BaseKeyOf(id, *base));
    AKI_RETURN_IF_ERROR(DeleteObjects(ctx, id, kept, Names::kKeep));
    if (std::ranges::any_of(head->manifest.pins, KeepsAfterDrop)) return false;
    // What it was cloned from is let go before the manifest that says so is.
    if (const auto& origin = head->manifest.cloned_from) {
      AKI_RETURN_IF_ERROR(UnpinClone(ctx, origin->collection, id));
    }
    AKI_RETURN_IF_ERROR(BuryManifests(ctx, head->manifest));
    AKI_RETURN_IF_ERROR(
        internal::ToStatus(deps_.store->Put(ctx, ManifestKey(id, kFirstVersion), PurgedBytes(), PutCondition::None())));
  }
  // Where one process owns the store nobody else can create what is freed here, but for the first manifest, which
  // stays.
  AKI_RETURN_IF_ERROR(DeleteObjects(ctx, id, {}, deps_.options.shared_store ? Names::kKeep : Names::kFree));
  return true;
}

// Leaves tombstones of the versions between the first and the last, so that no name is ever free again (I7). What is
// below the collector's boundary are tombstones already, but for what was pinned or came last.
Status DatabaseImpl::BuryManifests(OpContext& ctx, const Manifest& head) {
  if (!deps_.options.shared_store) return OkStatus();
  std::set<ManifestVersion> pinned;
  for (const PinEntry& pin : head.pins) pinned.insert(pin.version);
  bool tombstones = false;
  for (ManifestVersion version(head.version.value() - 1); version > kFirstVersion;
       version = ManifestVersion(version.value() - 1)) {
    if (tombstones && !pinned.contains(version)) continue;
    const std::string key = ManifestKey(head.collection, version);
    AKI_ASSIGN_OR_RETURN(const ObjectBody body, deps_.store->Get(ctx, key, kManifestBytesMax));
    AKI_ASSIGN_OR_RETURN(const auto tombstone, DecodeManifestTombstone(body.bytes));
    if (tombstone) {
      tombstones = version < head.gc_boundary;
      continue;
    }
    AKI_ASSIGN_OR_RETURN(const StoredManifest old, DecodeStoredManifest(body.bytes));
    const ManifestTombstone next{version, old.manifest.attempt_id, old.manifest.epoch, Sha256Hex(body.bytes)};
    AKI_RETURN_IF_ERROR(
        internal::ToStatus(deps_.store->Put(ctx, key, EncodeManifestTombstone(next), PutCondition::None())));
  }
  return OkStatus();
}

// While names are kept, manifests and fences stay: a process that slept may still try to create what follows them, and
// would believe that it is the writer (I7).
Status DatabaseImpl::DeleteObjects(OpContext& ctx, CollectionId id, const std::set<std::string, std::less<>>& kept,
                                   Names names) {
  const std::string prefix = CollectionPrefix(id);
  const std::string first = ManifestKey(id, kFirstVersion);
  bool first_listed = false;
  std::string after;
  while (true) {
    AKI_ASSIGN_OR_RETURN(const ListPage page, deps_.store->List(ctx, prefix, after, 1000));
    for (const ObjectMeta& object : page.objects) {
      first_listed = first_listed || object.key == first;
      const bool manifest = object.key.starts_with(prefix + "manifest/");
      if (object.key == first || kept.contains(object.key) || (manifest && names == Names::kKeep)) continue;
      if (const auto name = ParseWalObjectKey(id, object.key); name && names == Names::kKeep) {
        AKI_ASSIGN_OR_RETURN(const ObjectBody body, deps_.store->Get(ctx, object.key, kWalObjectBytesMax));
        AKI_ASSIGN_OR_RETURN(const WalObject log, DecodeWalObject(body.bytes, id, name->epoch, name->sequence));
        if (log.header.kind == WalObjectKind::kFence) continue;
      }
      AKI_RETURN_IF_ERROR(deps_.store->Delete(ctx, object.key));
    }
    if (!page.truncated || page.objects.empty()) break;
    after = page.objects.back().key;
  }
  // A listing without what is known to be there says nothing about the rest (I11).
  return first_listed ? OkStatus() : Unavailable("the listing of " + prefix + " does not show " + first);
}

}  // namespace akidb
