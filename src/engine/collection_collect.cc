// Collecting what no kept version names any more (I8).
#include <algorithm>

#include "base/log.h"
#include "engine/collection_impl.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

// Versions that pile up below the boundary, without garbage that would move it, before it is moved for them.
constexpr uint64_t kUnretiredMax = 1000;
// How often in a row collecting waits for a flush.
constexpr int kPutOffMax = 3;

}  // namespace

Status CollectionImpl::CollectStep(OpContext& ctx) {
  CloseIdleVersions();
  MutexLock lock(maintenance_mutex_);
  AKI_RETURN_IF_ERROR(SettleMerge(ctx));
  {
    MutexLock write(write_mutex_);
    if (dropped_) return OkStatus();
  }
  // Objects of a job under way are not named yet; they are not garbage. Where there is always a flush under way, one may
  // have to upload again.
  if (superseded() || merging_ || indexing_ || !epoch_taken_) return OkStatus();
  if (flushing() && ++collects_put_off_ < kPutOffMax) return OkStatus();
  collects_put_off_ = 0;
  AKI_RETURN_IF_ERROR(RetireUnpinned(ctx));
  AKI_ASSIGN_OR_RETURN(const ManifestVersion boundary, OldestRetained(ctx));
  const Manifest& manifest = committer_.head()->manifest;
  const bool sweep = sweep_due_ || !garbage_since_.empty() || (sweep_later_ && boundary > swept_below_) ||
                     history_.NamesMoreThan(KeptVersions(boundary));
  if (sweep) return Sweep(ctx, boundary);
  if (boundary.value() < manifest.gc_boundary.value() + kUnretiredMax) return OkStatus();
  AKI_RETURN_IF_ERROR(MoveBoundary(ctx, boundary));
  return RetireManifests(ctx);
}

Status CollectionImpl::Sweep(OpContext& ctx, ManifestVersion boundary) {
  AKI_ASSIGN_OR_RETURN(const Garbage garbage, FindGarbage(ctx, boundary));
  const MonotonicTime now = deps_.env.clock->Now();
  std::map<std::string, MonotonicTime> since;
  std::vector<std::string> due;
  for (const std::string& key : garbage.keys) {
    const auto known = garbage_since_.find(key);
    const MonotonicTime first_seen = known == garbage_since_.end() ? now : known->second;
    since.emplace(key, first_seen);
    if (now < first_seen + deps_.options.gc_grace) continue;
    AKI_ASSIGN_OR_RETURN(const bool verified, VerifiedSince(ctx, first_seen));
    if (verified) due.push_back(key);
  }
  garbage_since_ = std::move(since);
  swept_below_ = boundary;
  sweep_later_ = garbage.later;
  sweep_due_ = false;
  // What only forgotten versions named is garbage that was just seen.
  history_.ForgetKeys(boundary, KeptVersions(boundary));
  return due.empty() ? OkStatus() : DeleteGarbage(ctx, boundary, due);
}

// The boundary dooms, before anything is deleted, what no commit may name from now on.
Status CollectionImpl::MoveBoundary(OpContext& ctx, ManifestVersion boundary) {
  AKI_RETURN_IF_ERROR(committer_.Commit(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    if (manifest->gc_boundary >= boundary) return ManifestCommitter::Edited::kAlreadyThere;
    manifest->gc_boundary = boundary;
    return ManifestCommitter::Edited::kChanged;
  }));
  PublishVersion();
  return OkStatus();
}

Status CollectionImpl::DeleteGarbage(OpContext& ctx, ManifestVersion boundary, const std::vector<std::string>& due) {
  // A store that has forgotten the head would be left with an older one, which may still name what is deleted here.
  AKI_RETURN_IF_ERROR(committer_.ReRead(ctx, *committer_.head()));
  AKI_RETURN_IF_ERROR(MoveBoundary(ctx, boundary));
  // Asked again of the manifest just committed: another committer may have pinned something meanwhile.
  AKI_ASSIGN_OR_RETURN(const Garbage doomed, FindGarbage(ctx, boundary));
  uint64_t deleted = 0;
  for (const std::string& key : due) {
    if (std::ranges::find(doomed.keys, key) == doomed.keys.end()) continue;
    verified_keys_.insert(key);
    AKI_RETURN_IF_ERROR(deps_.store->Delete(ctx, key));
    garbage_since_.erase(key);
    ++deleted;
  }
  Log(LogLevel::kInfo, "collected",
      {{"collection", id_.value()}, {"objects", deleted}, {"boundary", boundary.value()}});
  return RetireManifests(ctx);
}

// Segments and deletion vectors that no version from `boundary` on and no pinned one names.
Result<CollectionImpl::Garbage> CollectionImpl::FindGarbage(OpContext& ctx, ManifestVersion boundary) {
  const std::vector<ManifestVersion> kept = KeptVersions(boundary);
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
