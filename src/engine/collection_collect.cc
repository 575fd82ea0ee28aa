// Reading back what was committed, so that the log may be trimmed, and collecting what nothing names any more (I8).
#include <algorithm>

#include "base/hash.h"
#include "base/log.h"
#include "engine/collection_impl.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

constexpr uint64_t kVerifyRangeBytes = 8u << 20;

}  // namespace

Status CollectionImpl::VerifyObject(OpContext& ctx, const std::string& key, const ObjectRef& object) {
  Sha256 hash;
  std::string buffer;
  for (uint64_t begin = 0; begin < object.size_bytes; begin += kVerifyRangeBytes) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    const ByteRange range{begin, std::min(begin + kVerifyRangeBytes, object.size_bytes)};
    buffer.resize(range.size());
    AKI_RETURN_IF_ERROR(deps_.store->GetRange(ctx, key, range, object.version_id, buffer.data()));
    hash.Update(buffer);
  }
  if (hash.HexDigest() != object.sha256) return DataLoss(key + " read back with another SHA-256 than was written");
  return OkStatus();
}

Status CollectionImpl::VerifyUnit(OpContext& ctx, SegmentUnit& unit) {
  if (unit.verified()) return OkStatus();
  AKI_RETURN_IF_ERROR(VerifyObject(ctx, SegmentKey(id_, unit.id()), unit.entry().object));
  unit.set_verified();
  return OkStatus();
}

Status CollectionImpl::VerifyMergeProducts(OpContext& ctx) {
  for (const auto& unit : view()->segments) {
    if (!unit->merged() || deps_.env.clock->Now() < unit->committed_at() + deps_.options.trim_delay) continue;
    AKI_RETURN_IF_ERROR(VerifyUnit(ctx, *unit));
  }
  return OkStatus();
}

// Reads back everything that `manifest` names. An object that a merge has replaced since is still there, because the
// collector keeps it until the replacement is verified, or was collected by this process.
Status CollectionImpl::VerifyPublished(OpContext& ctx, const Manifest& manifest) {
  const auto current = view();
  const auto verify_key = [&](const std::string& key, const ObjectRef& object)
                              AKI_REQUIRES(maintenance_mutex_) -> Status {
    if (verified_keys_.contains(key)) return OkStatus();
    AKI_RETURN_IF_ERROR(VerifyObject(ctx, key, object));
    verified_keys_.insert(key);
    return OkStatus();
  };
  for (const SegmentEntry& entry : manifest.segments) {
    const auto unit = std::ranges::find(current->segments, entry.object.id, [](const auto& u) { return u->id(); });
    if (unit != current->segments.end()) {
      AKI_RETURN_IF_ERROR(VerifyUnit(ctx, **unit));
    } else {
      AKI_RETURN_IF_ERROR(verify_key(SegmentKey(id_, entry.object.id), entry.object));
    }
    if (entry.deletes) AKI_RETURN_IF_ERROR(verify_key(DeletesKey(id_, entry.deletes->id), *entry.deletes));
  }
  return OkStatus();
}

Status CollectionImpl::ConfirmStep(OpContext& ctx) {
  MutexLock lock(maintenance_mutex_);
  AKI_RETURN_IF_ERROR(SettleMerge(ctx));
  AKI_RETURN_IF_ERROR(VerifyMergeProducts(ctx));
  {
    MutexLock write(write_mutex_);
    if (replay_first_lsn_) {
      // Records of an earlier process that a segment has: trimmed under the same rule as this process's own.
      unconfirmed_.push_front(
          {*replay_first_lsn_, manifest_lsn(), WalSequence(0), committer_.head(), deps_.env.clock->Now()});
      replay_first_lsn_.reset();
    }
  }
  const MonotonicTime now = deps_.env.clock->Now();
  const auto old_enough = [&](const Unconfirmed& u) { return now >= u.committed_at + deps_.options.trim_delay; };
  // Watermarks only grow, so the newest one that is old enough speaks for all before it.
  const auto newest = std::find_if(unconfirmed_.rbegin(), unconfirmed_.rend(), old_enough);
  if (newest == unconfirmed_.rend()) return OkStatus();
  const Unconfirmed candidate = *newest;
  const bool retired = candidate.head->manifest.version < retired_below_;
  AKI_RETURN_IF_ERROR(committer_.ReRead(ctx, retired ? *committer_.head() : *candidate.head));
  AKI_RETURN_IF_ERROR(VerifyPublished(ctx, candidate.head->manifest));
  AKI_RETURN_IF_ERROR(TrimStreams(ctx, candidate.sequence, candidate.head->manifest));
  std::erase_if(unconfirmed_, [&](const Unconfirmed& u) { return u.watermark <= candidate.watermark; });
  if (unconfirmed_.empty()) verified_keys_.clear();
  return OkStatus();
}

