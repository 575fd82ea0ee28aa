#include "engine/commit_waiters.h"

#include <algorithm>

namespace akidb {

bool CommitWaiters::Add(Lsn lsn, MonotonicTime deadline, Done done, MonotonicTime now) {
  waiters_.Add(lsn, deadline, std::move(done));
  if (lsn <= begun_lsn_) return false;
  ++waiting_;
  // Who comes later waits for nobody.
  if (now < wait_until_) wait_until_ = std::min(now + last_took_ / 4, last_ended_ + last_took_);
  return waiting_ == 1 || DueAt(now) <= now;
}

void CommitWaiters::NoteBegun(Lsn watermark, MonotonicTime now) {
  begun_.push_back({watermark, now});
  begun_lsn_ = std::max(begun_lsn_, watermark);
  waiting_ = waiters_.CountAbove(begun_lsn_);
}

bool CommitWaiters::TakeUpTo(Lsn lsn, MonotonicTime now, Finished* finished) {
  const size_t others = finished->size();
  waiters_.TakeUpTo(lsn, finished);
  // Normally none, but what is not waited for may be published too.
  if (lsn > begun_lsn_) waiting_ = waiters_.CountAbove(lsn);
  for (; !begun_.empty() && begun_.front().watermark <= lsn; begun_.pop_front()) {
    if (finished->size() == others) continue;
    expected_ = finished->size() - others + waiting_;
    last_took_ = now - begun_.front().at;
    last_ended_ = now;
    wait_until_ = now + last_took_ / 4;
  }
  return !waiters_.empty();
}

void CommitWaiters::TakeExpired(MonotonicTime now, const Status& status, Finished* finished) {
  waiters_.TakeExpired(now, status, finished);
  if (!finished->empty()) waiting_ = waiters_.CountAbove(begun_lsn_);
}

void CommitWaiters::TakeAll(const Status& status, Finished* finished) {
  waiters_.TakeAll(status, finished);
  waiting_ = 0;
}

MonotonicTime CommitWaiters::DueAt(MonotonicTime now) const {
  if (waiting_ == 0) return MonotonicTime::max();
  const size_t under_way = waiters_.size() - waiting_;
  // Not with as many: two halves that take turns cost twice the requests of one whole, for ever, and nobody is answered
  // sooner. Two who are alone may be strangers.
  if (under_way > 0) return waiting_ > under_way || under_way == 1 ? now : MonotonicTime::max();
  if (waiting_ >= expected_) return now;
  return std::max(now, wait_until_);
}

}  // namespace akidb
