// Requests that wait until a manifest carries their write, and when the next commit shall begin so that it carries many
// of them: who was answered comes back at once, and a commit that takes the first to come leaves the others waiting for
// the one after.
//
// Threads: as a container: the owner's lock guards it. What was taken out is run without that lock.
// Errors:  the caller's statuses.
#pragma once

#include <deque>

#include "engine/lsn_waiters.h"

namespace akidb {

class CommitWaiters {
 public:
  using Done = LsnWaiters::Done;
  using Finished = LsnWaiters::Finished;

  // True if who begins commits should look: one is due, or will be.
  bool Add(Lsn lsn, MonotonicTime deadline, Done done, MonotonicTime now);
  // A commit of everything up to `watermark` begins.
  void NoteBegun(Lsn watermark, MonotonicTime now);
  // Those that wait for `lsn` or less are finished with OK. True if others wait.
  bool TakeUpTo(Lsn lsn, MonotonicTime now, Finished* finished);
  void TakeExpired(MonotonicTime now, const Status& status, Finished* finished);
  void TakeAll(const Status& status, Finished* finished);
  bool empty() const { return waiters_.empty(); }

  // When the next commit shall begin; max() if it is not known yet: nobody waits for it, or no more than are under way,
  // unless that is one. Else, those whom the last one answered are waited for while they come: until none did for a
  // quarter of the time that it took, and no longer than that time.
  MonotonicTime DueAt(MonotonicTime now) const;

 private:
  struct Begun {
    Lsn watermark;
    MonotonicTime at;
  };
  LsnWaiters waiters_;
  size_t waiting_ = 0;  // of them, those whose commit has not begun
  Lsn begun_lsn_;
  std::deque<Begun> begun_;
  size_t expected_ = 0;  // who was answered by the last commit, and who waited meanwhile
  Duration last_took_{};
  MonotonicTime last_ended_{};
  MonotonicTime wait_until_{};  // for the next to come, of those who are expected
};

}  // namespace akidb
