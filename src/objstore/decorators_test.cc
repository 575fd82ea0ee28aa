// The decorators over the memory store: conformance while they have nothing to do, then what each one adds.

#include <gmock/gmock.h>

#include <algorithm>

#include "base/manual_clock_testing.h"
#include "objstore/breaker_store.h"
#include "objstore/fault_store.h"
#include "objstore/hedge_store.h"
#include "objstore/lane_store.h"
#include "objstore/memory/memory_store.h"
#include "objstore/metrics_store.h"
#include "objstore/objstore_conformance_testing.h"
#include "objstore/probe/versioned_store_testing.h"
#include "objstore/retry_store.h"

namespace akidb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;

struct Decorated {
  std::unique_ptr<Random> random = NewSeededRandom(1);
  std::unique_ptr<ObjectStore> store;
};

template <class Make>
StoreFactory Factory(const std::string& name, const Make& make) {
  return {name, [make] {
            auto owned = std::make_shared<Decorated>();
            owned->store = make(NewMemoryStore(RealClock()), *owned->random);
            return std::shared_ptr<ObjectStore>(owned, owned->store.get());
          }};
}

std::unique_ptr<ObjectStore> Retrying(std::unique_ptr<ObjectStore> base, Random& random) {
  return NewRetryStore(std::move(base), {}, random, [](Duration) {});
}

std::unique_ptr<ObjectStore> Disturbed(std::unique_ptr<ObjectStore> base, Random& random, const FaultPlan& plan) {
  return std::make_unique<FaultStore>(std::move(base), plan, random, [](Duration) {});
}

INSTANTIATE_TEST_SUITE_P(Decorators, ObjectStoreConformanceTest,
                         testing::Values(Factory("retry", Retrying),
                                         Factory("metrics",
                                                 [](std::unique_ptr<ObjectStore> base, Random&) {
                                                   return std::make_unique<MetricsStore>(std::move(base), RealClock());
                                                 }),
                                         Factory("fault",
                                                 [](std::unique_ptr<ObjectStore> base, Random& random) {
                                                   return Disturbed(std::move(base), random, FaultPlan::Nothing());
                                                 }),
                                         Factory("retry_over_refusals",
                                                 [](std::unique_ptr<ObjectStore> base, Random& random) {
                                                   FaultPlan plan = FaultPlan::Everywhere({.refuse = 0.02});
                                                   plan.rates[Index(StoreOp::kAppend)] = {};
                                                   plan.rates[Index(StoreOp::kCommit)] = {};
                                                   return NewRetryStore(Disturbed(std::move(base), random, plan),
                                                                        {.attempts_max = 20}, random, [](Duration) {});
                                                 })),
                         [](const auto& param_info) { return param_info.param.name; });

// A decorator that forgot to pass it on would delete the key instead, and leave a marker.
TEST(VersionedDecoratorsTest, AVersionIsDeletedAsAVersionThroughAllOfThem) {
  struct Inline final : Executor {
    TaskId Add(std::shared_ptr<Task>) override { return 0; }
    void Wake(TaskId) override {}
    void Remove(TaskId) override {}
  } executor;
  const auto random = NewSeededRandom(1);
  auto owned = std::make_unique<VersionedStore>();
  VersionedStore& bucket = *owned;
  std::unique_ptr<ObjectStore> store = Disturbed(std::move(owned), *random, FaultPlan::Nothing());
  store = std::make_unique<MetricsStore>(std::move(store), RealClock());
  store = std::make_unique<BreakerStore>(std::move(store), BreakerPolicy{}, RealClock(), *random);
  store = std::make_unique<LaneStore>(std::move(store), LanePolicy{});
  store = std::make_unique<HedgeStore>(std::move(store), HedgePolicy{}, RealClock(), executor);
  store = Retrying(std::move(store), *random);
  OpContext ctx(RealClock());
  const auto old = store->Put(ctx, "k", "old", PutCondition::None());
  const auto current = store->Put(ctx, "k", "new", PutCondition::None());
  ASSERT_TRUE(old && current);
  ASSERT_TRUE(store->DeleteVersion(ctx, "k", old->version_id).ok());
  EXPECT_EQ(bucket.version_count(), 1u);
  EXPECT_EQ(store->Get(ctx, "k", 100)->bytes, "new");
}

