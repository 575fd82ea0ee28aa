// Seeing what other nodes write: new manifests, the ends of their logs, and that somebody else has become the writer.
#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "engine/collection_impl.h"
#include "format/object_keys.h"

namespace akidb {
namespace {

// The next version is asked for this often: the shorter while versions come, the longer while none does.
constexpr Duration kFollowFirst = std::chrono::milliseconds(100);
constexpr Duration kFollowMax = std::chrono::seconds(5);
// While a request waits for a position.
constexpr Duration kFollowAwaited = std::chrono::milliseconds(20);
// A collection that nobody reads is not followed.
constexpr Duration kUnusedAfter = std::chrono::minutes(1);

// The greatest LSN, of `newest` and of `objects` that follow it.
Result<Lsn> NewestOf(CollectionId collection, Lsn newest, const std::vector<LogTailObject>& objects) {
  for (const LogTailObject& object : objects) {
    AKI_RETURN_IF_ERROR(CheckNothingMissing(collection, newest, object.first_lsn));
    newest = std::max(newest, object.last_lsn);
  }
  return newest;
}

}  // namespace

Result<std::vector<LogTailObject>> CollectionImpl::FetchTails(OpContext& ctx, std::vector<LogTail>* tails) {
  std::vector<LogTailObject> objects;
  for (LogTail& tail : *tails) {
    while (!tail.ended) {
      const WalSequence next = tail.sequence.Next();
      auto body = deps_.store->Get(ctx, WalObjectKey(id_, tail.epoch, next), kWalObjectBytesMax);
      // A later epoch begins where this one's fence is, so what follows is not there yet either.
      if (!body && body.error().code() == StatusCode::kNotFound) return objects;
      if (!body) return std::unexpected(body.error());
      AKI_ASSIGN_OR_RETURN(const WalObject object, DecodeWalObject(body->bytes, id_, tail.epoch, next));
      AKI_RETURN_IF_ERROR(DecodeWalObjectRecords(object, [&](const WalRecord& record) { return CheckRecord(record); }));
      tail.sequence = next;
      tail.ended = object.header.kind == WalObjectKind::kFence;
      if (object.header.record_count == 0) continue;
      const Lsn last(object.header.first_lsn.value() + object.header.record_count - 1);
      objects.push_back({tail.epoch, std::move(body->bytes), object.header.first_lsn, last});
    }
  }
  return objects;
}

void CollectionImpl::ApplyTails(OpContext& ctx, const std::vector<LogTailObject>& objects) {
  for (const LogTailObject& each : objects) {
    const auto object = DecodeWalObject(each.bytes, id_, each.epoch);
    AKI_CHECK(object);  // FetchTails decoded it
    const Status applied =
        DecodeWalObjectRecords(*object, [&](const WalRecord& record) { return Replay(ctx, record); });
    AKI_CHECK(applied.ok());
  }
}

Result<bool> CollectionImpl::ReadTails(OpContext& ctx) {
  std::vector<LogTail> tails = tails_;
  AKI_ASSIGN_OR_RETURN(const std::vector<LogTailObject> objects, FetchTails(ctx, &tails));
  if (objects.empty()) return false;
  // A revert that came before these records must not be shown after them.
  AKI_ASSIGN_OR_RETURN(const bool moved, committer_.Follow(ctx));
  if (moved) {
    AKI_RETURN_IF_ERROR(Reload(ctx));
    return true;
  }
  Lsn newest;
  {
    MutexLock lock(state_mutex_);
    newest = VisibleLsn();
  }
  AKI_RETURN_IF_ERROR(internal::ToStatus(NewestOf(id_, newest, objects)));
  // Records name rows by id, so the ids of all segments are needed.
  AKI_RETURN_IF_ERROR(PrepareUnits(ctx, view()->segments));
  ApplyTails(ctx, objects);
  tails_ = std::move(tails);
  return true;
}

// Reads the ends of the streams for a manifest that is still the newest one afterwards: otherwise what is missing may
// have been published and trimmed meanwhile, and what is there may come after a revert.
Status CollectionImpl::FetchNewestTails(OpContext& ctx, std::vector<LogTail>* tails,
                                        std::vector<LogTailObject>* objects) {
  for (bool moved = true; moved;) {
    AKI_RETURN_IF_ERROR(ctx.Check());
    tails->clear();
    for (const EpochEntry& entry : committer_.head()->manifest.open_epochs)
      tails->push_back({entry.epoch, entry.sequence, false});
    AKI_ASSIGN_OR_RETURN(*objects, FetchTails(ctx, tails));
    AKI_ASSIGN_OR_RETURN(moved, committer_.Follow(ctx));
  }
  // A store that denies what this reader has seen in a log must not take it back (I11).
  AKI_ASSIGN_OR_RETURN(const Lsn newest, NewestOf(id_, NewestLsn(committer_.head()->manifest), *objects));
  MutexLock lock(state_mutex_);
  if (newest >= VisibleLsn()) return OkStatus();
  return Unavailable("the end of the log of collection " + std::to_string(id_.value()) +
                     " was there before and cannot be read");
}

Status CollectionImpl::Reload(OpContext& ctx) {
  std::vector<LogTail> tails;
  std::vector<LogTailObject> objects;
  if (deps_.options.shared_store && HomeOf(committer_.head()->manifest) == nullptr)
    AKI_RETURN_IF_ERROR(FetchNewestTails(ctx, &tails, &objects));
  const Manifest& manifest = committer_.head()->manifest;
  auto units = UnitsOf(manifest, *view());
  if (!objects.empty()) AKI_RETURN_IF_ERROR(PrepareUnits(ctx, units));
  // What was read before may be in the log only: nobody sees the manifest without it.
  const HiddenView hidden(*this);
  LoadView(std::move(units));
  ApplyTails(ctx, objects);
  tails_ = std::move(tails);
  return OkStatus();
}

// Whether every record up to `position` is in segments that the manifest names, or was read from a log. LSNs grow over
// epochs, flushes publish in their order, and streams are read in order.
bool CollectionImpl::Covers(const Position& position) const {
  // What a rebind took away nobody needs to wait for, nor to look for elsewhere.
  if (!CheckNotLost(position).ok()) return true;
  MutexLock lock(state_mutex_);
  return position.epoch.value() <= epoch_.load() && position.lsn <= VisibleLsn();
}

void CollectionImpl::NotifyVisible(OpContext& ctx, const Position& position, Done done) {
  if (Status lost = CheckNotLost(position); !lost.ok()) return done(lost);
  const auto current = log();
  const bool own = current && position.epoch.value() <= epoch_.load();
  if (own || !deps_.options.shared_store) {
    // What older epochs wrote was replayed before this process became the writer.
    const Lsn last = current ? current->last_lsn() : Lsn(deps_.wal.load()->stats().next.value() - 1);
    if (position.lsn > last) {
      return done(
          DeadlineExceeded("min_commit names a write that this store has not seen").WithReason("commit_not_visible"));
    }
    if (!current) return done(OkStatus());
    return current->NotifyDurable(ctx, position.lsn, std::move(done));
  }
  {
    MutexLock lock(follow_mutex_);
    if (!superseded()) {
      waiters_.push_back({position, ctx.deadline(), std::move(done)});
      follow_at_ = {};
      deps_.wake_follow();
      return;
    }
  }
  // Nobody follows for this object any more.
  done(NotTheWriter());
}

void CollectionImpl::AnswerWaiters() {
  std::vector<std::pair<Done, Status>> finished;
  {
    const MonotonicTime now = deps_.env.clock->Now();
    MutexLock lock(follow_mutex_);
    std::erase_if(waiters_, [&](VisibleWaiter& waiter) {
      Status status;
      if (superseded()) {
        status = NotTheWriter();
      } else if (Status lost = CheckNotLost(waiter.position); !lost.ok()) {
        status = std::move(lost);
      } else if (!Covers(waiter.position)) {
        if (now < waiter.deadline) return false;
        status = DeadlineExceeded("the write of min_commit is not published yet").WithReason("commit_not_visible");
      }
      finished.emplace_back(std::move(waiter.done), std::move(status));
      return true;
    });
  }
  for (auto& [done, status] : finished) done(status);
}

void CollectionImpl::EndWaiters(const Status& status) {
  std::vector<VisibleWaiter> ended;
  {
    MutexLock lock(follow_mutex_);
    ended.swap(waiters_);
  }
  for (VisibleWaiter& waiter : ended) waiter.done(status);
}

Result<MonotonicTime> CollectionImpl::FollowStep(OpContext& ctx) {
  const MonotonicTime now = deps_.env.clock->Now();
  const MonotonicTime used(Duration(last_used_ns_.load(std::memory_order_relaxed)));
  {
    MutexLock lock(follow_mutex_);
    if (waiters_.empty() && (superseded() || now > used + kUnusedAfter)) return MonotonicTime::max();
    if (now < follow_at_) return follow_at_;
  }
  bool moved = false;
  Status status;
  if (!superseded() && maintenance_mutex_.TryLock()) {
    const auto followed = committer_.Follow(ctx);
    if (!followed) status = followed.error();
    const Manifest& manifest = committer_.head()->manifest;
    if (manifest.dropped || (epoch_taken_ && manifest.epoch.value() != epoch_.load())) {
      superseded_.store(true, std::memory_order_release);
    } else if (epoch_taken_) {
      moved = followed && *followed;
      if (moved) PublishVersion();
    } else if (view()->version != manifest.version) {
      moved = true;
      status = Reload(ctx);
    } else if (status.ok()) {
      const auto read = ReadTails(ctx);
      moved = read && *read;
      if (!read) status = read.error();
    }
    maintenance_mutex_.Unlock();
  }
  if (moved) Log(LogLevel::kDebug, "followed", {{"collection", id_.value()}, {"version", view()->version.value()}});
  AnswerWaiters();
  MutexLock lock(follow_mutex_);
  follow_interval_ = moved ? kFollowFirst : std::clamp(2 * follow_interval_, kFollowFirst, kFollowMax);
  follow_at_ = now + (waiters_.empty() ? follow_interval_ : kFollowAwaited);
  if (!status.ok()) return std::unexpected(std::move(status));
  return follow_at_;
}

}  // namespace akidb
