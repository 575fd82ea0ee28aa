#include "objstore/lane_store.h"

#include <gmock/gmock.h>

#include <functional>
#include <thread>
#include <vector>

#include "base/manual_clock_testing.h"
#include "objstore/forwarding_store_testing.h"
#include "objstore/memory/memory_store.h"
#include "objstore/objstore_conformance_testing.h"

namespace akidb {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;

// Heads do not end before the test lets their key pass.
class GateStore final : public ForwardingStore {
 public:
  GateStore() : ForwardingStore(NewMemoryStore(RealClock())) {}

  Result<ObjectMeta> Head(OpContext&, const std::string& key) override {
    const MutexLock lock(mutex_);
    arrived_.push_back(key);
    changed_.NotifyAll();
    while (std::erase(passing_, key) == 0) changed_.Wait(mutex_);
    ObjectMeta meta;
    meta.key = key;
    return meta;
  }
  void LetPass(const std::string& key) {
    const MutexLock lock(mutex_);
    passing_.push_back(key);
    changed_.NotifyAll();
  }
  void WaitForArrivals(size_t count) {
    const MutexLock lock(mutex_);
    while (arrived_.size() < count) changed_.Wait(mutex_);
  }
  std::vector<std::string> arrived() {
    const MutexLock lock(mutex_);
    return arrived_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> arrived_ AKI_GUARDED_BY(mutex_);
  std::vector<std::string> passing_ AKI_GUARDED_BY(mutex_);
};

class LaneStoreTest : public testing::Test {
 protected:
  ~LaneStoreTest() override {
    for (std::thread& caller : callers_) caller.join();
  }
  void Open(const LanePolicy& policy) {
    auto gate = std::make_unique<GateStore>();
    gate_ = gate.get();
    store_ = std::make_unique<LaneStore>(std::move(gate), policy);
  }
  LaneSnapshot Lane(Priority priority) { return store_->Snapshot()[static_cast<size_t>(priority)]; }
  void Start(const std::string& key, Priority priority) {
    callers_.emplace_back([this, key, priority] {
      OpContext ctx(RealClock());
      ctx.set_priority(priority);
      EXPECT_TRUE(store_->Head(ctx, key));
    });
  }
  // A call that gets its slot at once.
  void StartRunning(const std::string& key, Priority priority) {
    const size_t before = gate_->arrived().size();
    Start(key, priority);
    gate_->WaitForArrivals(before + 1);
  }
  // A call that has to wait; returns when it does.
  void StartWaiting(const std::string& key, Priority priority) {
    const uint32_t before = Lane(priority).waiting;
    Start(key, priority);
    while (Lane(priority).waiting == before) std::this_thread::yield();
  }
  // Ends a call whose slot somebody waits for.
  void EndAndWaitForNext(const std::string& key) {
    const size_t before = gate_->arrived().size();
    gate_->LetPass(key);
    gate_->WaitForArrivals(before + 1);
  }