Lsn CollectionImpl::TrimBound() {
  MutexLock lock(maintenance_mutex_);
  MutexLock write(write_mutex_);
  if (dropped_) return Lsn::Max();
  Lsn first = Lsn::Max();
  const auto needs = [&](Lsn lsn) { first = std::min(first, lsn); };
  for (const Unconfirmed& u : unconfirmed_) needs(u.first_lsn);
  if (flush_job_) needs(flush_job_->first_lsn);
  if (batch_first_lsn_.value() != 0) needs(batch_first_lsn_);
  if (replay_first_lsn_) needs(*replay_first_lsn_);
  return first == Lsn::Max() ? first : Lsn(first.value() - 1);
}

// True if all that was committed up to `since` and is still in use was read back.
Result<bool> CollectionImpl::VerifiedSince(OpContext& ctx, MonotonicTime since) {
  for (const auto& unit : view()->segments) {
    if (unit->committed_at() > since) continue;
    if (deps_.env.clock->Now() < unit->committed_at() + deps_.options.trim_delay) return false;
    AKI_RETURN_IF_ERROR(VerifyUnit(ctx, *unit));
  }
  return true;
}

Status CollectionImpl::CollectStep(OpContext& ctx) {
  MutexLock lock(maintenance_mutex_);
  AKI_RETURN_IF_ERROR(SettleMerge(ctx));
  {
    MutexLock write(write_mutex_);
    if (dropped_) return OkStatus();
  }
  // Objects of a job under way are not named yet; they are not garbage.
  if (superseded()) return OkStatus();
  if (!sweep_due_ || merging_ || flush_job_ || !epoch_taken_) return OkStatus();
  AKI_ASSIGN_OR_RETURN(const std::vector<std::string> garbage, FindGarbage(ctx, committer_.head()->manifest.version));
  const MonotonicTime now = deps_.env.clock->Now();
  std::map<std::string, MonotonicTime> since;
  std::vector<std::string> due;
  for (const std::string& key : garbage) {
    const auto known = garbage_since_.find(key);
    const MonotonicTime first_seen = known == garbage_since_.end() ? now : known->second;
    since.emplace(key, first_seen);
    if (now < first_seen + deps_.options.gc_grace) continue;
    AKI_ASSIGN_OR_RETURN(const bool verified, VerifiedSince(ctx, first_seen));
    if (verified) due.push_back(key);
  }
  garbage_since_ = std::move(since);
  if (!due.empty()) AKI_RETURN_IF_ERROR(DeleteGarbage(ctx, due));
  sweep_due_ = !garbage_since_.empty();
  return OkStatus();
}

