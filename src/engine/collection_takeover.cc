// Becoming the writer of a collection: the epoch, the end of older logs, and the replay of what only they have.
#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "engine/collection_impl.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

// A manifest lists an epoch for each process that took over and published nothing. Beyond this many they are closed
// even if nothing else is to be published.
constexpr size_t kOpenEpochsMax = 8;

// What the log may hold in one record: the request limits as they were when it was written may have been higher.
Limits ReplayLimits() {
  Limits limits;
  limits.vectors_per_request_max = UINT32_MAX;
  limits.payload_bytes_max = UINT32_MAX;
  limits.id_bytes_max = UINT32_MAX;
  limits.vector_dim_max = UINT32_MAX;
  limits.request_bytes_max = UINT64_MAX;
  return limits;
}

Result<ColumnBatch> DecodeUpsert(const WalRecord& record, const CollectionSpec& spec) {
  AKI_ASSIGN_OR_RETURN(ColumnBatch batch, DecodeColumns(record.body, ReplayLimits()));
  if (batch.dim == spec.dim && batch.type == spec.vector_type) return batch;
  return std::unexpected(DataLoss("record " + std::to_string(record.lsn.value()) +
                                  " has another vector type or dimension than its collection"));
}

}  // namespace

std::shared_ptr<CollectionLog> CollectionImpl::log() const {
  MutexLock lock(state_mutex_);
  return log_;
}

Status CollectionImpl::NotTheWriter() const {
  return Unavailable("another node took over the writing of collection " + std::to_string(id_.value()))
      .WithReason("not_the_writer");
}

Status CollectionImpl::CheckWriter(const Manifest& manifest) {
  if (manifest.epoch.value() == epoch_.load()) return OkStatus();
  superseded_.store(deps_.options.shared_store, std::memory_order_release);
  return NotTheWriter();
}

bool CollectionImpl::superseded() const {
  if (superseded_.load(std::memory_order_acquire)) return true;
  const auto current = log();
  return current && current->fenced();
}

void CollectionImpl::AttachNodeLog() {
  MutexLock lock(state_mutex_);
  log_ = NewLocalLog(*deps_.wal.load(std::memory_order_acquire), id_, Epoch(epoch_.load()));
}

Status CollectionImpl::EnsureEpoch(OpContext& ctx) {
  last_used_ns_.store(deps_.env.clock->Now().time_since_epoch().count(), std::memory_order_relaxed);
  if (epoch_taken_.load(std::memory_order_acquire)) return superseded() ? NotTheWriter() : OkStatus();
  AKI_ASSIGN_OR_RETURN(const WriterPlace place, PlaceWrite(ctx));
  return place.here() ? OkStatus() : NotTheWriter();
}

Status CollectionImpl::EnsureEpochLocked(OpContext& ctx, std::optional<Epoch> from) {
  if (superseded()) return NotTheWriter();
  if (epoch_taken_.load(std::memory_order_acquire)) return OkStatus();
  AKI_RETURN_IF_ERROR(CheckHome(committer_.head()->manifest));
  // Names this claim over failed tries: after an unknown outcome the edit may meet its own effect, or that of an
  // earlier process whose request arrived late. An object that was superseded claims no more, so a claim is one
  // acquisition.
  const bool first_try = epoch_claim_.empty();
  if (first_try) epoch_claim_ = NextClaim();
  const std::string claim = epoch_claim_;
  // A claim that was tried before may have been overtaken since, and the streams that it saw open may be gone.
  if (!first_try && deps_.options.shared_store) {
    AKI_ASSIGN_OR_RETURN(const bool moved, committer_.Follow(ctx));
    if (moved) AKI_RETURN_IF_ERROR(Reload(ctx));
  }
  // A node that cannot read the segments must not depose one that can.
  AKI_RETURN_IF_ERROR(PrepareUnits(ctx, view()->segments));
  // Others must be able to see that who claims is alive.
  if (deps_.nodes) {
    // Of a home nobody takes over, and it claims before it knows its own address.
    Status leased = deps_.nodes->Ensure(ctx);
    if (!leased.ok() && HomeOf(committer_.head()->manifest) == nullptr) return leased;
  }
  const CollectionSpec current = spec();
  AKI_ASSIGN_OR_RETURN(
      const auto head,
      committer_.Commit(ctx,
                        [&](Manifest* manifest) AKI_REQUIRES(maintenance_mutex_) -> Result<ManifestCommitter::Edited> {
                          if (manifest->dropped) {
                            return std::unexpected(NotFound("collection was dropped").WithReason("collection_dropped"));
                          }
                          if (manifest->open_epochs.size() > 0 && manifest->open_epochs.back().node == claim) {
                            return ManifestCommitter::Edited::kAlreadyThere;
                          }
                          if (from && manifest->epoch != *from) {
                            return std::unexpected(Aborted("another node took over first").WithReason(kOvertaken));
                          }
                          // Whose disk holds what was acknowledged is decided here, in the same commit.
                          AKI_RETURN_IF_ERROR(CheckHome(*manifest));
                          if (HomeOf(*manifest) == nullptr) manifest->home.reset();
                          if (!manifest->rebinds.empty()) manifest->rebinds.back().wait_ms = 0;
                          manifest->epoch = manifest->epoch.Next();
                          manifest->open_epochs.push_back({manifest->epoch, claim, Lsn(0), WalSequence(0)});
                          const bool in_bucket = deps_.options.shared_store && !manifest->home;
                          manifest->log = in_bucket ? LogKind::kBucket : LogKind::kLocal;
                          manifest->spec = current;
                          return ManifestCommitter::Edited::kChanged;
                        }));
  if (!deps_.options.shared_store || HomeOf(head->manifest) != nullptr) {
    // If somebody else's version came in between, what was opened is not what this process took over. Nothing was
    // applied yet: rows are only replayed or written after the takeover.
    if (head->manifest.version != view()->version.Next()) LoadView();
    AKI_RETURN_IF_ERROR(PrepareUnits(ctx, view()->segments));
    epoch_ = head->manifest.epoch.value();
    PublishVersion();
  }
  // Only now, of the manifest that carries the new epoch: whoever wrote before can raise no watermark any more.
  AKI_RETURN_IF_ERROR(TakeUpLog(ctx, head->manifest));
  epoch_taken_.store(true, std::memory_order_release);
  if (deps_.options.shared_store) deps_.takeovers.fetch_add(1, std::memory_order_relaxed);
  Log(LogLevel::kDebug, "epoch taken", {{"collection", id_.value()}, {"epoch", epoch_.load()}});
  return OkStatus();
}

