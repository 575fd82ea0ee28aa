// Answers to requests that wait until a manifest carries their write (ack=committed). They hold no thread: the flush
// task publishes for all of them at once, so many writers cost as many store requests as one.
#include "engine/collection_impl.h"

namespace akidb {

void CollectionImpl::NotifyCommitted(OpContext& ctx, Lsn lsn, Done done) {
  Status verdict;
  {
    MutexLock lock(committed_mutex_);
    if (lsn > committed_lsn_ && !superseded()) {
      // With the first one to wait, what is under way becomes another task's.
      const bool first = committed_waiters_.empty();
      const bool due = committed_waiters_.Add(lsn, ctx.deadline(), std::move(done), deps_.env.clock->Now());
      if (first || due) deps_.wake_hurried_flush();
      return;
    }
    // Its publication may have been what the writer of now took over, and its record may be in the log.
    if (lsn > committed_lsn_) verdict = NotTheWriter().WithEffectUnknown();
  }
  done(verdict);
}

MonotonicTime CollectionImpl::CommitDueAt() {
  MutexLock lock(committed_mutex_);
  return committed_waiters_.DueAt(deps_.env.clock->Now());
}

void CollectionImpl::NoteCommitted(Lsn lsn) {
  LsnWaiters::Finished finished;
  {
    MutexLock lock(committed_mutex_);
    committed_lsn_ = std::max(committed_lsn_, lsn);
    // They may have waited for this one, and this thread may be one that begins none.
    if (committed_waiters_.TakeUpTo(committed_lsn_, deps_.env.clock->Now(), &finished)) deps_.wake_hurried_flush();
    while (!unpublished_since_.empty() && unpublished_since_.front().first <= lsn) unpublished_since_.pop_front();
  }
  LsnWaiters::RunAll(std::move(finished));
}

void CollectionImpl::WakeFlush() {
  MutexLock lock(committed_mutex_);
  committed_waiters_.empty() ? deps_.wake_flush() : deps_.wake_hurried_flush();
}

bool CollectionImpl::IsCommitted(Lsn lsn) {
  MutexLock lock(committed_mutex_);
  return lsn <= committed_lsn_;
}

bool CollectionImpl::AnswerLateCommits() {
  LsnWaiters::Finished finished;
  bool others = false;
  {
    MutexLock lock(committed_mutex_);
    if (superseded()) committed_waiters_.TakeAll(NotTheWriter().WithEffectUnknown(), &finished);
    committed_waiters_.TakeExpired(
        deps_.env.clock->Now(),
        Unavailable("the store did not confirm the publication in time; the write may yet be published")
            .WithEffectUnknown(),
        &finished);
    others = !committed_waiters_.empty();
  }
  LsnWaiters::RunAll(std::move(finished));
  return others;
}

void CollectionImpl::EndCommitted(const Status& status) {
  LsnWaiters::Finished finished;
  {
    MutexLock lock(committed_mutex_);
    committed_waiters_.TakeAll(status, &finished);
  }
  LsnWaiters::RunAll(std::move(finished));
}

}  // namespace akidb
