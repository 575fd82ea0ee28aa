// Which versions are kept, and what becomes of the manifests of the others.
#include <algorithm>

#include "base/hash.h"
#include "base/log.h"
#include "engine/collection_impl.h"
#include "format/object_keys.h"

namespace akidb {

// The newest versions, as many as `retain_versions`, of those that were current within `retain_age`. Never goes back,
// whatever the wall clock does.
Result<ManifestVersion> CollectionImpl::OldestRetained(OpContext& ctx, const Manifest& manifest) {
  const ManifestVersion least = std::max(KeptFrom(manifest), swept_below_);
  const std::string since = FormatRfc3339(deps_.env.clock->WallNow() - deps_.options.retain_age);
  uint64_t oldest = manifest.version.value();
  for (uint32_t count = 1; oldest > least.value() && count < deps_.options.retain_versions; ++count, --oldest) {
    // The version before `oldest` was current until `oldest` came.
    AKI_RETURN_IF_ERROR(LearnVersions(ctx, {ManifestVersion(oldest)}));
    if (history_.Find(ManifestVersion(oldest))->created_at <= since) break;
  }
  return ManifestVersion(oldest);
}

// A boundary above the version that a job started from would doom what it uploads: it waits for the job.
Result<ManifestVersion> CollectionImpl::NextBoundary(OpContext& ctx, const Manifest& manifest,
                                                     std::optional<ManifestVersion> oldest_job) {
  AKI_ASSIGN_OR_RETURN(const ManifestVersion oldest, OldestRetained(ctx, manifest));
  if (!oldest_job || *oldest_job >= oldest) return oldest;
  return std::max({*oldest_job, KeptFrom(manifest), swept_below_});
}

std::vector<ManifestVersion> CollectionImpl::KeptVersions(const Manifest& manifest, ManifestVersion boundary) {
  std::vector<ManifestVersion> kept;
  for (ManifestVersion version = boundary; version <= manifest.version; version = version.Next())
    kept.push_back(version);
  for (const PinEntry& pin : manifest.pins) {
    if (pin.version < boundary) kept.push_back(pin.version);
  }
  return kept;
}

Status CollectionImpl::LearnVersions(OpContext& ctx, const std::vector<ManifestVersion>& versions) {
  for (const ManifestVersion version : versions) {
    if (!history_.KnowsKeys(version)) AKI_RETURN_IF_ERROR(LoadVersion(ctx, version));
  }
  return OkStatus();
}

// Replaces manifests below the boundary by tombstones, so that their names are never free (I7).
Status CollectionImpl::RetireManifests(OpContext& ctx, const Manifest& manifest) {
  const ManifestVersion boundary = manifest.gc_boundary;
  if (retired_below_.value() == 0) {
    // Retirement goes upwards, so but for pinned versions tombstones and manifests are two runs: look for the seam.
    uint64_t low = 1;
    uint64_t high = boundary.value();
    while (low < high) {
      uint64_t middle = low + (high - low) / 2;
      while (middle > low && HasPin(manifest, ManifestVersion(middle))) --middle;
      if (HasPin(manifest, ManifestVersion(middle))) {
        low = middle + 1;
        continue;
      }
      AKI_ASSIGN_OR_RETURN(const ObjectBody body,
                           deps_.store->Get(ctx, ManifestKey(id_, ManifestVersion(middle)), kManifestBytesMax));
      AKI_ASSIGN_OR_RETURN(const auto tombstone, DecodeManifestTombstone(body.bytes));
      if (tombstone) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    retired_below_ = ManifestVersion(low);
  }
  for (; retired_below_ < boundary; retired_below_ = retired_below_.Next()) {
    if (!HasPin(manifest, retired_below_)) AKI_RETURN_IF_ERROR(RetireManifest(ctx, retired_below_));
  }
  // A pin that another node removed meanwhile has left garbage, which nothing will tell of later.
  const std::vector<ManifestVersion> kept = KeptVersions(history_.head()->manifest, boundary);
  if (history_.NamesMoreThan(kept)) sweep_due_ = true;
  history_.Forget(boundary, kept);
  return OkStatus();
}

// Those that lost their pin when all around them were tombstones already.
Status CollectionImpl::RetireUnpinned(OpContext& ctx) {
  std::shared_ptr<const ManifestHead> head;
  std::set<ManifestVersion> versions;
  {
    MutexLock lock(maintenance_mutex_);
    head = committer_.head();
    versions.swap(unpinned_);
  }
  if (versions.empty()) return OkStatus();
  // A tombstone above manifests that are still there, as after a step that failed, would hide them from who looks for
  // the seam.
  const bool behind = retired_below_ < head->manifest.gc_boundary;
  Status status = behind ? RetireManifests(ctx, head->manifest) : OkStatus();
  while (status.ok() && !versions.empty()) {
    const ManifestVersion version = *versions.begin();
    // Below the boundary nobody pins what is not pinned.
    const bool lost = version < head->manifest.gc_boundary && !HasPin(head->manifest, version);
    if (lost) status = RetireManifest(ctx, version);
    if (status.ok()) versions.erase(version);
  }
  MutexLock lock(maintenance_mutex_);
  unpinned_.merge(versions);  // those that failed
  return status;
}

Status CollectionImpl::RetireManifest(OpContext& ctx, ManifestVersion version) {
  const std::string key = ManifestKey(id_, version);
  ManifestTombstone tombstone;
  tombstone.version = version;
  if (const auto known = history_.Find(version)) {
    tombstone.attempt_id = known->attempt_id;
    tombstone.epoch = known->epoch;
    tombstone.sha256 = known->sha256;
  } else {
    AKI_ASSIGN_OR_RETURN(const ObjectBody body, deps_.store->Get(ctx, key, kManifestBytesMax));
    AKI_ASSIGN_OR_RETURN(const auto retired, DecodeManifestTombstone(body.bytes));
    if (retired) return OkStatus();
    // Without its base, which a process that died between its deletes may have taken already.
    AKI_ASSIGN_OR_RETURN(const StoredManifest stored, DecodeStoredManifest(body.bytes));
    if (stored.manifest.version != version || stored.manifest.collection != id_) {
      return DataLoss(key + " holds another version or collection");
    }
    tombstone.attempt_id = stored.manifest.attempt_id;
    tombstone.epoch = stored.manifest.epoch;
    tombstone.sha256 = Sha256Hex(body.bytes);
    sweep_due_ = true;  // what it alone named is known to nobody
  }
  return internal::ToStatus(deps_.store->Put(ctx, key, EncodeManifestTombstone(tombstone), PutCondition::None()));
}

}  // namespace akidb