Status CollectionImpl::TakeUpLog(OpContext& ctx, const Manifest& manifest) {
  if (const Home* home = HomeOf(manifest)) {
    watch_.Begin(std::chrono::milliseconds(home->confirm_ms));
    old_streams_due_ = true;  // it may have been bound to none before
    return TakeUpNodeLog(ctx);
  }
  if (deps_.options.shared_store) return TakeOverStreams(ctx, manifest);
  if (deps_.wal.load(std::memory_order_acquire) != nullptr) AttachNodeLog();
  return OkStatus();
}

Status CollectionImpl::TakeOverStreams(OpContext& ctx, const Manifest& manifest) {
  const Epoch own = manifest.epoch;
  auto units = UnitsOf(manifest, *view());
  AKI_RETURN_IF_ERROR(PrepareUnits(ctx, units));
  std::vector<FencedStream> streams;
  // Every one of them, also those that seem to be empty: the fence is what stops a process that stalled in its
  // takeover.
  for (const EpochEntry& entry : manifest.open_epochs) {
    if (entry.epoch >= own) continue;
    AKI_ASSIGN_OR_RETURN(FencedStream stream,
                         FenceStream(ctx, deps_.env, *deps_.store, id_, entry.epoch, entry.sequence));
    streams.push_back(std::move(stream));
  }
  uint64_t newest = NewestLsn(manifest).value();
  const auto check = [&](const WalRecord& record) -> Status {
    newest = std::max(newest, record.lsn.value());
    return CheckRecord(record);
  };
  for (const FencedStream& stream : streams) {
    for (const std::string& bytes : stream.objects) {
      AKI_ASSIGN_OR_RETURN(const WalObject object, DecodeWalObject(bytes, id_, stream.epoch));
      if (object.header.record_count == 0) continue;
      AKI_RETURN_IF_ERROR(CheckNothingMissing(id_, Lsn(newest), object.header.first_lsn));
      AKI_RETURN_IF_ERROR(DecodeWalObjectRecords(object, check));
    }
  }
  if (!opening_log_ || opening_log_->epoch() != own) {
    opening_log_ = BucketLog::New(deps_.env, deps_.store, id_, own, Lsn(newest));
  }
  if (Status begun = opening_log_->Begin(ctx); !begun.ok()) {
    if (opening_log_->fenced()) superseded_.store(true, std::memory_order_release);
    return begun;
  }
  {
    // From here on nothing can fail, so that no record is ever applied twice; and what a reader had of the log is shown
    // again before anybody reads.
    const HiddenView hidden(*this);
    LoadView(std::move(units));
    AKI_RETURN_IF_ERROR(ReplayStreams(ctx, manifest, streams));
    old_streams_due_ = true;
    MutexLock state(state_mutex_);
    log_ = std::move(opening_log_);
  }
  if (manifest.open_epochs.size() > kOpenEpochsMax) {
    CloseDrainedEpochs(ctx).IgnoreError("the takeover is complete; the next one tries again");
  }
  return OkStatus();
}

Status CollectionImpl::CheckRecord(const WalRecord& record) const {
  return record.type == WalRecordType::kUpsert ? internal::ToStatus(DecodeUpsert(record, spec()))
                                               : internal::ToStatus(DecodeIdList(record.body, ReplayLimits()));
}

