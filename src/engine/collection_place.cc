// Where a write belongs: here, or at another node that is the writer and alive. The one place that decides.
#include "base/log.h"
#include "engine/collection_impl.h"
#include "format/node_lease.h"

namespace akidb {
namespace {

// Each try sees a newer writer than the one before.
constexpr int kPlaceTriesMax = 4;

}  // namespace

std::string_view CollectionImpl::WriterOf(const Manifest& manifest) {
  if (manifest.open_epochs.empty() || manifest.open_epochs.back().epoch != manifest.epoch) return {};
  return ProcessOfClaim(manifest.open_epochs.back().node);
}

Epoch CollectionImpl::writer_epoch() const {
  const bool writes = epoch_taken_.load(std::memory_order_acquire) && !superseded();
  return writes ? Epoch(epoch_.load(std::memory_order_relaxed)) : Epoch(0);
}

Status CollectionImpl::FollowHead(OpContext& ctx) {
  MutexLock lock(maintenance_mutex_);
  if (epoch_taken_ || superseded()) return OkStatus();
  return FollowHeadLocked(ctx);
}

Status CollectionImpl::FollowHeadLocked(OpContext& ctx) {
  AKI_ASSIGN_OR_RETURN(const bool moved, committer_.Follow(ctx));
  if (committer_.head()->manifest.dropped) {
    superseded_.store(true, std::memory_order_release);
    return NotFound("collection was dropped").WithReason("collection_dropped");
  }
  return moved || view()->version != committer_.head()->manifest.version ? Reload(ctx) : OkStatus();
}

Result<WriterPlace> CollectionImpl::PlaceWrite(OpContext& ctx) {
  last_used_ns_.store(deps_.env.clock->Now().time_since_epoch().count(), std::memory_order_relaxed);
  for (int tries = 0; tries < kPlaceTriesMax; ++tries) {
    if (superseded()) return std::unexpected(NotTheWriter());
    if (epoch_taken_.load(std::memory_order_acquire)) return WriterPlace();
    const auto seen = history_.head();
    std::optional<std::string> address;
    const std::string_view writer = WriterOf(seen->manifest);
    if (deps_.nodes) {
      AKI_ASSIGN_OR_RETURN(address, deps_.nodes->AddressIfAlive(ctx, writer));
    }
    if (address) return WriterPlace{.process = std::string(writer), .address = *address, .epoch = seen->manifest.epoch};
    MutexLock lock(maintenance_mutex_);
    if (epoch_taken_ || superseded()) continue;
    if (!deps_.nodes) {
      AKI_RETURN_IF_ERROR(EnsureEpochLocked(ctx));
      return WriterPlace();
    }
    // Whoever is to be deposed must still be the writer: another node may have been faster.
    AKI_RETURN_IF_ERROR(FollowHeadLocked(ctx));
    if (committer_.head()->manifest.epoch != seen->manifest.epoch) continue;
    const Status taken = EnsureEpochLocked(ctx, seen->manifest.epoch);
    if (taken.ok()) {
      if (!writer.empty() && writer != deps_.process) {
        Log(LogLevel::kInfo, "the writer is gone", {{"collection", id_.value()}, {"process", writer}});
      }
      return WriterPlace();
    }
    if (taken.reason() != kOvertaken) return std::unexpected(taken);
    AKI_RETURN_IF_ERROR(FollowHeadLocked(ctx));
  }
  return std::unexpected(Unavailable("the writer of collection " + std::to_string(id_.value()) + " keeps changing")
                             .WithReason("not_the_writer"));
}

void CollectionImpl::NoteWrittenElsewhere(const Position& position) {
  // What is on a home's disk is seen here only once it is published: whoever needs it sooner says so (min_commit).
  if (bound_.load(std::memory_order_acquire)) return;
  MutexLock lock(follow_mutex_);
  if (position.lsn > promised_.lsn) promised_ = position;
  promised_lsn_.store(promised_.lsn.value(), std::memory_order_release);
}

std::optional<Position> CollectionImpl::promised() const {
  const Lsn lsn(promised_lsn_.load(std::memory_order_acquire));
  if (lsn.value() == 0) return std::nullopt;
  MutexLock lock(follow_mutex_);
  return Covers(promised_) ? std::nullopt : std::optional(promised_);
}

}  // namespace akidb
