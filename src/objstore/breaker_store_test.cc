#include "objstore/breaker_store.h"

#include <gmock/gmock.h>

#include <thread>

#include "base/manual_clock_testing.h"
#include "objstore/forwarding_store_testing.h"
#include "objstore/memory/memory_store.h"
#include "objstore/objstore_conformance_testing.h"

namespace akidb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::AllOf;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;

// Heads answer what the test says and take the time it says.
class ScriptedHeads final : public ForwardingStore {
 public:
  explicit ScriptedHeads(ManualClock& clock) : ForwardingStore(NewMemoryStore(clock)), clock_(clock) {}

  Result<ObjectMeta> Head(OpContext&, const std::string&) override {
    ++heads;
    clock_.Advance(takes);
    if (meanwhile) meanwhile();
    if (!answer.ok()) return std::unexpected(answer);
    return ObjectMeta();
  }

  Status answer;
  Duration takes{};
  std::function<void()> meanwhile;
  int heads = 0;

 private:
  ManualClock& clock_;
};

class BreakerStoreTest : public testing::Test {
 protected:
  BreakerStoreTest() {
    auto scripted = std::make_unique<ScriptedHeads>(clock_);
    below_ = scripted.get();
    store_ = std::make_unique<BreakerStore>(std::move(scripted),
                                            BreakerPolicy{.window = seconds(10),
                                                          .calls_min = 10,
                                                          .failures_share = 0.5,
                                                          .deadline_min = seconds(1),
                                                          .open_first = seconds(1),
                                                          .open_max = seconds(4),
                                                          .probes = 2},
                                            clock_, *random_);
  }
  Status Head() {
    OpContext ctx(clock_);
    return internal::ToStatus(store_->Head(ctx, "k"));
  }
  void Answer(Status status, int times) {
    below_->answer = std::move(status);
    for (int i = 0; i < times; ++i) Head().IgnoreError("scripted");
  }
  void OpenIt() {
    Answer(Unavailable("away"), 10);
    ASSERT_EQ(State(), BreakerState::kOpen);
  }
  BreakerState State() { return store_->Snapshot().state; }

  ManualClock clock_;
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  ScriptedHeads* below_ = nullptr;
  std::unique_ptr<BreakerStore> store_;
};

TEST_F(BreakerStoreTest, OpensAtTheShareOfFailuresAndRefusesWithoutARequest) {
  Answer(OkStatus(), 5);
  Answer(Unavailable("away"), 4);
  EXPECT_EQ(State(), BreakerState::kClosed);
  Answer(Unavailable("away"), 1);
  EXPECT_EQ(State(), BreakerState::kOpen);
  const int heads = below_->heads;
  const Status refused = Head();
  EXPECT_EQ(below_->heads, heads);
  EXPECT_EQ(refused.code(), StatusCode::kUnavailable);
  EXPECT_EQ(refused.reason(), "circuit_open");
  EXPECT_EQ(refused.effect(), Effect::kNone);
  EXPECT_EQ(refused.retry(), Retry::kBackoff);
  EXPECT_THAT(refused.message(), HasSubstr("next try in "));
  EXPECT_THAT(store_->Snapshot().retry_after, AllOf(Ge(milliseconds(500)), Le(seconds(1))));
  EXPECT_EQ(store_->Snapshot().refused, 1u);
}

