// Bounds the requests in flight to a store, for all callers of a process together; where they queue, the urgent go
// first.
// It exists so that a merge or a crowd of cold searches can neither overload the store nor stand in a query's way.
//
// There is a lane for each Priority. A freed slot goes to the most urgent lane that waits, within a lane to whoever
// came first. Two rules protect both ends: background work never takes the last `slots_reserved` slots, and a lane that
// was passed over `passed_over_max` times goes first once.
//
// Threads: thread-safe if the store below is. A call that waits is woken by the end of another, or at its deadline;
//          Cancel() is seen within 20 ms.
// Errors:  those of the store below; kDeadlineExceeded (reason "store_busy") and kCancelled of a call that ended while
//          waiting: it was never sent, so its effect is none.
// Cost:    one slot a request. A writer holds one during Append and Commit only.
#pragma once

#include <array>
#include <list>
#include <memory>

#include "base/mutex.h"
#include "objstore/object_store.h"

namespace akidb {

struct LanePolicy {
  uint32_t slots = 64;
  uint32_t slots_reserved = 16;  // below `slots`
  uint32_t passed_over_max = 16;
};

inline constexpr std::array<std::string_view, kPriorityCount> kLaneNames = {"query", "write", "background"};

struct LaneSnapshot {
  uint32_t in_flight = 0;
  uint32_t waiting = 0;
  uint64_t granted = 0;  // of these some waited, for `wait_sum` together
  uint64_t waited = 0;
  uint64_t gave_up = 0;  // ended while waiting
  Duration wait_sum{};
};

class LaneStore final : public ObjectStore {
 public:
  LaneStore(std::unique_ptr<ObjectStore> base, const LanePolicy& policy);

  // By Priority.
  std::array<LaneSnapshot, kPriorityCount> Snapshot() const;

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
  class Slot;
  class Writer;
  struct Waiter {
    CondVar granted_cv;
    bool granted = false;
  };
  struct Lane {
    LaneSnapshot counters;
    std::list<Waiter*> waiters;  // longest waiting first; each lives on its caller's stack
    uint32_t passed_over = 0;
  };

  template <class Call>
  auto InSlot(OpContext& ctx, const Call& call) -> decltype(call());
  Status Acquire(OpContext& ctx);
  Status Wait(OpContext& ctx, Lane& lane) AKI_REQUIRES(mutex_);
  void Release(Priority priority);
  // Hands out what is free. Afterwards no waiter could be granted a slot.
  void Dispatch() AKI_REQUIRES(mutex_);
  Lane* NextLane() AKI_REQUIRES(mutex_);

  const std::unique_ptr<ObjectStore> base_;
  const LanePolicy policy_;
  mutable Mutex mutex_;
  uint32_t in_flight_ AKI_GUARDED_BY(mutex_) = 0;
  std::array<Lane, kPriorityCount> lanes_ AKI_GUARDED_BY(mutex_);
};

}  // namespace akidb
