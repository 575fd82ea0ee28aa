// Reading back what was committed, long enough after it was, so that the log may be trimmed and what it replaced
// collected.
#include <algorithm>

#include "base/hash.h"
#include "engine/collection_impl.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

constexpr uint64_t kVerifyRangeBytes = 8u << 20;

}  // namespace

Status CollectionImpl::VerifyObject(OpContext& ctx, const std::string& key, const ObjectRef& object) {
  const ReadFromStore proof(ctx);  // a copy in a cache proves nothing about the store
  Sha256 hash;
  std::string buffer;
  for (uint64_t begin = 0; begin < object.size_bytes; begin += kVerifyRangeBytes) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    const ByteRange range{begin, std::min(begin + kVerifyRangeBytes, object.size_bytes)};
    buffer.resize(range.size());
    AKI_RETURN_IF_ERROR(NamedButNotRead(
        key, internal::ToStatus(deps_.store->GetRange(ctx, key, range, object.version_id, buffer.data()))));
    hash.Update(buffer);
  }
  if (hash.HexDigest() != object.sha256) return DataLoss(key + " read back with another SHA-256 than was written");
  return OkStatus();
}

Status CollectionImpl::VerifyUnit(OpContext& ctx, SegmentUnit& unit) {
  if (unit.verified()) return OkStatus();
  AKI_RETURN_IF_ERROR(VerifyObject(ctx, SegmentKeyOf(id_, unit.entry().object), unit.entry().object));
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
  const auto verify_key = [&](const std::string& key, const ObjectRef& object) AKI_REQUIRES(upkeep_mutex_) -> Status {
    if (verified_keys_.contains(key)) return OkStatus();
    AKI_RETURN_IF_ERROR(VerifyObject(ctx, key, object));
    verified_keys_.insert(key);
    return OkStatus();
  };
  if (manifest.base) AKI_RETURN_IF_ERROR(verify_key(BaseKeyOf(id_, *manifest.base), *manifest.base));
  for (const SegmentEntry& entry : manifest.segments) {
    const auto unit = std::ranges::find(current->segments, entry.object.id, [](const auto& u) { return u->id(); });
    if (unit != current->segments.end()) {
      AKI_RETURN_IF_ERROR(VerifyUnit(ctx, **unit));
    } else {
      AKI_RETURN_IF_ERROR(verify_key(SegmentKeyOf(id_, entry.object), entry.object));
    }
    if (entry.index) AKI_RETURN_IF_ERROR(verify_key(IndexKeyOf(id_, *entry.index), *entry.index));
    if (entry.deletes) AKI_RETURN_IF_ERROR(verify_key(DeletesKeyOf(id_, *entry.deletes), *entry.deletes));
  }
  return OkStatus();
}

// Only the choice and its end need the lock that commits need: what a manifest names does not change while it is read
// back, and the collector, which could take it away, waits.
Status CollectionImpl::ConfirmStep(OpContext& ctx) {
  MutexLock upkeep(upkeep_mutex_);
  AKI_RETURN_IF_ERROR(VerifyMergeProducts(ctx));
  std::optional<Unconfirmed> candidate;
  std::shared_ptr<const ManifestHead> head;
  {
    MutexLock lock(maintenance_mutex_);
    AKI_RETURN_IF_ERROR(SettleMerge(ctx));
    candidate = NextToConfirm();
    head = committer_.head();
  }
  if (!candidate) return OkStatus();
  const bool retired = candidate->head->manifest.version < retired_below_;
  AKI_RETURN_IF_ERROR(manifests_->ReRead(ctx, retired ? *head : *candidate->head));
  AKI_RETURN_IF_ERROR(VerifyPublished(ctx, candidate->head->manifest));
  AKI_RETURN_IF_ERROR(TrimStreams(ctx, candidate->sequence, candidate->head->manifest));
  MutexLock lock(maintenance_mutex_);
  std::erase_if(unconfirmed_, [&](const Unconfirmed& u) { return u.watermark <= candidate->watermark; });
  if (unconfirmed_.empty()) verified_keys_.clear();
  return OkStatus();
}

std::optional<CollectionImpl::Unconfirmed> CollectionImpl::NextToConfirm() {
  const MonotonicTime now = deps_.env.clock->Now();
  {
    MutexLock write(write_mutex_);
    if (replay_first_lsn_) {
      // Records of an earlier process that a segment has: trimmed under the same rule as this process's own.
      unconfirmed_.push_front({*replay_first_lsn_, manifest_lsn(), WalSequence(0), committer_.head(), now});
      replay_first_lsn_.reset();
    }
  }
  const auto old_enough = [&](const Unconfirmed& u) { return now >= u.committed_at + deps_.options.trim_delay; };
  // Watermarks only grow, so the newest one that is old enough speaks for all before it.
  const auto newest = std::find_if(unconfirmed_.rbegin(), unconfirmed_.rend(), old_enough);
  if (newest == unconfirmed_.rend()) return std::nullopt;
  return *newest;
}

Lsn CollectionImpl::TrimBound() {
  MutexLock lock(maintenance_mutex_);
  MutexLock flush(flush_mutex_);
  MutexLock write(write_mutex_);
  if (dropped_) return Lsn::Max();
  Lsn first = Lsn::Max();
  const auto needs = [&](Lsn lsn) { first = std::min(first, lsn); };
  for (const Unconfirmed& u : unconfirmed_) needs(u.first_lsn);
  if (!flush_jobs_.empty()) needs(flush_jobs_.front()->first_lsn);
  if (batch_first_lsn_.value() != 0) needs(batch_first_lsn_);
  if (replay_first_lsn_) needs(*replay_first_lsn_);
  return first == Lsn::Max() ? first : Lsn(first.value() - 1);
}

// True if all of `units` that was committed up to `since` was read back.
Result<bool> CollectionImpl::VerifiedSince(OpContext& ctx, const std::vector<std::shared_ptr<SegmentUnit>>& units,
                                           MonotonicTime since) {
  for (const auto& unit : units) {
    if (unit->committed_at() > since) continue;
    if (deps_.env.clock->Now() < unit->committed_at() + deps_.options.trim_delay) return false;
    AKI_RETURN_IF_ERROR(VerifyUnit(ctx, *unit));
  }
  return true;
}

}  // namespace akidb
