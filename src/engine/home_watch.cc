#include "engine/home_watch.h"

#include <algorithm>

namespace akidb {
namespace {

int64_t Nanoseconds(MonotonicTime time) { return time.time_since_epoch().count(); }

MonotonicTime TimeOf(int64_t nanoseconds) { return MonotonicTime(Duration(nanoseconds)); }

}  // namespace

Status HomeWatch::Unconfirmed() {
  return Unavailable(
             "this node could not read in time that it still is the collection's home, so it does not acknowledge; the "
             "write is in its log")
      .WithReason("home_unconfirmed")
      .WithEffectUnknown();
}

void HomeWatch::Begin(Duration confirm) {
  MutexLock lock(mutex_);
  ended_ = false;
  confirmed_at_ns_.store(kNever, std::memory_order_release);
  confirm_ns_.store(confirm.count(), std::memory_order_release);
}

bool HomeWatch::MayAcknowledge() const {
  const int64_t at = confirmed_at_ns_.load(std::memory_order_acquire);
  return at != kNever && clock_.Now() - TimeOf(at) < confirm();
}

void HomeWatch::Confirm(MonotonicTime asked_at) {
  MutexLock lock(mutex_);
  if (ended_) return;
  confirmed_at_ns_.store(std::max(confirmed_at_ns_.load(std::memory_order_relaxed), Nanoseconds(asked_at)),
                         std::memory_order_release);
}

bool HomeWatch::Acknowledge(Lsn lsn, MonotonicTime deadline, Done done) {
  written_at_ns_.store(Nanoseconds(clock_.Now()), std::memory_order_relaxed);
  Status verdict;
  {
    MutexLock lock(mutex_);
    if (!ended_ && !MayAcknowledge()) {
      waiters_.Add(lsn, deadline, std::move(done));
      return true;
    }
    if (ended_) verdict = Unconfirmed();
  }
  done(verdict);
  return false;
}

Status HomeWatch::AcknowledgeNow() {
  written_at_ns_.store(Nanoseconds(clock_.Now()), std::memory_order_relaxed);
  MutexLock lock(mutex_);
  return !ended_ && MayAcknowledge() ? OkStatus() : Unconfirmed();
}

MonotonicTime HomeWatch::ReadingDueAt() const {
  {
    MutexLock lock(mutex_);
    if (ended_) return MonotonicTime::max();
    if (!waiters_.empty()) return MonotonicTime{};
  }
  const int64_t confirmed = confirmed_at_ns_.load(std::memory_order_acquire);
  const int64_t written = written_at_ns_.load(std::memory_order_relaxed);
  if (written == kNever || confirmed == kNever) return MonotonicTime::max();
  // Nobody wrote since the last reading was made: the next write asks for one.
  if (written < confirmed) return MonotonicTime::max();
  return TimeOf(confirmed) + std::min(kReadEvery, confirm() / 3);
}

void HomeWatch::AnswerWaiters() {
  LsnWaiters::Finished finished;
  {
    MutexLock lock(mutex_);
    if (MayAcknowledge()) waiters_.TakeAll(OkStatus(), &finished);
    waiters_.TakeExpired(clock_.Now(), Unconfirmed(), &finished);
  }
  LsnWaiters::RunAll(std::move(finished));
}

void HomeWatch::End(const Status& status) {
  LsnWaiters::Finished finished;
  {
    MutexLock lock(mutex_);
    ended_ = true;
    confirmed_at_ns_.store(kNever, std::memory_order_release);
    waiters_.TakeAll(status, &finished);
  }
  LsnWaiters::RunAll(std::move(finished));
}

}  // namespace akidb
