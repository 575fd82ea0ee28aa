// Binding a collection to this node, and releasing it: its writes are acknowledged by the node's disk from now on, or
// by the bucket again. Between the two logs lies one manifest commit, at a moment when neither has anything that the
// bucket does not.
#include "base/log.h"
#include "engine/collection_impl.h"
#include "format/object_keys.h"

namespace akidb {

Status CollectionImpl::MoveHome(OpContext& ctx, HomeMove move) {
  // Most of it while writes go on. What a home's log has, nobody reads any more once the collection is released.
  AKI_RETURN_IF_ERROR(Flush(ctx));
  if (move == HomeMove::kRelease) AKI_RETURN_IF_ERROR(ReadBackHead(ctx));

  class ClosedToWrites {
   public:
    explicit ClosedToWrites(CollectionImpl& collection) : collection_(collection) { Set(true); }
    ~ClosedToWrites() { Set(false); }
    ClosedToWrites(const ClosedToWrites&) = delete;
    ClosedToWrites& operator=(const ClosedToWrites&) = delete;

   private:
    void Set(bool closed) {
      MutexLock lock(collection_.write_mutex_);
      collection_.home_changing_ = closed;
    }
    CollectionImpl& collection_;
  };
  const ClosedToWrites closed(*this);
  AKI_RETURN_IF_ERROR(Flush(ctx));
  if (move == HomeMove::kRelease) AKI_RETURN_IF_ERROR(ReadBackHead(ctx));

  MutexLock lock(maintenance_mutex_);
  AKI_RETURN_IF_ERROR(SettleMerge(ctx));
  if (superseded()) return NotTheWriter();
  if (!AllPublished()) return Unavailable("a flush of collection " + std::to_string(id_.value()) + " did not end");
  Status moved = CommitMove(ctx, move);
  // Also where it is not known whether it was done: nothing is in memory that the bucket does not have, and whoever
  // opens the collection anew meets one state or the other.
  superseded_.store(true, std::memory_order_release);
  if (!moved.ok()) return moved;
  watch_.End(OkStatus());
  Log(LogLevel::kInfo, move == HomeMove::kBind ? "bound to this node" : "released from this node",
      {{"collection", id_.value()}, {"version", committer_.head()->manifest.version.value()}});
  return moved;
}

Status CollectionImpl::CommitMove(OpContext& ctx, HomeMove move) {
  const std::string claim = NextClaim();
  return internal::ToStatus(committer_.Commit(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    if (manifest->dropped) return std::unexpected(NotFound("collection was dropped").WithReason("collection_dropped"));
    if (!manifest->open_epochs.empty() && manifest->open_epochs.back().node == claim)
      return ManifestCommitter::Edited::kAlreadyThere;
    AKI_RETURN_IF_ERROR(CheckWriter(*manifest));
    manifest->epoch = manifest->epoch.Next();
    // Older epochs are over: all of their records are published. Nobody can append to their logs, because they are this
    // process's, or were fenced when it took over.
    manifest->open_epochs = {{manifest->epoch, claim, NewestLsn(*manifest), WalSequence(0)}};
    manifest->home.reset();
    if (move == HomeMove::kBind) manifest->home = deps_.SelfAsHome();
    manifest->log = manifest->home ? LogKind::kLocal : LogKind::kBucket;
    manifest->spec = spec();
    return ManifestCommitter::Edited::kChanged;
  }));
}

Status CollectionImpl::ReadHead(OpContext& ctx) {
  MutexLock lock(maintenance_mutex_);
  if (superseded()) return NotTheWriter();
  if (!epoch_taken_) return FollowHeadLocked(ctx);
  AKI_RETURN_IF_ERROR(SettleMerge(ctx));
  AKI_ASSIGN_OR_RETURN(const bool moved, committer_.Follow(ctx));
  const Manifest& head = committer_.head()->manifest;
  AKI_RETURN_IF_ERROR(CheckWriter(head));
  if (moved) PublishVersion();
  // That there is no newer one counts only where the newest known one is not denied too (I11).
  const std::string key = ManifestKey(id_, head.version);
  return NamedButNotRead(key, internal::ToStatus(deps_.store->Head(ctx, key)));
}

Status CollectionImpl::ReadBackHead(OpContext& ctx) {
  MutexLock upkeep(upkeep_mutex_);
  std::shared_ptr<const ManifestHead> head;
  {
    MutexLock lock(maintenance_mutex_);
    AKI_RETURN_IF_ERROR(SettleMerge(ctx));
    head = committer_.head();
  }
  AKI_RETURN_IF_ERROR(manifests_->ReRead(ctx, *head));
  return VerifyPublished(ctx, head->manifest);
}

}  // namespace akidb
