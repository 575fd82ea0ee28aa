// The log itself: hands out LSNs, collects records into groups, and lets one thread at a time make a group durable.
//
// Threads:    see Wal. `mutex_` is never held during I/O or while a callback runs.
// Errors:     see Wal.
// Invariants: see Wal.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "wal/wal.h"
#include "wal/wal_file.h"
#include "wal/wal_recovery.h"
#include "wal/wal_spares.h"
#include "wal/wal_writer.h"

namespace akidb {

class WalImpl final : public Wal {
 public:
  WalImpl(const Environment& env, const WalOptions& options);

  Status Recover(const ReplayVisitor& visit, OpContext& ctx);

  Result<Lsn> Append(OpContext& ctx, CollectionId collection, Epoch epoch, WalRecordType type,
                     std::string_view body) override;
  Lsn durable_lsn() const override { return Lsn(durable_.load(std::memory_order_acquire)); }
  void NotifyDurable(Lsn lsn, std::move_only_function<void()> done) override;
  bool CommitStep(OpContext& ctx) override;
  Status WaitDurable(OpContext& ctx, Lsn lsn) override;
  void AdvanceLsn(Lsn lsn) override;
  Status Walk(OpContext& ctx, const ReplayVisitor& visit) override;
  Status TrimTo(OpContext& ctx, Lsn lsn) override;
  Result<bool> PrepareStep(OpContext& ctx) override;
  WalStats stats() const override;

 private:
  using Callbacks = std::vector<std::move_only_function<void()>>;
  // A file on disk that is not trimmed; the last one is being written.
  struct LiveFile {
    uint64_t sequence = 0;
    uint64_t size_bytes = 0;
    Lsn last_lsn{};
  };
  // A thread that sleeps in WaitDurable.
  struct Waiter {
    explicit Waiter(Lsn awaited) : lsn(awaited) {}
    const Lsn lsn;
    CondVar cv;
  };

  Status StartFirstFile(const WalScan& scan);
  Status RecycleEmptyFiles(const WalScan& scan);

  // Makes pending_.back() a group with room for the record. False if a spare file must be prepared first.
  Result<bool> ReserveLocked(uint64_t record_bytes) AKI_REQUIRES(mutex_);
  Result<bool> RotateLocked() AKI_REQUIRES(mutex_);
  uint64_t TailOffsetLocked() const AKI_REQUIRES(mutex_);

  std::optional<WalGroup> BeginCommit() AKI_EXCLUDES(mutex_);
  // True if the caller must commit again because nobody else will.
  bool FinishCommit(WalGroup group, Callbacks* callbacks) AKI_EXCLUDES(mutex_);
  // Raises durable_ to what is known now, wakes who waited for it and collects their callbacks.
  void PublishLocked(Callbacks* callbacks) AKI_REQUIRES(mutex_);
  // Sleeps until woken or past the deadline.
  Status SleepLocked(OpContext& ctx, Lsn lsn) AKI_REQUIRES(mutex_);
  // True if records wait that nobody commits and nobody could be woken to.
  bool MustCommitLocked() AKI_REQUIRES(mutex_);

  const WalOptions options_;
  const WalDir dir_;
  WalSpares spares_;
  // Used only by the thread that set committing_.
  std::unique_ptr<WalWriter> writer_;

  std::atomic<uint64_t> durable_{0};
  Mutex trim_mutex_;  // before mutex_
  mutable Mutex mutex_;
  bool committing_ AKI_GUARDED_BY(mutex_) = false;
  Lsn next_ AKI_GUARDED_BY(mutex_){1};
  std::deque<WalGroup> pending_ AKI_GUARDED_BY(mutex_);  // the last one still grows
  std::shared_ptr<WalTarget> tail_ AKI_GUARDED_BY(mutex_);
  uint64_t tail_offset_ AKI_GUARDED_BY(mutex_) = 0;  // in tail_, behind the last group taken from pending_
  std::vector<std::string> free_buffers_ AKI_GUARDED_BY(mutex_);
  std::deque<LiveFile> files_ AKI_GUARDED_BY(mutex_);
  uint64_t next_sequence_ AKI_GUARDED_BY(mutex_) = 1;
  std::multimap<Lsn, std::move_only_function<void()>> callbacks_ AKI_GUARDED_BY(mutex_);
  std::vector<Waiter*> waiters_ AKI_GUARDED_BY(mutex_);
  WalStats stats_ AKI_GUARDED_BY(mutex_);
};

}  // namespace akidb
