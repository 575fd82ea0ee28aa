// When a collection's home may acknowledge with `ack=local`: only while it has read, not longer ago than it promised,
// that it still is the home. Whoever takes the home away waits for longer than that
// (docs/adr/0010-local-acknowledgement-on-a-bucket.md).
//
// Threads:    thread-safe. Callbacks are run without its lock.
// Errors:     waiters get kUnavailable (reason "home_unconfirmed", effect unknown) at their deadline.
// Invariants: 1. A reading counts from when its request was sent.
//             2. Whether an acknowledgement may be given is asked when it is given, not when the write came.
// Cost:       the caller's reading, one in kReadEvery while writes come, none otherwise.
#pragma once

#include <atomic>

#include "base/clock.h"
#include "base/mutex.h"
#include "engine/lsn_waiters.h"

namespace akidb {

class HomeWatch {
 public:
  using Done = LsnWaiters::Done;
  static constexpr Duration kReadEvery = std::chrono::seconds(5);

  explicit HomeWatch(Clock& clock) : clock_(clock) {}

  // This process is the home, and promises to stop acknowledging `confirm` after its last reading. None was made yet.
  void Begin(Duration confirm);
  bool MayAcknowledge() const;
  // It still is the home, as a reading says whose request was sent at `asked_at`.
  void Confirm(MonotonicTime asked_at);

  // Runs `done` with OK as soon as an acknowledgement may be given, or with an error at `deadline`. True if a reading
  // must be made for it.
  bool Acknowledge(Lsn lsn, MonotonicTime deadline, Done done);
  // OK if an acknowledgement may be given now, else Unconfirmed().
  Status AcknowledgeNow();
  // When the next reading is due; the greatest time if none is.
  MonotonicTime ReadingDueAt() const;
  // Answers whom it can after a reading, or after one failed.
  void AnswerWaiters();
  // It is the home no more.
  void End(const Status& status);

  static Status Unconfirmed();

 private:
  Duration confirm() const { return Duration(confirm_ns_.load(std::memory_order_acquire)); }

  Clock& clock_;
  std::atomic<int64_t> confirm_ns_{0};
  std::atomic<int64_t> confirmed_at_ns_{kNever};
  std::atomic<int64_t> written_at_ns_{kNever};  // when an acknowledgement was last asked for
  mutable Mutex mutex_;
  bool ended_ AKI_GUARDED_BY(mutex_) = false;
  LsnWaiters waiters_ AKI_GUARDED_BY(mutex_);

  static constexpr int64_t kNever = -1;
};

}  // namespace akidb
