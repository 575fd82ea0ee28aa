// Seeing what other nodes publish: new manifests, and whether somebody else has become the writer.
#include <algorithm>

#include "base/log.h"
#include "engine/collection_impl.h"

namespace akidb {
namespace {

// The next version is asked for this often: the shorter while versions come, the longer while none does.
constexpr Duration kFollowFirst = std::chrono::milliseconds(100);
constexpr Duration kFollowMax = std::chrono::seconds(5);
// While a request waits for a position.
constexpr Duration kFollowAwaited = std::chrono::milliseconds(20);
// A collection that nobody reads is not followed.
constexpr Duration kUnusedAfter = std::chrono::minutes(1);

}  // namespace

void CollectionImpl::NotifyDurable(OpContext& ctx, Lsn lsn, Done done) {
  const auto current = log();
  if (!current) return done(NotTheWriter());
  current->NotifyDurable(ctx, lsn, std::move(done));
}

Status CollectionImpl::WaitDurable(OpContext& ctx, Lsn lsn) {
  const auto current = log();
  return current ? current->WaitDurable(ctx, lsn) : NotTheWriter();
}

// Whether every record up to `position` is in segments that `manifest` names.
bool CollectionImpl::Covers(const Manifest& manifest, const Position& position) const {
  for (const EpochEntry& epoch : manifest.open_epochs) {
    if (epoch.epoch == position.epoch) return epoch.watermark >= position.lsn;
  }
  return position.epoch < manifest.epoch;  // closed: its last record was published
}

void CollectionImpl::NotifyVisible(OpContext& ctx, const Position& position, Done done) {
  const auto current = log();
  const bool own = current && position.epoch.value() <= epoch_.load();
  if (own || !deps_.options.shared_store) {
    // What older epochs wrote was replayed before this process became the writer.
    const Lsn last = current ? current->last_lsn() : Lsn(deps_.wal->stats().next.value() - 1);
    if (position.lsn > last) {
      return done(
          DeadlineExceeded("min_commit names a write that this store has not seen").WithReason("commit_not_visible"));
    }
    if (!current) return done(OkStatus());
    return current->NotifyDurable(ctx, position.lsn, std::move(done));
  }
  {
    MutexLock lock(follow_mutex_);
    waiters_.push_back({position, ctx.deadline(), std::move(done)});
    follow_at_ = {};
  }
  deps_.wake_follow();
}

void CollectionImpl::AnswerWaiters() {
  std::vector<std::pair<Done, Status>> finished;
  {
    MutexLock lock(follow_mutex_);
    if (waiters_.empty()) return;
  }
  {
    MutexLock maintenance(maintenance_mutex_);
    const MonotonicTime now = deps_.env.clock->Now();
    MutexLock lock(follow_mutex_);
    std::erase_if(waiters_, [&](VisibleWaiter& waiter) AKI_REQUIRES(maintenance_mutex_) {
      Status status;
      if (superseded()) {
        status = NotTheWriter();
      } else if (!Covers(committer_.head()->manifest, waiter.position)) {
        if (now < waiter.deadline) return false;
        status = DeadlineExceeded("the write of min_commit is not published yet").WithReason("commit_not_visible");
      }
      finished.emplace_back(std::move(waiter.done), std::move(status));
      return true;
    });
  }
  for (auto& [done, status] : finished) done(status);
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
    if (!followed) {
      status = followed.error();
    } else if (*followed) {
      moved = true;
      const Manifest& manifest = committer_.head()->manifest;
      if (manifest.dropped || (epoch_taken_ && manifest.epoch.value() != epoch_.load())) {
        superseded_.store(true, std::memory_order_release);
      } else if (epoch_taken_) {
        PublishVersion();
      } else {
        LoadView();
      }
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
