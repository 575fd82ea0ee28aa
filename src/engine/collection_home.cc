// A collection that is bound to one node of a shared store, because its writes are acknowledged by that node's disk:
// who the home is, that it still is, and taking it away from a node that is gone.
#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "engine/collection_impl.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

// A reading that takes longer is given up, and made again.
constexpr Duration kReadingTimeout = std::chrono::seconds(5);

Duration Milliseconds(uint64_t count) { return std::chrono::milliseconds(count); }

Status HomeUnreachable(const Home& home) {
  return Unavailable("this collection is bound to node " + home.node +
                     " (ack \"local\"), which is not reached; it takes writes again when that node is back, or after "
                     "`akidb collection rebind`, which gives up what only that node's disk holds")
      .WithReason("home_unreachable");
}

Status NotBound() {
  return FailedPrecondition("this collection is bound to no node: any node takes it over from one that is gone")
      .WithReason("not_bound");
}

}  // namespace

Home CollectionDeps::SelfAsHome() const {
  Home home;
  home.node = options.node;
  home.disk = node_log.disk();
  AKI_CHECK(!home.disk.empty());
  home.confirm_ms =
      static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(options.home_confirm).count());
  return home;
}

const Home* CollectionImpl::HomeOf(const Manifest& manifest) const {
  const bool bound = deps_.options.shared_store && manifest.home && !manifest.home->disk.empty();
  return bound ? &*manifest.home : nullptr;
}

std::string CollectionImpl::home() const {
  const auto head = history_.head();
  const Home* home = HomeOf(head->manifest);
  return home != nullptr ? home->node : std::string();
}

bool CollectionImpl::AtHome() const {
  const auto head = history_.head();
  const Home* home = HomeOf(head->manifest);
  return home != nullptr && deps_.IsHome(*home);
}

CollectionImpl::RecordFate CollectionImpl::FateOf(Epoch epoch, Lsn lsn) const {
  const auto head = history_.head();
  if (head->manifest.LostByRebind(epoch, lsn)) return RecordFate::kLost;
  const Home* home = HomeOf(head->manifest);
  return home != nullptr && deps_.IsHome(*home) ? RecordFate::kReplay : RecordFate::kPublished;
}

Status CollectionImpl::CheckNotLost(const Position& position) const {
  const auto head = history_.head();
  if (!head->manifest.LostByRebind(position.epoch, position.lsn)) return OkStatus();
  return NotFound(
             "the write of min_commit was only on the disk of a node that the collection was taken away from; it "
             "is lost")
      .WithReason("commit_lost");
}

Status CollectionImpl::CheckHome(const Manifest& manifest) {
  const Home* home = HomeOf(manifest);
  if (home == nullptr) return OkStatus();
  if (!deps_.IsHome(*home)) return HomeUnreachable(*home);
  if (manifest.rebinds.empty() || manifest.rebinds.back().wait_ms == 0) return OkStatus();
  // The home before this one may acknowledge until the wait is over, counted from when this process saw that it is
  // none any more, which is later than when it became so.
  const MonotonicTime now = deps_.env.clock->Now();
  if (waiting_for_ != manifest.epoch) {
    waiting_for_ = manifest.epoch;
    waiting_since_ = now;
  }
  const Duration left = waiting_since_ + Milliseconds(manifest.rebinds.back().wait_ms) - now;
  if (left <= Duration::zero()) return OkStatus();
  return Unavailable("this node has just become the collection's home, and takes writes in " +
                     std::to_string(std::chrono::duration_cast<std::chrono::seconds>(left).count() + 1) +
                     " s, when the one before it has certainly stopped")
      .WithReason("home_waiting");
}

void CollectionImpl::NoteHome(const Manifest& manifest) {
  bound_.store(HomeOf(manifest) != nullptr, std::memory_order_release);
}

Status CollectionImpl::TakeUpNodeLog(OpContext& ctx) {
  Wal* const wal = deps_.wal.load(std::memory_order_acquire);
  if (wal == nullptr) return OkStatus();  // it is being opened, and replayed to the collections that claim
  if (deps_.node_log.IsUnreplayed(id_)) {
    // All of it is read before any of it is applied, so that no record ever is twice.
    std::string payload;
    uint32_t count = 0;
    Lsn first;
    AKI_RETURN_IF_ERROR(wal->Walk(ctx, [&](const WalRecord& record) -> Status {
      if (record.collection != id_ || FateOf(record.epoch, record.lsn) != RecordFate::kReplay) return OkStatus();
      AKI_RETURN_IF_ERROR(CheckRecord(record));
      if (count++ == 0) first = record.lsn;
      AppendWalRecord(record, &payload);
      return OkStatus();
    }));
    AKI_RETURN_IF_ERROR(
        DecodeWalRecordRun(payload, count, first, [&](const WalRecord& record) { return Replay(ctx, record); }));
    deps_.node_log.NoteReplayed(id_);
  }
  wal->AdvanceLsn(manifest_lsn());
  AttachNodeLog();
  return OkStatus();
}

