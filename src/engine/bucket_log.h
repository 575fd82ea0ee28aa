// The log of one collection and epoch as a stream of objects in the bucket, and the way another process ends it.
//
// Threads:    BucketLog is thread-safe; one thread at a time sends (whoever waits, or the log's own task).
// Errors:     see CollectionLog; FenceStream: kUnavailable when an object that must be there cannot be read (I11),
//             kDataLoss for damaged ones.
// Durability: a record is durable when its object was created and all lower sequences of the epoch were, or when a
//             manifest carries it. Records that nobody waits for are not sent, and those that are published before
//             anybody did never are: LSNs of a stream have holes that the manifest covers.
// Format:     docs/formats/wal_object.md
// Invariants: 1. One object of a stream is under way at a time; until its outcome is known the very same bytes are sent
//                again and nothing else.
//             2. Once a sequence was lost to somebody else, nothing becomes durable here any more but what a manifest
//                carries that was committed before.
//             3. A record is left out of the stream only after a manifest was committed that carries it and all before.
// Cost:       1 PUT for all records when somebody waits for one; a trim 1 DELETE an object.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "engine/collection_log.h"
#include "engine/lsn_waiters.h"
#include "format/wal_object.h"
#include "manifest/version_chain.h"

namespace akidb {

class BucketLog final : public CollectionLog, public std::enable_shared_from_this<BucketLog> {
 public:
  // Whoever waits is told that the outcome is unknown.
  ~BucketLog() override;

  // LSNs start above `newest`, and all up to it count as durable. Does no I/O: Begin() comes first.
  static std::shared_ptr<BucketLog> New(const Environment& env, std::shared_ptr<ObjectStore> store,
                                        CollectionId collection, Epoch epoch, Lsn newest);
  // Creates the first object of the stream, which proves that nobody fenced the epoch; starts the task that sends.
  // kUnavailable (reason "not_the_writer") if somebody did. After another error it may be called again.
  Status Begin(OpContext& ctx);
  Epoch epoch() const { return epoch_; }

  AckLevel ack() const override { return AckLevel::kObject; }
  Result<Lsn> Append(OpContext& ctx, WalRecordType type, std::string_view body) override;
  Lsn durable_lsn() const override { return Lsn(durable_.load(std::memory_order_acquire)); }
  Lsn last_lsn() const override;
  void NotifyDurable(OpContext& ctx, Lsn lsn, Done done) override;
  Status WaitDurable(OpContext& ctx, Lsn lsn) override;
  Status PrepareToPublish(OpContext& ctx, Lsn lsn) override;
  void NotePublished(Lsn lsn) override;
  void AdvanceLsn(Lsn lsn) override;
  WalSequence SequenceAt(Lsn lsn) const override;
  Status TrimTo(OpContext& ctx, WalSequence sequence) override;
  bool fenced() const override { return fenced_.load(std::memory_order_acquire); }

  // Sends the next group, or again the one whose outcome is unknown, unless another thread does. True if more waits.
  Result<bool> SendStep(OpContext& ctx);

 private:
  struct Object {
    WalSequence sequence;
    Lsn last_lsn;
  };
  // Records that go into one object together, mostly with others.
  struct Group {
    std::string payload;
    Lsn first;
    Lsn last;
    uint32_t count = 0;
  };
  BucketLog(const Environment& env, std::shared_ptr<ObjectStore> store, CollectionId collection, Epoch epoch,
            Lsn newest);

  // Makes the pending records the group under way, if none is. False if there is nothing to send.
  bool BeginSend() AKI_REQUIRES(mutex_);
  void EndSend(const Result<Verdict>& verdict, LsnWaiters::Finished* finished) AKI_REQUIRES(mutex_);
  Status NotTheWriter() const;
  // What becomes of a record that is in no log: if a manifest was sent that carries it, nobody knows.
  Status LostRecord(Lsn lsn) const AKI_REQUIRES(mutex_);
  bool SomethingToSend() const AKI_REQUIRES(mutex_);
  void PutUnderWay(const Group& group) AKI_REQUIRES(mutex_);

  const Environment env_;
  const std::shared_ptr<ObjectStore> store_;
  const CollectionId collection_;
  const Epoch epoch_;
  std::atomic<TaskId> task_{0};
  std::atomic<uint64_t> durable_{0};
  std::atomic<bool> fenced_{false};

  VersionChain chain_;  // used by the thread that set sending_

  mutable Mutex mutex_;
  CondVar sent_;
  bool sending_ AKI_GUARDED_BY(mutex_) = false;
  Lsn next_ AKI_GUARDED_BY(mutex_);
  std::deque<Group> groups_ AKI_GUARDED_BY(mutex_);  // the last one still grows
  Lsn asked_ AKI_GUARDED_BY(mutex_);                 // greatest LSN that somebody waited for
  Lsn publishing_ AKI_GUARDED_BY(mutex_);            // greatest LSN that a manifest was sent with
  WalSequence next_sequence_ AKI_GUARDED_BY(mutex_){1};
  WalSequence trimmed_ AKI_GUARDED_BY(mutex_);
  bool failing_ AKI_GUARDED_BY(mutex_) = false;  // the last try had no verdict
  // The object under way: not yet known to be there.
  std::optional<Object> under_way_ AKI_GUARDED_BY(mutex_);
  std::string under_way_bytes_ AKI_GUARDED_BY(mutex_);
  std::deque<Object> objects_ AKI_GUARDED_BY(mutex_);  // in the bucket, not trimmed
  LsnWaiters waiters_ AKI_GUARDED_BY(mutex_);
};

// What was left out of a stream is in the manifest (invariant 3), so records that follow `newest`, the greatest LSN
// that is known from there or from records before, begin right after it: kUnavailable (I11) if `first` does not.
Status CheckNothingMissing(CollectionId collection, Lsn newest, Lsn first);

// An ended stream from where a watermark ends.
struct FencedStream {
  Epoch epoch;
  std::vector<std::string> objects;  // whole objects, ascending, up to the fence
  WalSequence fence;
};

// Ends the stream of an older epoch at its first free name, unless it is ended, and reads what lies between `after` and
// the fence. Cost: 1 LIST; 1 GET an object; 1 PUT for the fence.
Result<FencedStream> FenceStream(OpContext& ctx, const Environment& env, ObjectStore& store, CollectionId collection,
                                 Epoch epoch, WalSequence after);

}  // namespace akidb