class RetryStoreTest : public testing::Test {
 protected:
  RetryStoreTest() : ctx_(clock_) {
    auto fault = std::make_unique<FaultStore>(NewMemoryStore(clock_), FaultPlan::Nothing(), *random_, [](Duration) {});
    fault_ = fault.get();
    store_ = NewRetryStore(std::move(fault),
                           {.attempts_max = 4, .backoff_first = milliseconds(100), .backoff_max = milliseconds(300)},
                           *random_, [this](Duration pause) {
                             pauses_.push_back(pause);
                             clock_.Advance(pause);
                           });
  }
  void Fail(StoreOp op, const std::vector<Fault>& faults) {
    for (size_t i = 0; i < faults.size(); ++i) fault_->Script(op, i + 1, faults[i]);
  }
  Status Put(const PutCondition& condition = {}) {
    const auto meta = store_->Put(ctx_, "k", "x", condition);
    return meta ? OkStatus() : meta.error();
  }

  ManualClock clock_;
  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  OpContext ctx_;
  std::vector<Duration> pauses_;
  FaultStore* fault_ = nullptr;
  std::unique_ptr<ObjectStore> store_;
};

TEST_F(RetryStoreTest, RepeatsWhatIsUnavailable) {
  ASSERT_TRUE(Put().ok());
  Fail(StoreOp::kGet, {Fault::kRefuse, Fault::kLoseAnswer, Fault::kLoseRequest});
  EXPECT_EQ(store_->Get(ctx_, "k", 10)->bytes, "x");
  EXPECT_EQ(fault_->calls(StoreOp::kGet), 4u);
}

TEST_F(RetryStoreTest, PausesGrowWithJitterUpToTheirLimit) {
  Fail(StoreOp::kPut, {Fault::kRefuse, Fault::kRefuse, Fault::kRefuse});
  ASSERT_TRUE(Put().ok());
  const auto between = [](int low, int high) {
    return testing::AllOf(testing::Ge(milliseconds(low)), testing::Le(milliseconds(high)));
  };
  EXPECT_THAT(pauses_, ElementsAre(between(50, 100), between(100, 200), between(150, 300)));
  EXPECT_NE(pauses_[0] * 2, pauses_[1]);
}

TEST_F(RetryStoreTest, GivesUpAfterTheLastAttempt) {
  Fail(StoreOp::kHead, {Fault::kRefuse, Fault::kRefuse, Fault::kRefuse, Fault::kRefuse});
  EXPECT_EQ(store_->Head(ctx_, "k").error().code(), StatusCode::kUnavailable);
  EXPECT_EQ(fault_->calls(StoreOp::kHead), 4u);
}

