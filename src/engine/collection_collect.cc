// Collecting what no kept version names any more (I8).
#include <algorithm>

#include "base/log.h"
#include "engine/collection_impl.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

// Versions that pile up below the boundary, without garbage that would move it, before it is moved for them.
constexpr uint64_t kUnretiredMax = 1000;

}  // namespace

// Commits go on while this reads, lists and deletes: the lock that they need is taken to decide, and to move the
// boundary. From then on no commit may name what was doomed, so nothing needs to stand still while it is deleted.
Status CollectionImpl::CollectStep(OpContext& ctx) {
  CloseIdleVersions();
  MutexLock upkeep(upkeep_mutex_);
  std::shared_ptr<const ManifestHead> head;
  std::optional<ManifestVersion> oldest_job;
  {
    MutexLock lock(maintenance_mutex_);
    AKI_RETURN_IF_ERROR(SettleMerge(ctx));
    {
      MutexLock write(write_mutex_);
      if (dropped_) return OkStatus();
    }
    // Objects of a job under way are not named yet; they are not garbage.
    if (superseded() || merging_ || indexing_ || !epoch_taken_) return OkStatus();
    head = committer_.head();
    oldest_job = OldestFlushStart();
  }
  AKI_RETURN_IF_ERROR(RetireUnpinned(ctx));
  AKI_ASSIGN_OR_RETURN(const ManifestVersion boundary, NextBoundary(ctx, head->manifest, oldest_job));
  bool sweep = sweep_due_ || (sweep_later_ && boundary > swept_below_);
  {
    MutexLock lock(maintenance_mutex_);
    head = committer_.head();
    sweep = sweep || !garbage_since_.empty() || history_.NamesMoreThan(KeptVersions(head->manifest, boundary));
  }
  if (sweep) return Sweep(ctx, head->manifest, boundary);
  if (boundary.value() < head->manifest.gc_boundary.value() + kUnretiredMax) return OkStatus();
  AKI_ASSIGN_OR_RETURN(head, MoveBoundary(ctx, boundary));
  return RetireManifests(ctx, head->manifest);
}

Status CollectionImpl::Sweep(OpContext& ctx, const Manifest& manifest, ManifestVersion boundary) {
  sweep_due_ = false;  // what becomes garbage from here on may not be in the listing
  auto garbage = FindGarbage(ctx, manifest, boundary);
  if (!garbage) {
    sweep_due_ = true;
    return std::move(garbage).error();
  }
  swept_below_ = boundary;
  sweep_later_ = garbage->later;
  // What only forgotten versions named is garbage that was just seen.
  history_.ForgetKeys(boundary, KeptVersions(manifest, boundary));
  std::vector<std::pair<std::string, MonotonicTime>> old_enough;
  std::vector<std::shared_ptr<SegmentUnit>> units;
  {
    // The times and the units they are compared with, at once: a merge that comes later begins the grace anew, and may
    // take away what the older times wait for.
    MutexLock lock(maintenance_mutex_);
    const MonotonicTime now = deps_.env.clock->Now();
    std::map<std::string, MonotonicTime> since;
    for (const std::string& key : garbage->keys) {
      const auto known = garbage_since_.find(key);
      const MonotonicTime first_seen = known == garbage_since_.end() ? now : known->second;
      since.emplace(key, first_seen);
      if (now >= first_seen + deps_.options.gc_grace) old_enough.emplace_back(key, first_seen);
    }
    garbage_since_ = std::move(since);
    units = view()->segments;
  }
  std::vector<std::string> due;
  for (auto& [key, first_seen] : old_enough) {
    AKI_ASSIGN_OR_RETURN(const bool verified, VerifiedSince(ctx, units, first_seen));
    if (verified) due.push_back(std::move(key));
  }
  return due.empty() ? OkStatus() : DeleteGarbage(ctx, boundary, due);
}

// The boundary dooms, before anything is deleted, what no commit may name from now on.
Result<std::shared_ptr<const ManifestHead>> CollectionImpl::MoveBoundary(OpContext& ctx, ManifestVersion boundary) {
  MutexLock lock(maintenance_mutex_);
  AKI_RETURN_IF_ERROR(SettleMerge(ctx));  // readers would be told a version that they are not shown
  AKI_RETURN_IF_ERROR(committer_.Commit(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    if (manifest->gc_boundary >= boundary) return ManifestCommitter::Edited::kAlreadyThere;
    manifest->gc_boundary = boundary;
    return ManifestCommitter::Edited::kChanged;
  }));
  PublishVersion();
  return committer_.head();
}

Status CollectionImpl::DeleteGarbage(OpContext& ctx, ManifestVersion boundary, const std::vector<std::string>& due) {
  std::shared_ptr<const ManifestHead> head;
  {
    MutexLock lock(maintenance_mutex_);
    head = committer_.head();
  }
  // A store that has forgotten the head would be left with an older one, which may still name what is deleted here.
  AKI_RETURN_IF_ERROR(manifests_->ReRead(ctx, *head));
  AKI_ASSIGN_OR_RETURN(head, MoveBoundary(ctx, boundary));
  // Asked again of the manifest just committed: another committer may have pinned something meanwhile.
  AKI_ASSIGN_OR_RETURN(const Garbage doomed, FindGarbage(ctx, head->manifest, boundary));
  std::vector<std::string> deleted;
  Status status;
  for (const std::string& key : due) {
    if (std::ranges::find(doomed.keys, key) == doomed.keys.end()) continue;
    verified_keys_.insert(key);
    status = deps_.store->Delete(ctx, key);
    if (!status.ok()) break;
    deleted.push_back(key);
  }
  {
    MutexLock lock(maintenance_mutex_);
    for (const std::string& key : deleted) garbage_since_.erase(key);
  }
  AKI_RETURN_IF_ERROR(std::move(status));
  Log(LogLevel::kInfo, "collected",
      {{"collection", id_.value()}, {"objects", deleted.size()}, {"boundary", boundary.value()}});
  return RetireManifests(ctx, head->manifest);
}

// Segments and deletion vectors that no version of `manifest` from `boundary` on and no pinned one names.
Result<CollectionImpl::Garbage> CollectionImpl::FindGarbage(OpContext& ctx, const Manifest& manifest,
                                                            ManifestVersion boundary) {
  const std::vector<ManifestVersion> kept = KeptVersions(manifest, boundary);
  AKI_RETURN_IF_ERROR(LearnVersions(ctx, kept));
  const auto named = history_.NamedBy(kept);
  Garbage garbage;
  for (const std::string_view folder : {"segments/", "deletes/", "indexes/", "bases/"}) {
    const std::string prefix = CollectionPrefix(id_) + std::string(folder);
    std::string after;
    while (true) {
      AKI_ASSIGN_OR_RETURN(const ListPage page, deps_.store->List(ctx, prefix, after, 1000));
      for (const ObjectMeta& object : page.objects) {
        const std::string_view name = std::string_view(object.key).substr(prefix.size());
        const auto start = ObjectIdStart(name.substr(0, name.find('.')));
        if (!start || named.contains(object.key)) continue;
        if (*start < boundary) {
          garbage.keys.push_back(object.key);
        } else {
          garbage.later = true;
        }
      }
      if (!page.truncated || page.objects.empty()) break;
      after = page.objects.back().key;
    }
  }
  return garbage;
}

}  // namespace akidb
