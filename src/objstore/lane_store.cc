#include "objstore/lane_store.h"

#include <algorithm>

#include "base/check.h"
#include "objstore/kept_bytes.h"

namespace akidb {
namespace {

// A waiter looks at its context this often: Cancel() wakes nobody, and the deadline may be on a clock of its own.
constexpr Duration kCancelCheckedEvery = std::chrono::milliseconds(20);

}  // namespace

LaneStore::LaneStore(std::unique_ptr<ObjectStore> base, const LanePolicy& policy)
    : base_(std::move(base)), policy_(policy) {
  AKI_CHECK(policy_.slots_reserved < policy_.slots);
}

std::array<LaneSnapshot, kPriorityCount> LaneStore::Snapshot() const {
  std::array<LaneSnapshot, kPriorityCount> snapshot;
  const MutexLock lock(mutex_);
  for (size_t i = 0; i < kPriorityCount; ++i) {
    snapshot[i] = lanes_[i].counters;
    snapshot[i].waiting = static_cast<uint32_t>(lanes_[i].waiters.size());
  }
  return snapshot;
}

LaneStore::Lane* LaneStore::NextLane() {
  if (in_flight_ == policy_.slots) return nullptr;
  const auto may_take = [&](size_t i) AKI_REQUIRES(mutex_) {
    const bool background = i == static_cast<size_t>(Priority::kBackground);
    return !lanes_[i].waiters.empty() && (!background || in_flight_ + policy_.slots_reserved < policy_.slots);
  };
  Lane* next = nullptr;
  for (size_t i = 0; i < kPriorityCount; ++i) {
    if (!may_take(i)) continue;
    if (next == nullptr || lanes_[i].passed_over >= policy_.passed_over_max) next = &lanes_[i];
  }
  return next;
}

void LaneStore::Dispatch() {
  while (Lane* const lane = NextLane()) {
    for (Lane& other : lanes_) {
      if (&other > lane && !other.waiters.empty()) ++other.passed_over;
    }
    lane->passed_over = 0;
    Waiter* const waiter = lane->waiters.front();
    lane->waiters.pop_front();
    ++in_flight_;
    ++lane->counters.in_flight;
    ++lane->counters.granted;
    waiter->granted = true;
    waiter->granted_cv.NotifyOne();
  }
}

Status LaneStore::Acquire(OpContext& ctx) {
  const MutexLock lock(mutex_);
  return Wait(ctx, lanes_[static_cast<size_t>(ctx.priority())]);
}

Status LaneStore::Wait(OpContext& ctx, Lane& lane) {
  Waiter waiter;
  lane.waiters.push_back(&waiter);
  Dispatch();
  if (waiter.granted) return OkStatus();
  const MonotonicTime start = ctx.clock().Now();
  Status status;
  while (!waiter.granted) {
    status = ctx.Check();
    if (!status.ok()) break;
    waiter.granted_cv.WaitFor(mutex_, std::min(ctx.deadline() - ctx.clock().Now(), kCancelCheckedEvery));
  }
  lane.counters.wait_sum += ctx.clock().Now() - start;
  if (waiter.granted) {
    ++lane.counters.waited;
    return OkStatus();
  }
  ++lane.counters.gave_up;
  lane.waiters.remove(&waiter);
  if (lane.waiters.empty()) lane.passed_over = 0;
  if (status.code() != StatusCode::kDeadlineExceeded) return status;
  return DeadlineExceeded("the deadline passed while waiting for one of " + std::to_string(policy_.slots) +
                          " requests in flight to end")
      .WithReason("store_busy");
}

void LaneStore::Release(Priority priority) {
  const MutexLock lock(mutex_);
  --in_flight_;
  --lanes_[static_cast<size_t>(priority)].counters.in_flight;
  Dispatch();
}

// Gives the slot back, whatever way the call ends.
class LaneStore::Slot {
 public:
  Slot(LaneStore& store, Priority priority) : store_(store), priority_(priority) {}
  ~Slot() { store_.Release(priority_); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

 private:
  LaneStore& store_;
  const Priority priority_;
};

template <class Call>
auto LaneStore::InSlot(OpContext& ctx, const Call& call) -> decltype(call()) {
  const Priority priority = ctx.priority();
  AKI_RETURN_IF_ERROR(Acquire(ctx));
  const Slot slot(*this, priority);
  return call();
}

class LaneStore::Writer final : public ObjectWriter, public KeptBytesWriter {
 public:
  Writer(LaneStore& store, std::unique_ptr<ObjectWriter> base) : store_(store), base_(std::move(base)) {}

  Status Append(OpContext& ctx, std::string_view bytes) override {
    return store_.InSlot(ctx, [&] { return base_->Append(ctx, bytes); });
  }
  Status AppendKept(OpContext& ctx, const KeptBytes& kept) override {
    return store_.InSlot(ctx, [&] { return akidb::AppendKept(ctx, *base_, kept); });
  }
  Result<ObjectMeta> Commit(OpContext& ctx, const PutCondition& condition) override {
    return store_.InSlot(ctx, [&] { return base_->Commit(ctx, condition); });
  }

 private:
  LaneStore& store_;
  const std::unique_ptr<ObjectWriter> base_;
};

Result<ObjectBody> LaneStore::Get(OpContext& ctx, const std::string& key, uint64_t size_max) {
  return InSlot(ctx, [&] { return base_->Get(ctx, key, size_max); });
}

Status LaneStore::GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                           char* out) {
  return InSlot(ctx, [&] { return base_->GetRange(ctx, key, range, version_id, out); });
}

Result<ObjectMeta> LaneStore::Head(OpContext& ctx, const std::string& key) {
  return InSlot(ctx, [&] { return base_->Head(ctx, key); });
}

Result<ObjectMeta> LaneStore::Put(OpContext& ctx, const std::string& key, std::string_view body,
                                  const PutCondition& condition) {
  return InSlot(ctx, [&] { return base_->Put(ctx, key, body, condition); });
}

Result<std::unique_ptr<ObjectWriter>> LaneStore::OpenWriter(OpContext& ctx, const std::string& key) {
  AKI_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> writer, InSlot(ctx, [&] { return base_->OpenWriter(ctx, key); }));
  return std::make_unique<Writer>(*this, std::move(writer));
}

Result<ListPage> LaneStore::List(OpContext& ctx, const std::string& prefix, const std::string& start_after,
                                 uint32_t keys_max) {
  return InSlot(ctx, [&] { return base_->List(ctx, prefix, start_after, keys_max); });
}

Status LaneStore::Delete(OpContext& ctx, const std::string& key) {
  return InSlot(ctx, [&] { return base_->Delete(ctx, key); });
}

Status LaneStore::DeleteVersion(OpContext& ctx, const std::string& key, const std::string& version_id) {
  return InSlot(ctx, [&] { return base_->DeleteVersion(ctx, key, version_id); });
}

}  // namespace akidb