Status CollectionImpl::ConfirmHome(OpContext& caller) {
  OpContext ctx(caller.clock());
  ctx.set_priority(Priority::kWrite);
  ctx.set_deadline(std::min(caller.deadline(), caller.clock().Now() + kReadingTimeout));
  const MonotonicTime asked_at = deps_.env.clock->Now();
  const auto head = history_.head();
  Epoch epoch = head->manifest.epoch;
  bool dropped = head->manifest.dropped;
  for (ManifestVersion next = head->manifest.version.Next();; next = next.Next()) {
    const auto body = deps_.store->Get(ctx, ManifestKey(id_, next), kManifestBytesMax);
    if (!body && body.error().code() == StatusCode::kNotFound) break;
    if (!body) return body.error();
    AKI_ASSIGN_OR_RETURN(const auto tombstone, DecodeManifestTombstone(body->bytes));
    if (tombstone) {
      epoch = std::max(epoch, tombstone->epoch);
      continue;
    }
    AKI_ASSIGN_OR_RETURN(const StoredManifest stored, DecodeStoredManifest(body->bytes));
    epoch = stored.manifest.epoch;
    dropped = stored.manifest.dropped;
  }
  if (epoch.value() != epoch_.load() || dropped) {
    superseded_.store(true, std::memory_order_release);
    watch_.End(NotTheWriter().WithEffectUnknown());
    return NotTheWriter();
  }
  // That there is no newer one counts only where the newest known one is not denied too (I11).
  AKI_RETURN_IF_ERROR(internal::ToStatus(deps_.store->Head(ctx, ManifestKey(id_, head->manifest.version))));
  watch_.Confirm(asked_at);
  return OkStatus();
}

MonotonicTime CollectionImpl::HomeStep(OpContext& ctx) {
  if (superseded()) watch_.End(NotTheWriter().WithEffectUnknown());
  if (writer_epoch().value() != 0 && ctx.clock().Now() >= watch_.ReadingDueAt()) {
    if (Status read = ConfirmHome(ctx); !read.ok()) {
      Log(LogLevel::kWarn, "the home of a collection cannot read that it still is it",
          {{"collection", id_.value()}, {"error", read.ToString()}});
    }
  }
  watch_.AnswerWaiters();
  return watch_.ReadingDueAt();
}

void CollectionImpl::NotifyDurable(OpContext& ctx, Lsn lsn, Done done) {
  const auto current = log();
  if (!current) return done(NotTheWriter());
  if (!bound_.load(std::memory_order_acquire)) return current->NotifyDurable(ctx, lsn, std::move(done));
  const Duration wait_max = std::chrono::milliseconds(deps_.options.limits.timeout_ms_default);
  const MonotonicTime deadline = std::min(ctx.deadline(), deps_.env.clock->Now() + wait_max);
  current->NotifyDurable(ctx, lsn,
                         [self = shared_from_this(), lsn, deadline, done = std::move(done)](const Status& s) mutable {
                           if (!s.ok() || self->IsCommitted(lsn)) return done(s);
                           if (self->superseded()) return done(self->NotTheWriter().WithEffectUnknown());
                           if (self->watch_.Acknowledge(lsn, deadline, std::move(done))) self->deps_.wake_follow();
                         });
}

Status CollectionImpl::WaitDurable(OpContext& ctx, Lsn lsn) {
  const auto current = log();
  if (!current) return NotTheWriter();
  AKI_RETURN_IF_ERROR(current->WaitDurable(ctx, lsn));
  if (!bound_.load(std::memory_order_acquire) || IsCommitted(lsn)) return OkStatus();
  if (!watch_.MayAcknowledge()) {
    if (Status read = ConfirmHome(ctx); !read.ok()) {
      return superseded() ? std::move(read).WithEffectUnknown()
                          : HomeWatch::Unconfirmed().Annotate(std::string(read.message()));
    }
  }
  return watch_.AcknowledgeNow();
}

CollectionImpl::AtRisk CollectionImpl::at_risk() {
  if (!bound_.load(std::memory_order_acquire) || writer_epoch().value() == 0) return {};
  AtRisk out;
  out.bytes = own_unflushed_bytes_.load(std::memory_order_relaxed);
  MutexLock lock(committed_mutex_);
  if (!unpublished_since_.empty()) out.since = unpublished_since_.front().second;
  return out;
}

Status CollectionImpl::CheckAtRisk(uint64_t bytes) {
  const Limits& limits = deps_.options.limits;
  const uint64_t at_risk = deps_.at_risk_bytes.load(std::memory_order_relaxed);
  const int64_t since = deps_.at_risk_since_ns.load(std::memory_order_relaxed);
  const Duration age = since < 0 ? Duration::zero() : deps_.env.clock->Now() - MonotonicTime(Duration(since));
  const bool too_much = at_risk + bytes > limits.at_risk_bytes_max;
  if (!too_much && age <= std::chrono::milliseconds(limits.at_risk_age_ms_max)) return OkStatus();
  deps_.wake_flush();
  const auto age_ms = std::chrono::duration_cast<std::chrono::milliseconds>(age).count();
  return ResourceExhausted("only this node's disk has " + std::to_string(at_risk) + " bytes of writes, the oldest " +
                           std::to_string(age_ms) + " ms old; the limits are " +
                           std::to_string(limits.at_risk_bytes_max) + " bytes and " +
                           std::to_string(limits.at_risk_age_ms_max) + " ms; retry when they are flushed")
      .WithReason("at_risk_full");
}