TEST_F(BreakerStoreTest, FewCallsDoNotOpenIt) {
  Answer(Unavailable("away"), 9);
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(BreakerStoreTest, AnswersOfAWorkingStoreAreSuccesses) {
  for (const Status& answer :
       {NotFound("x"), Aborted("x"), PermissionDenied("x"), ResourceExhausted("x"), DataLoss("x"), OkStatus()}) {
    Answer(answer, 50);
    EXPECT_EQ(State(), BreakerState::kClosed) << answer.ToString();
    EXPECT_EQ(Head().code(), answer.code());
  }
}

TEST_F(BreakerStoreTest, FailuresOutsideTheWindowAreForgotten) {
  for (int i = 0; i < 30; ++i) {
    Answer(Unavailable("away"), 1);
    clock_.Advance(milliseconds(1200));  // never more than 9 in 10 seconds
  }
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(BreakerStoreTest, ImpatientCallersDoNotOpenIt) {
  below_->takes = milliseconds(1);
  Answer(DeadlineExceeded("x"), 100);
  Answer(Cancelled("x"), 100);
  EXPECT_EQ(State(), BreakerState::kClosed);
  below_->takes = seconds(1);
  Answer(DeadlineExceeded("x"), 10);
  EXPECT_EQ(State(), BreakerState::kOpen);
}

TEST_F(BreakerStoreTest, SuccessfulProbesCloseIt) {
  OpenIt();
  clock_.Advance(seconds(1));
  EXPECT_EQ(State(), BreakerState::kHalfOpen);
  below_->answer = NotFound("works");
  EXPECT_EQ(Head().code(), StatusCode::kNotFound);
  EXPECT_EQ(State(), BreakerState::kHalfOpen);
  EXPECT_EQ(Head().code(), StatusCode::kNotFound);
  EXPECT_EQ(State(), BreakerState::kClosed);
  Answer(Unavailable("away"), 9);
  EXPECT_EQ(State(), BreakerState::kClosed) << "the window began anew";
}

TEST_F(BreakerStoreTest, FailedProbeOpensItForTwiceAsLongUpToALimit) {
  OpenIt();
  for (const int most : {2, 4, 4}) {
    clock_.Advance(store_->Snapshot().retry_after);
    Answer(Unavailable("away"), 1);
    EXPECT_EQ(State(), BreakerState::kOpen);
    EXPECT_THAT(store_->Snapshot().retry_after, AllOf(Ge(seconds(most) / 2), Le(seconds(most))));
  }
  EXPECT_EQ(store_->Snapshot().opened, 4u);
}

TEST_F(BreakerStoreTest, OnlyAFewProbesAtOnce) {
  OpenIt();
  clock_.Advance(seconds(1));
  below_->answer = OkStatus();
  std::vector<Status> inner;  // each probe's answer comes after that of a call made meanwhile
  below_->meanwhile = [&] { inner.push_back(Head()); };
  EXPECT_TRUE(Head().ok());
  ASSERT_EQ(inner.size(), 2u);
  EXPECT_EQ(inner[0].reason(), "circuit_open");
  EXPECT_TRUE(inner[1].ok());
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(BreakerStoreTest, ProbeThatSaysNothingMakesRoomForAnother) {
  OpenIt();
  clock_.Advance(seconds(1));
  Answer(Cancelled("x"), 5);
  EXPECT_EQ(State(), BreakerState::kHalfOpen);
  Answer(OkStatus(), 2);
  EXPECT_EQ(State(), BreakerState::kClosed);
}

TEST_F(BreakerStoreTest, LateAnswersOfAnEarlierTermDoNotCount) {
  below_->answer = Unavailable("away");
  below_->meanwhile = [&] {
    below_->meanwhile = nullptr;
    for (int i = 0; i < 10; ++i) Head().IgnoreError("opens it");
    clock_.Advance(seconds(1));
    ASSERT_EQ(State(), BreakerState::kHalfOpen);
    below_->answer = OkStatus();
    ASSERT_TRUE(Head().ok());
    below_->answer = Unavailable("the answer of a call that began before it opened");
  };
  EXPECT_EQ(Head().code(), StatusCode::kUnavailable);
  EXPECT_EQ(State(), BreakerState::kHalfOpen);
}

TEST_F(BreakerStoreTest, OpenBreakerRefusesWritesWithEffectNone) {
  OpContext ctx(clock_);
  const auto writer = store_->OpenWriter(ctx, "k");
  OpenIt();
  const Status put = internal::ToStatus(store_->Put(ctx, "k", "x", PutCondition::IfAbsent()));
  EXPECT_EQ(put.reason(), "circuit_open");
  EXPECT_EQ(put.effect(), Effect::kNone);
  EXPECT_EQ((*writer)->Append(ctx, "x").reason(), "circuit_open");
  EXPECT_EQ((*writer)->Commit(ctx, PutCondition::None()).error().effect(), Effect::kNone);
}

struct OwnedBreaker {
  std::unique_ptr<Random> random = NewSeededRandom(1);
  std::unique_ptr<ObjectStore> store;
};

INSTANTIATE_TEST_SUITE_P(BreakerStore, ObjectStoreConformanceTest,
                         testing::Values(StoreFactory{"breaker",
                                                      [] {
                                                        auto owned = std::make_shared<OwnedBreaker>();
                                                        owned->store = std::make_unique<BreakerStore>(
                                                            NewMemoryStore(RealClock()), BreakerPolicy{}, RealClock(),
                                                            *owned->random);
                                                        return std::shared_ptr<ObjectStore>(owned, owned->store.get());
                                                      }}),
                         [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace akidb
