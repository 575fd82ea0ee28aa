// A circuit breaker: while most calls to a store fail because it is away, further ones are refused at once.
// It exists so that a store that is down costs its callers nothing, and is not trampled when it comes back.
//
// *Closed* passes every call on. When in the last `window` at least `calls_min` calls ended and a share of
// `failures_share` of them failed, it *opens*: calls are refused for a time, which doubles from opening to opening.
// Then it is *half open*: up to `probes` calls are let through at once, and the same number of successes closes it, one
// failure opens it again.
//
// A failure is kUnavailable, or kDeadlineExceeded of a call that the store had at least `deadline_min` to answer. Every
// other answer shows a working store: absent keys, lost conditions and refused permissions are its successes. What says
// nothing about the store is not counted: cancelled calls, and callers with little patience, so that nobody can cut all
// others off by asking with deadlines of a millisecond.
//
// Threads: thread-safe if the store below is. Waits for nothing.
// Errors:  those of the store below; kUnavailable (reason "circuit_open", effect none) of a refused call, saying when
//          the next one has a chance.
#pragma once

#include <array>
#include <memory>

#include "base/mutex.h"
#include "base/random.h"
#include "objstore/object_store.h"

namespace akidb {

struct BreakerPolicy {
  Duration window = std::chrono::seconds(10);
  uint32_t calls_min = 20;
  double failures_share = 0.5;
  Duration deadline_min = std::chrono::seconds(1);
  // Each refusal period is drawn between half of its length and all of it.
  Duration open_first = std::chrono::seconds(1);
  Duration open_max = std::chrono::seconds(30);
  uint32_t probes = 3;
};

// As numbers of the metric akidb_circuit_breaker_state.
enum class BreakerState : uint8_t { kClosed = 0, kOpen = 1, kHalfOpen = 2 };
std::string_view BreakerStateName(BreakerState state);

struct BreakerSnapshot {
  BreakerState state = BreakerState::kClosed;
  Duration retry_after{};  // while open
  uint64_t opened = 0;
  uint64_t refused = 0;
};

class BreakerStore final : public ObjectStore {
 public:
  BreakerStore(std::unique_ptr<ObjectStore> base, const BreakerPolicy& policy, Clock& clock, Random& random);

  BreakerSnapshot Snapshot() const;

  std::string_view kind() const override { return base_->kind(); }
  Result<ObjectBody> Get(OpContext& ctx, const std::string& key, uint64_t size_max) override;
  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override;
  Result<ObjectMeta> Head(OpContext& ctx, const std::string& key) override;
  Result<ObjectMeta> Put(OpContext& ctx, const std::string& key, std::string_view body,
                         const PutCondition& condition) override;
  Result<std::unique_ptr<ObjectWriter>> OpenWriter(OpContext& ctx, const std::string& key) override;
  Result<ListPage> List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                        uint32_t keys_max) override;
  Status Delete(OpContext& ctx, const std::string& key) override;
  Status DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) override;

 private:
  class Writer;
  enum class Answer : uint8_t { kSuccess, kFailure, kSaysNothing };
  static constexpr size_t kParts = 10;
  struct Part {
    int64_t number = -1;  // which tenth of a window since the clock began
    uint32_t calls = 0;
    uint32_t failures = 0;
  };

  template <class Call>
  auto Guarded(const Call& call) -> decltype(call());
  // The term the call belongs to.
  Result<uint64_t> Enter();
  void Leave(uint64_t term, Answer answer);
  void CountInWindow(bool failed) AKI_REQUIRES(mutex_);
  void Open() AKI_REQUIRES(mutex_);
  void BeginTerm(BreakerState state) AKI_REQUIRES(mutex_);
  Answer Judge(const Status& status, Duration took) const;

  const std::unique_ptr<ObjectStore> base_;
  const BreakerPolicy policy_;
  Clock& clock_;
  Random& random_;
  mutable Mutex mutex_;
  BreakerState state_ AKI_GUARDED_BY(mutex_) = BreakerState::kClosed;
  // Grows with each change of state. What a call of an earlier term brings says nothing about this one.
  uint64_t term_ AKI_GUARDED_BY(mutex_) = 0;
  std::array<Part, kParts> window_ AKI_GUARDED_BY(mutex_);
  Duration open_for_ AKI_GUARDED_BY(mutex_){};  // before jitter
  MonotonicTime open_until_ AKI_GUARDED_BY(mutex_){};
  uint32_t probing_ AKI_GUARDED_BY(mutex_) = 0;
  uint32_t probes_succeeded_ AKI_GUARDED_BY(mutex_) = 0;
  uint64_t opened_ AKI_GUARDED_BY(mutex_) = 0;
  uint64_t refused_ AKI_GUARDED_BY(mutex_) = 0;
};

}  // namespace akidb