Result<RebindReport> CollectionImpl::Rebind(OpContext& ctx) {
  MutexLock lock(maintenance_mutex_);
  if (superseded()) return std::unexpected(NotTheWriter());
  AKI_RETURN_IF_ERROR(SettleMerge(ctx));
  if (epoch_taken_) {
    AKI_RETURN_IF_ERROR(internal::ToStatus(committer_.Follow(ctx)));
    AKI_RETURN_IF_ERROR(CheckWriter(committer_.head()->manifest));
  } else {
    AKI_RETURN_IF_ERROR(FollowHeadLocked(ctx));
  }
  const auto before = committer_.head();
  const Home* const old_home = HomeOf(before->manifest);
  if (old_home == nullptr) return std::unexpected(NotBound());
  if (deps_.node_log.disk().empty()) {
    return std::unexpected(
        Aborted("node " + old_home->node + " has just bound collection " + std::to_string(id_.value()))
            .WithReason("home_changed"));
  }
  RebindReport report;
  report.node = deps_.options.node;
  report.previous_node = old_home->node;
  if (!deps_.IsHome(*old_home)) {
    // A node that cannot read the segments must not take it.
    AKI_RETURN_IF_ERROR(PrepareUnits(ctx, view()->segments));
    if (deps_.nodes) {
      deps_.nodes->Ensure(ctx).IgnoreError("the lease comes with the next heartbeat");
      if (const auto said = deps_.nodes->LastRisk(ctx, WriterOf(before->manifest))) report.at_risk = *said;
    }
    AKI_RETURN_IF_ERROR(CommitRebind(ctx, before->manifest.epoch, &report));
    AKI_RETURN_IF_ERROR(FollowHeadLocked(ctx));
    Log(LogLevel::kWarn, "rebound: what only the previous home's disk held is given up",
        {{"collection", id_.value()},
         {"previous_node", report.previous_node},
         {"survived", committer_.head()->manifest.rebinds.back().survived.value()},
         {"published_at", report.published_at}});
  } else if (before->manifest.rebinds.empty()) {
    return std::unexpected(FailedPrecondition("this node is the home of collection " + std::to_string(id_.value()) +
                                              "; nothing is to be given up")
                               .WithReason("home_is_here"));
  }
  // Asked again after a lost answer, it says the same.
  const Manifest& after = committer_.head()->manifest;
  report.survived = after.rebinds.back().survived;
  if (Status waiting = CheckHome(after); waiting.reason() == "home_waiting") {
    report.wait = std::max<Duration>(
        waiting_since_ + Milliseconds(after.rebinds.back().wait_ms) - deps_.env.clock->Now(), Duration::zero());
  }
  return report;
}

Status CollectionImpl::CommitRebind(OpContext& ctx, Epoch ended, RebindReport* report) {
  const Home self = deps_.SelfAsHome();
  if (rebind_claim_.empty()) rebind_claim_ = NextClaim();
  const std::string claim = rebind_claim_;
  return internal::ToStatus(committer_.Commit(ctx, [&](Manifest* manifest) -> Result<ManifestCommitter::Edited> {
    if (manifest->dropped) return std::unexpected(NotFound("collection was dropped").WithReason("collection_dropped"));
    const Home* home = HomeOf(*manifest);
    if (home == nullptr) return std::unexpected(NotBound());
    if (!manifest->open_epochs.empty() && manifest->open_epochs.back().node == claim)
      return ManifestCommitter::Edited::kAlreadyThere;
    // The home came back, or another node was faster: whoever asked for this should know first.
    if (manifest->epoch != ended) {
      return std::unexpected(
          Aborted("node " + home->node + " has just taken up collection " + std::to_string(id_.value()))
              .WithReason("home_changed"));
    }
    report->published_at = manifest->created_at;
    RebindEntry rebind{ended, NewestLsn(*manifest), home->confirm_ms + home->confirm_ms / 10 + 1};
    // A rebind whose wait is not over yet is waited for by its successor.
    if (!manifest->rebinds.empty()) rebind.wait_ms = std::max(rebind.wait_ms, manifest->rebinds.back().wait_ms);
    manifest->AddRebind(rebind);
    manifest->epoch = manifest->epoch.Next();
    manifest->open_epochs = {{manifest->epoch, claim, rebind.survived, WalSequence(0)}};
    manifest->home = self;
    return ManifestCommitter::Edited::kChanged;
  }));
}

}  // namespace akidb