Status CollectionImpl::ReplayStreams(OpContext& ctx, const Manifest& manifest,
                                     const std::vector<FencedStream>& streams) {
  for (const FencedStream& stream : streams) {
    for (const std::string& bytes : stream.objects) {
      const auto object = DecodeWalObject(bytes, id_, stream.epoch);
      AKI_CHECK(object);
      const Status replayed =
          DecodeWalObjectRecords(*object, [&](const WalRecord& record) { return Replay(ctx, record); });
      AKI_CHECK(replayed.ok());
    }
  }
  if (!streams.empty()) {
    Log(LogLevel::kInfo, "took over",
        {{"collection", id_.value()}, {"epoch", manifest.epoch.value()}, {"streams", streams.size()}});
  }
  return OkStatus();
}

Status CollectionImpl::Replay(OpContext& /*ctx*/, const WalRecord& record) {
  MutexLock lock(write_mutex_);
  const auto epoch = std::find_if(replay_epochs_.begin(), replay_epochs_.end(),
                                  [&](const EpochEntry& e) { return e.epoch == record.epoch; });
  if (epoch == replay_epochs_.end() || record.lsn <= epoch->watermark) {
    // Already in a segment. It stays in the log until that segment was read back.
    if (!replay_first_lsn_) replay_first_lsn_ = record.lsn;
    return OkStatus();
  }
  if (record.type == WalRecordType::kUpsert) {
    AKI_ASSIGN_OR_RETURN(const ColumnBatch batch, DecodeUpsert(record, spec()));
    ApplyUpsert(batch, record.lsn);
  } else {
    AKI_ASSIGN_OR_RETURN(const auto ids, DecodeIdList(record.body, ReplayLimits()));
    ApplyDelete(ids, record.lsn);
  }
  return OkStatus();
}

Status CollectionImpl::CloseDrainedEpochs(OpContext& ctx) {
  {
    MutexLock write(write_mutex_);
    if (batch_first_lsn_.value() != 0) return OkStatus();  // the flush of what was replayed closes them
  }
  const Epoch own(epoch_.load());
  return internal::ToStatus(committer_.Commit(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    if (manifest->epoch != own) return std::unexpected(NotTheWriter());
    const auto entry = std::ranges::find(manifest->open_epochs, own, &EpochEntry::epoch);
    AKI_CHECK(entry != manifest->open_epochs.end());
    if (manifest->open_epochs.size() == 1) return ManifestCommitter::Edited::kAlreadyThere;
    // The watermark keeps what theirs said: LSNs are never handed out twice.
    for (const EpochEntry& older : manifest->open_epochs)
      entry->watermark = std::max(entry->watermark, older.watermark);
    std::erase_if(manifest->open_epochs, [&](const EpochEntry& e) { return e.epoch != own; });
    return ManifestCommitter::Edited::kChanged;
  }));
}

Status CollectionImpl::TrimStreams(OpContext& ctx, WalSequence sequence, const Manifest& manifest) {
  const auto current = log();
  if (!deps_.options.shared_store || !current) return OkStatus();
  AKI_RETURN_IF_ERROR(current->TrimTo(ctx, sequence));
  // A version from before the takeover, which a reader may still have to confirm, knows nothing of the last stream.
  const bool is_own = manifest.epoch.value() == epoch_.load();
  if (!old_streams_due_ || !is_own || manifest.open_epochs.size() != 1) return OkStatus();
  const std::string prefix = WalPrefix(id_);
  for (std::string after;;) {
    AKI_ASSIGN_OR_RETURN(const ListPage page, deps_.store->List(ctx, prefix, after, 1000));
    for (const ObjectMeta& object : page.objects) {
      const auto name = ParseWalObjectKey(id_, object.key);
      if (!name || name->epoch >= manifest.epoch) continue;
      // What it is decides, not where it stands in a listing: a fence is for ever.
      AKI_ASSIGN_OR_RETURN(const ObjectBody body, deps_.store->Get(ctx, object.key, kWalObjectBytesMax));
      AKI_ASSIGN_OR_RETURN(const WalObject old, DecodeWalObject(body.bytes, id_, name->epoch, name->sequence));
      if (old.header.kind == WalObjectKind::kRecords) AKI_RETURN_IF_ERROR(deps_.store->Delete(ctx, object.key));
    }
    if (!page.truncated || page.objects.empty()) break;
    after = page.objects.back().key;
  }
  old_streams_due_ = false;
  return OkStatus();
}

Status CollectionImpl::EndForAll(OpContext& ctx, CollectionDeps& deps, CollectionId id) {
  ManifestCommitter committer(*deps.store, deps.env, id);
  AKI_RETURN_IF_ERROR(committer.Load(ctx));
  AKI_ASSIGN_OR_RETURN(const auto head,
                       committer.Commit(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
                         if (manifest->dropped) return ManifestCommitter::Edited::kAlreadyThere;
                         manifest->dropped = true;
                         manifest->epoch = manifest->epoch.Next();
                         return ManifestCommitter::Edited::kChanged;
                       }));
  if (head->manifest.log == LogKind::kLocal) return OkStatus();  // no streams; the home hears of it
  for (const EpochEntry& entry : head->manifest.open_epochs) {
    // The collection has ended, whether or not all of its writers know.
    if (auto stream = FenceStream(ctx, deps.env, *deps.store, id, entry.epoch, entry.sequence); !stream) {
      return std::move(stream).error().WithEffectUnknown();
    }
  }
  return OkStatus();
}

}  // namespace akidb