Status CollectionImpl::DeleteGarbage(OpContext& ctx, const std::vector<std::string>& due) {
  // A store that has forgotten the head would be left with an older one, which may still name what is deleted here.
  AKI_RETURN_IF_ERROR(committer_.ReRead(ctx, *committer_.head()));
  // The boundary dooms, before anything is deleted, what no commit may name from now on.
  const ManifestVersion boundary = committer_.head()->manifest.version;
  AKI_RETURN_IF_ERROR(committer_.Commit(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    if (manifest->gc_boundary >= boundary) return ManifestCommitter::Edited::kAlreadyThere;
    manifest->gc_boundary = boundary;
    return ManifestCommitter::Edited::kChanged;
  }));
  PublishVersion();
  // Asked again of the manifest just committed: another committer may have pinned something meanwhile.
  AKI_ASSIGN_OR_RETURN(const std::vector<std::string> doomed, FindGarbage(ctx, boundary));
  uint64_t deleted = 0;
  for (const std::string& key : due) {
    if (std::ranges::find(doomed, key) == doomed.end()) continue;
    verified_keys_.insert(key);
    AKI_RETURN_IF_ERROR(deps_.store->Delete(ctx, key));
    garbage_since_.erase(key);
    ++deleted;
  }
  Log(LogLevel::kInfo, "collected",
      {{"collection", id_.value()}, {"objects", deleted}, {"boundary", boundary.value()}});
  return RetireManifests(ctx, boundary);
}

// Segments and deletion vectors below `boundary` that neither the head nor a pinned version names.
Result<std::vector<std::string>> CollectionImpl::FindGarbage(OpContext& ctx, ManifestVersion boundary) {
  std::set<std::string> named;
  const auto add_named = [&](const Manifest& manifest) {
    for (const SegmentEntry& entry : manifest.segments) {
      named.insert(SegmentKey(id_, entry.object.id));
      if (entry.deletes) named.insert(DeletesKey(id_, entry.deletes->id));
    }
  };
  add_named(committer_.head()->manifest);
  for (const PinEntry& pin : committer_.head()->manifest.pins) {
    AKI_ASSIGN_OR_RETURN(const ObjectBody body,
                         deps_.store->Get(ctx, ManifestKey(id_, pin.version), kManifestBytesMax));
    AKI_ASSIGN_OR_RETURN(const Manifest pinned, DecodeManifest(body.bytes));
    add_named(pinned);
  }
  std::vector<std::string> garbage;
  for (const std::string_view folder : {"segments/", "deletes/"}) {
    const std::string prefix = CollectionPrefix(id_) + std::string(folder);
    std::string after;
    while (true) {
      AKI_ASSIGN_OR_RETURN(const ListPage page, deps_.store->List(ctx, prefix, after, 1000));
      for (const ObjectMeta& object : page.objects) {
        const std::string_view name = std::string_view(object.key).substr(prefix.size());
        const auto start = ObjectIdStart(name.substr(0, name.find('.')));
        if (start && *start < boundary && !named.contains(object.key)) garbage.push_back(object.key);
      }
      if (!page.truncated || page.objects.empty()) break;
      after = page.objects.back().key;
    }
  }
  return garbage;
}

// Replaces manifests below the boundary by tombstones, so that their names are never free (I7).
Status CollectionImpl::RetireManifests(OpContext& ctx, ManifestVersion boundary) {
  const auto& pins = committer_.head()->manifest.pins;
  const auto read = [&](ManifestVersion version) {
    return deps_.store->Get(ctx, ManifestKey(id_, version), kManifestBytesMax);
  };
  if (retired_below_.value() == 0) {
    // Retirement goes upwards, so tombstones and manifests are two runs: look for the seam.
    uint64_t low = 1;
    uint64_t high = boundary.value();
    while (low < high) {
      const uint64_t middle = low + (high - low) / 2;
      AKI_ASSIGN_OR_RETURN(const ObjectBody body, read(ManifestVersion(middle)));
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
    if (std::ranges::find(pins, retired_below_, &PinEntry::version) != pins.end()) continue;
    AKI_ASSIGN_OR_RETURN(const ObjectBody body, read(retired_below_));
    AKI_ASSIGN_OR_RETURN(const auto already, DecodeManifestTombstone(body.bytes));
    if (already) continue;
    AKI_ASSIGN_OR_RETURN(const Manifest manifest, DecodeManifest(body.bytes));
    const ManifestTombstone tombstone{manifest.version, manifest.attempt_id, manifest.epoch, Sha256Hex(body.bytes)};
    AKI_RETURN_IF_ERROR(deps_.store->Put(ctx, ManifestKey(id_, retired_below_), EncodeManifestTombstone(tombstone),
                                         PutCondition::None()));
  }
  return OkStatus();
}

}  // namespace akidb
