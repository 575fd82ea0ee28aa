// Sends a read a second time when the first takes longer than nearly all reads of its size, and takes whichever answer
// comes first.
// It exists because one slow disk or lost packet of a bucket would else decide how long a search takes.
//
// Only Get and GetRange of up to 16 MiB: they may be repeated. How long is too long is learned (latency_estimate.h).
// Second requests are a bounded share of all, so that a store that got slow as a whole is not given more to do. Each
// request has a time-out of its own, a multiple of what it should take: whoever repeats gets its chance before the
// caller's time is up.
//
// Requests run on the executor's threads into buffers of their own: the loser may write into its buffer long after the
// caller has its answer and is gone. When the threads are all taken, and before enough is learned, a read runs on its
// caller's thread as if there were no hedging.
//
// Threads: thread-safe if the store below is. The destructor waits for requests that still run; `executor` outlives it.
// Errors:  those of the store below; kDeadlineExceeded of a request that had its own time-out (retry: backoff).
// Cost:    1 request a call, and at most `extra_share` of all calls a second one. A copy of the bytes.
#pragma once

#include <functional>
#include <memory>

#include "base/mutex.h"
#include "base/task.h"
#include "objstore/latency_estimate.h"
#include "objstore/object_store.h"

namespace akidb {

struct HedgePolicy {
  double quantile = 0.95;
  uint32_t samples_min = 20;
  double extra_share = 0.05;
  double extra_burst = 10;  // as many second requests may follow each other after a quiet time
  Duration wait_min = std::chrono::milliseconds(2);
  // A request's time-out: this many times what all but few take, within the limits; and always enough for its bytes at
  // the slowest rate that still counts as service, so that a slow link is used however little is known of it yet.
  double timeout_factor = 10;
  Duration timeout_min = std::chrono::seconds(5);
  Duration timeout_max = std::chrono::seconds(60);
  uint64_t bytes_per_second_min = 1u << 20;
  // Of the executor; it should have no other work, because requests block.
  uint32_t threads = 64;
  // How to wait for a condition; the real one unless a test has a clock of its own.
  std::function<void(CondVar&, Mutex&, Duration)> wait{};
};

struct HedgeSnapshot {
  uint64_t requests = 0;
  uint64_t hedged = 0;    // of these a second request was sent
  uint64_t won = 0;       // of these the second was first
  uint64_t withheld = 0;  // would have been hedged, but for the bound
  double latency_seconds = 0;
  double seconds_per_byte = 0;
};

class HedgeStore final : public ObjectStore {
 public:
  HedgeStore(std::unique_ptr<ObjectStore> base, const HedgePolicy& policy, Clock& clock, Executor& executor);
  ~HedgeStore() override;

  HedgeSnapshot Snapshot() const;

  std::string_view kind() const override { return base_->kind(); }
  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override;
  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override;
  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override { return base_->Head(ctx, key); }
  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override {
    return base_->Put(ctx, key, body, condition);
  }
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override {
    return base_->OpenWriter(ctx, key);
  }
  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override {
    return base_->List(ctx, prefix, start_after, keys_max);
  }
  Status Delete(OpContext& ctx, const std::string& key) override { return base_->Delete(ctx, key); }
  Status DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) override {
    return base_->DeleteVersion(ctx, key, version_id);
  }

 private:
  // What a request brings: a body, or the bytes of a range.
  struct Answer {
    Status status;
    ObjectBody body;
    std::unique_ptr<char[]> bytes;
    uint64_t byte_count = 0;
  };
  // Owns what it needs: it may run when its caller is gone.
  using Request = std::function<Answer(ObjectStore&, OpContext&)>;
  struct Attempt;
  struct Race;
  class AttemptTask;
  using RacePtr = std::shared_ptr<Race>;

  // Empty if the read has to run on its caller's thread. `bytes` are expected, and `bytes_max` may come.
  RacePtr BeginRace(OpContext& ctx, uint64_t bytes, uint64_t bytes_max, Request request);
  void StartAttempt(OpContext& ctx, const RacePtr& race);
  void RunAttempt(const RacePtr& race, size_t number);
  Answer AwaitWinner(OpContext& ctx, const RacePtr& race);
  bool TakeExtra();
  void Learn(const Status& status, uint64_t bytes, MonotonicTime start, Duration patience);

  const std::unique_ptr<ObjectStore> base_;
  const HedgePolicy policy_;
  Clock& clock_;
  Executor& executor_;
  mutable Mutex mutex_;
  CondVar idle_;
  LatencyEstimate estimate_ AKI_GUARDED_BY(mutex_);
  double extra_ AKI_GUARDED_BY(mutex_) = 0;
  uint32_t running_ AKI_GUARDED_BY(mutex_) = 0;
  HedgeSnapshot counters_ AKI_GUARDED_BY(mutex_);
};

}  // namespace akidb