  GateStore* gate_ = nullptr;
  std::unique_ptr<LaneStore> store_;
  std::vector<std::thread> callers_;
};

TEST_F(LaneStoreTest, FreedSlotGoesToTheMostUrgentLaneThenToWhoCameFirst) {
  Open({.slots = 1, .slots_reserved = 0});
  StartRunning("first", Priority::kQuery);
  StartWaiting("background", Priority::kBackground);
  StartWaiting("write", Priority::kWrite);
  StartWaiting("query1", Priority::kQuery);
  StartWaiting("query2", Priority::kQuery);
  for (const std::string key : {"first", "query1", "query2", "write"}) EndAndWaitForNext(key);
  gate_->LetPass("background");
  EXPECT_THAT(gate_->arrived(), ElementsAre("first", "query1", "query2", "write", "background"));
}

TEST_F(LaneStoreTest, BackgroundNeverTakesTheLastSlots) {
  Open({.slots = 3, .slots_reserved = 1});
  StartRunning("b1", Priority::kBackground);
  StartRunning("b2", Priority::kBackground);
  StartWaiting("b3", Priority::kBackground);
  StartRunning("query", Priority::kQuery);  // the slot that was kept free for it
  EXPECT_EQ(Lane(Priority::kBackground).waiting, 1u);
  gate_->LetPass("query");
  EndAndWaitForNext("b1");
  EXPECT_THAT(gate_->arrived(), ElementsAre("b1", "b2", "query", "b3"));
  gate_->LetPass("b2");
  gate_->LetPass("b3");
}

TEST_F(LaneStoreTest, LanePassedOverTooOftenGoesFirstOnce) {
  Open({.slots = 1, .slots_reserved = 0, .passed_over_max = 2});
  StartRunning("q0", Priority::kQuery);
  StartWaiting("w1", Priority::kWrite);
  StartWaiting("w2", Priority::kWrite);
  for (const std::string key : {"q1", "q2", "q3"}) StartWaiting(key, Priority::kQuery);
  for (const std::string key : {"q0", "q1", "q2", "w1", "q3"}) EndAndWaitForNext(key);
  gate_->LetPass("w2");
  EXPECT_THAT(gate_->arrived(), ElementsAre("q0", "q1", "q2", "w1", "q3", "w2"));
}

TEST_F(LaneStoreTest, WaitEndsAtTheDeadlineWithoutARequest) {
  Open({.slots = 1, .slots_reserved = 0});
  StartRunning("running", Priority::kQuery);
  ManualClock clock;
  OpContext ctx(clock);
  ctx.set_timeout(seconds(5));
  Status status;
  std::thread waiter([&] { status = internal::ToStatus(store_->Head(ctx, "waiting")); });
  while (Lane(Priority::kQuery).waiting == 0) std::this_thread::yield();
  clock.Advance(seconds(5));
  waiter.join();
  EXPECT_EQ(status.code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(status.reason(), "store_busy");
  EXPECT_EQ(status.effect(), Effect::kNone);
  EXPECT_EQ(Lane(Priority::kQuery).gave_up, 1u);
  EXPECT_EQ(Lane(Priority::kQuery).wait_sum, seconds(5));
  gate_->LetPass("running");
  EXPECT_THAT(gate_->arrived(), ElementsAre("running"));
}

TEST_F(LaneStoreTest, CancelledWaiterLeavesItsPlaceToTheNext) {
  Open({.slots = 1, .slots_reserved = 0});
  StartRunning("running", Priority::kQuery);
  OpContext ctx(RealClock());
  StatusCode code = StatusCode::kOk;
  std::thread waiter([&] { code = internal::ToStatus(store_->Head(ctx, "cancelled")).code(); });
  while (Lane(Priority::kQuery).waiting == 0) std::this_thread::yield();
  StartWaiting("next", Priority::kQuery);
  ctx.Cancel();
  waiter.join();
  EXPECT_EQ(code, StatusCode::kCancelled);
  EndAndWaitForNext("running");
  gate_->LetPass("next");
  EXPECT_THAT(gate_->arrived(), ElementsAre("running", "next"));
}

TEST_F(LaneStoreTest, FailedCallGivesItsSlotBack) {
  LaneStore store(NewMemoryStore(RealClock()), {.slots = 1, .slots_reserved = 0});
  OpContext ctx(RealClock());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(store.Head(ctx, "absent").error().code(), StatusCode::kNotFound);
  EXPECT_EQ(store.Snapshot()[0].in_flight, 0u);
  EXPECT_EQ(store.Snapshot()[0].granted, 3u);
  EXPECT_EQ(store.Snapshot()[0].waited, 0u);
}

TEST_F(LaneStoreTest, OpenWriterHoldsNoSlotBetweenItsCalls) {
  LaneStore store(NewMemoryStore(RealClock()), {.slots = 1, .slots_reserved = 0});
  OpContext ctx(RealClock());
  const auto writer = store.OpenWriter(ctx, "k");
  EXPECT_TRUE(store.Put(ctx, "other", "x", PutCondition::None()));
  ASSERT_TRUE((*writer)->Append(ctx, "y").ok());
  EXPECT_TRUE((*writer)->Commit(ctx, PutCondition::None()));
}

INSTANTIATE_TEST_SUITE_P(LaneStore, ObjectStoreConformanceTest,
                         testing::Values(StoreFactory{"lanes",
                                                      [] {
                                                        return std::make_shared<LaneStore>(
                                                            NewMemoryStore(RealClock()),
                                                            LanePolicy{.slots = 3, .slots_reserved = 1});
                                                      }}),
                         [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace akidb