TEST_F(RetryStoreTest, DoesNotRepeatAnswers) {
  EXPECT_EQ(store_->Head(ctx_, "k").error().code(), StatusCode::kNotFound);
  ASSERT_TRUE(Put().ok());
  EXPECT_EQ(Put(PutCondition::IfAbsent()).code(), StatusCode::kAborted);
  EXPECT_EQ(store_->Get(ctx_, "k", 0).error().code(), StatusCode::kResourceExhausted);
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(RetryStoreTest, ConditionalWriteOfUnknownEffectGoesToTheCaller) {
  Fail(StoreOp::kPut, {Fault::kLoseAnswer});
  EXPECT_EQ(Put(PutCondition::IfAbsent()).effect(), Effect::kUnknown);
  EXPECT_EQ(fault_->calls(StoreOp::kPut), 1u);
  EXPECT_TRUE(store_->Head(ctx_, "k"));
}

TEST_F(RetryStoreTest, RefusedConditionalWriteIsRepeated) {
  Fail(StoreOp::kPut, {Fault::kRefuse});
  EXPECT_TRUE(Put(PutCondition::IfAbsent()).ok());
}

TEST_F(RetryStoreTest, EffectStaysUnknownWhenALaterAttemptIsRefused) {
  Fail(StoreOp::kPut, {Fault::kLoseAnswer, Fault::kRefuse, Fault::kRefuse, Fault::kRefuse});
  EXPECT_EQ(Put().effect(), Effect::kUnknown);
  EXPECT_EQ(fault_->calls(StoreOp::kPut), 4u);
}

TEST_F(RetryStoreTest, NoPauseOutlastsTheDeadline) {
  ctx_.set_timeout(milliseconds(40));
  Fail(StoreOp::kHead, {Fault::kRefuse});
  EXPECT_EQ(store_->Head(ctx_, "k").error().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(pauses_.empty());
}

TEST(MetricsStoreTest, CountsCallsOutcomesBytesAndTime) {
  ManualClock clock;
  const auto random = NewSeededRandom(1);
  FaultPlan slow;
  slow.delay_rate = 1;
  slow.delay_max = Duration(1);
  MetricsStore store(std::make_unique<FaultStore>(NewMemoryStore(clock), slow, *random,
                                                  [&](Duration) { clock.Advance(milliseconds(3)); }),
                     clock);
  OpContext ctx(clock);
  ASSERT_TRUE(store.Put(ctx, "k", "12345", PutCondition::None()));
  ASSERT_FALSE(store.Put(ctx, "k", "123", PutCondition::IfAbsent()));
  char bytes[2];
  ASSERT_TRUE(store.GetRange(ctx, "k", {1, 3}, "", bytes).ok());
  ASSERT_TRUE(store.Get(ctx, "k", 100));
  {
    const auto writer = store.OpenWriter(ctx, "w");
    ASSERT_TRUE((*writer)->Append(ctx, "1234567").ok());
    ASSERT_TRUE((*writer)->Commit(ctx, PutCondition::None()));
  }
  const StoreSnapshot snapshot = store.Snapshot();
  const StoreOpSnapshot& put = snapshot[Index(StoreOp::kPut)];
  const auto& put_ok = put.outcomes[static_cast<size_t>(StatusCode::kOk)];
  EXPECT_EQ(put_ok.count, 1u);
  EXPECT_EQ(put_ok.latency_sum, milliseconds(3));
  EXPECT_EQ(put_ok.latency_buckets[5], 1u) << "0.0025 < 0.003 <= 0.005";
  EXPECT_EQ(put.outcomes[static_cast<size_t>(StatusCode::kAborted)].count, 1u);
  EXPECT_EQ(put.written_bytes, 5u);
  EXPECT_EQ(snapshot[Index(StoreOp::kGetRange)].read_bytes, 2u);
  EXPECT_EQ(snapshot[Index(StoreOp::kGet)].read_bytes, 5u);
  EXPECT_EQ(snapshot[Index(StoreOp::kAppend)].written_bytes, 7u);
  EXPECT_EQ(snapshot[Index(StoreOp::kCommit)].outcomes[0].count, 1u);
  EXPECT_EQ(snapshot[Index(StoreOp::kDelete)].outcomes[0].count, 0u);
}

TEST(MetricsStoreTest, SlowestCallsFallIntoTheLastBucket) {
  ManualClock clock;
  const auto random = NewSeededRandom(1);
  FaultPlan slow;
  slow.delay_rate = 1;
  slow.delay_max = Duration(1);
  MetricsStore store(
      std::make_unique<FaultStore>(NewMemoryStore(clock), slow, *random, [&](Duration) { clock.Advance(seconds(11)); }),
      clock);
  OpContext ctx(clock);
  ASSERT_TRUE(store.Delete(ctx, "k").ok());
  EXPECT_EQ(store.Snapshot()[Index(StoreOp::kDelete)].outcomes[0].latency_buckets.back(), 1u);
}

class FaultStoreTest : public testing::Test {
 protected:
  FaultStoreTest() : ctx_(RealClock()) {}

  std::unique_ptr<Random> random_ = NewSeededRandom(1);
  FaultStore store_{NewMemoryStore(RealClock()), FaultPlan::Nothing(), *random_, [](Duration) {}};
  OpContext ctx_;
};

TEST_F(FaultStoreTest, FaultsSayWhatIsKnownOfTheEffect) {
  struct Case {
    Fault fault;
    Effect effect;
    bool applied;
  };
  for (const Case& c : {Case{Fault::kRefuse, Effect::kNone, false}, Case{Fault::kLoseRequest, Effect::kUnknown, false},
                        Case{Fault::kLoseAnswer, Effect::kUnknown, true}}) {
    ASSERT_TRUE(store_.Delete(ctx_, "k").ok());
    store_.Script(StoreOp::kPut, 1, c.fault);
    const auto meta = store_.Put(ctx_, "k", "x", PutCondition::None());
    EXPECT_EQ(meta.error().code(), StatusCode::kUnavailable);
    EXPECT_EQ(meta.error().effect(), c.effect);
    EXPECT_EQ(store_.Head(ctx_, "k").has_value(), c.applied);
  }
}

TEST_F(FaultStoreTest, LostAnswerOfACommitIsUnknown) {
  const auto writer = store_.OpenWriter(ctx_, "k");
  ASSERT_TRUE((*writer)->Append(ctx_, "x").ok());
  store_.Script(StoreOp::kCommit, 1, Fault::kLoseAnswer);
  EXPECT_EQ((*writer)->Commit(ctx_, PutCondition::None()).error().effect(), Effect::kUnknown);
  EXPECT_TRUE(store_.Head(ctx_, "k"));
}

TEST_F(FaultStoreTest, ScriptHitsTheNthCallOfItsKindOnly) {
  store_.Script(StoreOp::kHead, 3, Fault::kRefuse);
  ASSERT_TRUE(store_.Put(ctx_, "k", "x", PutCondition::None()));
  std::vector<bool> outcomes;
  for (int i = 0; i < 4; ++i) outcomes.push_back(store_.Head(ctx_, "k").has_value());
  EXPECT_THAT(outcomes, ElementsAre(true, true, false, true));
}

TEST_F(FaultStoreTest, TruncatedBodiesLookLikeSuccess) {
  ASSERT_TRUE(store_.Put(ctx_, "k", "12345678", PutCondition::None()));
  store_.SetPlan(FaultPlan::Everywhere({.truncate = 1}));
  const auto body = store_.Get(ctx_, "k", 100);
  EXPECT_EQ(body->bytes, "1234");
  EXPECT_EQ(body->meta.size_bytes, 8u);
  char bytes[4];
  ASSERT_TRUE(store_.GetRange(ctx_, "k", {0, 4}, "", bytes).ok());
  EXPECT_EQ(std::string(bytes, 4), std::string("12\0\0", 4));
}

TEST(FaultStoreSeedTest, SameSeedGivesTheSameFaultsAtTheAskedRate) {
  const auto run = [](uint64_t seed) {
    const auto random = NewSeededRandom(seed);
    std::vector<Duration> delays;
    FaultPlan plan = FaultPlan::Everywhere({.refuse = 0.1, .lose_answer = 0.1});
    plan.delay_rate = 0.5;
    plan.delay_max = milliseconds(10);
    FaultStore store(NewMemoryStore(RealClock()), plan, *random, [&](Duration delay) { delays.push_back(delay); });
    OpContext ctx(RealClock());
    std::string trace;
    for (int i = 0; i < 1000; ++i) trace += store.Delete(ctx, "k").ok() ? '.' : 'x';
    return std::pair(trace, delays);
  };
  const auto [trace, delays] = run(1);
  EXPECT_EQ(run(1), std::pair(trace, delays));
  EXPECT_NE(run(2).first, trace);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(trace, 'x')), 200, 50);
  EXPECT_NEAR(static_cast<double>(delays.size()), 500, 80);
  EXPECT_LE(std::ranges::max(delays), milliseconds(10));
}

}  // namespace
}  // namespace akidb
