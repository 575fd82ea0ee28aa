#include "objstore/hedge_store.h"

#include <gmock/gmock.h>

#include <deque>

#include "base/manual_clock_testing.h"
#include "base/random.h"
#include "objstore/forwarding_store_testing.h"
#include "objstore/memory/memory_store.h"
#include "objstore/objstore_conformance_testing.h"

namespace akidb {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Threads and time in one: each request ends when the test says, on the one thread there is, while its caller waits.
class VirtualThreads final : public Executor {
 public:
  explicit VirtualThreads(ManualClock& clock) : clock_(clock) {}

  // How long the next requests take, in the order of their start; afterwards `usual`.
  std::deque<Duration> delays;
  Duration usual = milliseconds(10);
  int started = 0;

  TaskId Add(std::shared_ptr<Task> task) override {
    ++started;
    Duration delay = usual;
    if (!delays.empty()) {
      delay = delays.front();
      delays.pop_front();
    }
    running_.push_back({std::move(task), clock_.Now() + delay});
    return 0;
  }
  void Wake(TaskId) override {}
  void Remove(TaskId) override {}

  // Time passes until a request ends, at most `most`.
  void Pass(Duration most) {
    const auto next = std::ranges::min_element(running_, {}, &Running::ends);
    if (next == running_.end() || next->ends > clock_.Now() + most) return clock_.Advance(most);
    clock_.Advance(next->ends - clock_.Now());
    const Running done = std::move(*next);
    running_.erase(next);
    OpContext ctx(clock_);
    EXPECT_EQ(done.task->Step(ctx).kind, NextStep::Kind::kDone);
  }
  void Wait(Mutex& mutex, Duration most) AKI_NO_THREAD_SAFETY_ANALYSIS {
    mutex.Unlock();
    Pass(most);
    mutex.Lock();
  }
  void Drain() {
    while (!running_.empty()) Pass(seconds(1));
  }

 private:
  struct Running {
    std::shared_ptr<Task> task;
    MonotonicTime ends;
  };
  ManualClock& clock_;
  std::deque<Running> running_;
};

class ScriptedReads final : public ForwardingStore {
 public:
  explicit ScriptedReads(ManualClock& clock) : ForwardingStore(NewMemoryStore(clock)) {}

  Status GetRange(OpContext& ctx, const std::string& key, ByteRange range, const std::string& version_id,
                  char* out) override {
    priorities.push_back(ctx.priority());
    Status answer;
    if (!answers.empty()) {
      answer = answers.front();
      answers.pop_front();
    }
    if (!answer.ok()) return answer;
    return ForwardingStore::GetRange(ctx, key, range, version_id, out);
  }

  std::deque<Status> answers;
  std::vector<Priority> priorities;
};

class HedgeStoreTest : public testing::Test {
 protected:
  HedgeStoreTest() : ctx_(clock_) {
    auto below = std::make_unique<ScriptedReads>(clock_);
    below_ = below.get();
    HedgePolicy policy{.samples_min = 20, .extra_share = 0.05, .extra_burst = 2, .timeout_min = seconds(1)};
    policy.wait = [this](CondVar&, Mutex& mutex, Duration most) { threads_.Wait(mutex, most); };
    store_ = std::make_unique<HedgeStore>(std::move(below), policy, clock_, threads_);
    EXPECT_TRUE(store_->Put(ctx_, "k", std::string(10000, 'x'), PutCondition::None()));
  }
  ~HedgeStoreTest() override { threads_.Drain(); }

  Status Read(uint64_t size = 100) {
    std::string out(size, '#');
    const Status status = store_->GetRange(ctx_, "k", {0, size}, "", out.data());
    if (status.ok()) EXPECT_EQ(out, std::string(size, 'x'));
    return status;
  }
  // Until it is known that reads take 10 ms: those on this thread take no time at all.
  void WarmUp() {
    for (int i = 0; i < 420; ++i) EXPECT_TRUE(Read().ok());
  }
  // Time of one read whose requests take `delays`.
  Duration Timed(std::deque<Duration> delays) {
    threads_.delays = std::move(delays);
    const MonotonicTime start = clock_.Now();
    last_ = Read();
    const Duration took = clock_.Now() - start;
    threads_.Drain();
    threads_.delays.clear();
    return took;
  }

  ManualClock clock_;
  OpContext ctx_;
  VirtualThreads threads_{clock_};
  ScriptedReads* below_ = nullptr;
  std::unique_ptr<HedgeStore> store_;
  Status last_;
};

TEST_F(HedgeStoreTest, FirstReadsRunOnTheirCallersThread) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Read().ok());
  EXPECT_EQ(threads_.started, 0);
  ASSERT_TRUE(Read().ok());
  EXPECT_GE(threads_.started, 1);
}

TEST_F(HedgeStoreTest, SlowReadIsSentAgainAndTheFasterAnswerTaken) {
  WarmUp();
  const auto before = store_->Snapshot();
  const Duration took = Timed({seconds(1), milliseconds(10)});
  EXPECT_TRUE(last_.ok());
  EXPECT_LT(took, milliseconds(50));
  EXPECT_EQ(store_->Snapshot().hedged, before.hedged + 1);
  EXPECT_EQ(store_->Snapshot().won, before.won + 1);
}

TEST_F(HedgeStoreTest, FirstMayStillWin) {
  WarmUp();
  const auto before = store_->Snapshot();
  EXPECT_EQ(Timed({milliseconds(60), seconds(1)}), milliseconds(60));
  EXPECT_TRUE(last_.ok());
  EXPECT_EQ(store_->Snapshot().hedged, before.hedged + 1);
  EXPECT_EQ(store_->Snapshot().won, before.won);
}

TEST_F(HedgeStoreTest, UsualReadsAreNotSentTwice) {
  WarmUp();
  const int started = threads_.started;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(Timed({milliseconds(10)}), milliseconds(10));
  EXPECT_EQ(threads_.started, started + 50);
}

TEST_F(HedgeStoreTest, LoserIsCancelledAndWritesIntoNobodysBuffer) {
  WarmUp();
  threads_.delays = {seconds(1), milliseconds(10)};
  ASSERT_TRUE(Read().ok());  // the caller's buffer is gone now
  threads_.Drain();          // and the loser ends, as the sanitizers see
}

TEST_F(HedgeStoreTest, SecondRequestsAreABoundedShare) {
  WarmUp();
  const uint64_t before = store_->Snapshot().hedged;
  for (int i = 0; i < 100; ++i) Timed({seconds(1), milliseconds(10)});
  EXPECT_LE(store_->Snapshot().hedged - before, 7u) << "a burst of 2, then 5 %";
  EXPECT_GE(store_->Snapshot().withheld, 20u) << "until it is learned that the store is slow";
}

TEST_F(HedgeStoreTest, LearnsThatTheStoreGotSlower) {
  WarmUp();
  threads_.usual = milliseconds(40);
  for (int i = 0; i < 300; ++i) Timed({});
  const uint64_t before = store_->Snapshot().hedged + store_->Snapshot().withheld;
  for (int i = 0; i < 50; ++i) Timed({});
  EXPECT_EQ(store_->Snapshot().hedged + store_->Snapshot().withheld, before);
}

TEST_F(HedgeStoreTest, DefiniteErrorIsAnAnswer) {
  WarmUp();
  below_->answers = {NotFound("gone")};
  EXPECT_EQ(Timed({milliseconds(10)}), milliseconds(10));
  EXPECT_EQ(last_.code(), StatusCode::kNotFound);
}

TEST_F(HedgeStoreTest, FailureOfOneRequestWaitsForTheOther) {
  WarmUp();
  below_->answers = {Unavailable("reset")};  // the second request ends first, and fails
  EXPECT_EQ(Timed({milliseconds(200), milliseconds(10)}), milliseconds(200));
  EXPECT_TRUE(last_.ok());
}

TEST_F(HedgeStoreTest, FailureBeforeASecondRequestIsTheAnswer) {
  WarmUp();
  below_->answers = {Unavailable("reset")};
  EXPECT_EQ(Timed({milliseconds(1)}), milliseconds(1));
  EXPECT_EQ(last_.code(), StatusCode::kUnavailable);
}

TEST_F(HedgeStoreTest, CallerWaitsNoLongerThanItsDeadline) {
  WarmUp();
  ctx_.set_timeout(milliseconds(100));
  EXPECT_LE(Timed({seconds(5), seconds(5)}), milliseconds(120));
  EXPECT_EQ(last_.code(), StatusCode::kDeadlineExceeded);
}

TEST_F(HedgeStoreTest, RequestsHaveATimeOutOfTheirOwn) {
  WarmUp();
  EXPECT_LE(Timed({seconds(30), seconds(30)}), seconds(31));
  EXPECT_EQ(last_.code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(last_.retry(), Retry::kBackoff);
  EXPECT_TRUE(ctx_.Check().ok()) << "the caller has time for another attempt";
}

TEST_F(HedgeStoreTest, LargeReadsOverASlowLinkAreNotGivenUp) {
  ASSERT_TRUE(store_->Put(ctx_, "k", std::string(8u << 20, 'x'), PutCondition::None()));
  WarmUp();  // small reads, which say nothing of the throughput
  threads_.delays = {seconds(6), seconds(6)};
  EXPECT_TRUE(Read(8u << 20).ok());
  threads_.Drain();
  threads_.delays = {seconds(6), seconds(6)};
  EXPECT_TRUE(store_->Get(ctx_, "k", 16u << 20)) << "how large it is, is not known before";
}

TEST_F(HedgeStoreTest, RequestsKeepTheCallersPriority) {
  WarmUp();
  ctx_.set_priority(Priority::kBackground);
  ASSERT_TRUE(Read().ok());
  EXPECT_EQ(below_->priorities.back(), Priority::kBackground);
}

TEST_F(HedgeStoreTest, WholeObjectsAreHedgedToo) {
  WarmUp();
  threads_.delays = {seconds(1), milliseconds(10)};
  const auto body = store_->Get(ctx_, "k", 20000);
  ASSERT_TRUE(body);
  EXPECT_EQ(body->bytes, std::string(10000, 'x'));
  EXPECT_EQ(body->meta.key, "k");
  EXPECT_EQ(store_->Get(ctx_, "k", 100).error().code(), StatusCode::kResourceExhausted);
}

TEST(LatencyEstimateTest, SmallReadsTeachTheLatencyAndLargeOnesTheThroughput) {
  LatencyEstimate estimate(0.95, 20);
  for (int i = 0; i < 400; ++i) {
    estimate.Record(4096, milliseconds(1));
    estimate.Record(4u << 20, milliseconds(9));
  }
  EXPECT_NEAR(estimate.latency_seconds(), 0.001, 0.0001);
  EXPECT_NEAR(estimate.seconds_per_byte() * (1 << 20), 0.002, 0.0002);
}

TEST(LatencyEstimateTest, QuantileLiesAboveTheWantedShareOfReads) {
  LatencyEstimate estimate(0.95, 20);
  const auto random = NewSeededRandom(1);
  int beyond = 0;
  for (int i = 0; i < 20000; ++i) {
    // Uniform in 1..10 ms, but for one in a hundred of 100 ms.
    const bool stalled = random->Below(100) == 0;
    const Duration took = stalled ? milliseconds(100) : Duration(microseconds(1000 + random->Below(9000)));
    const auto quantile = estimate.Quantile(4096);
    if (i >= 2000 && took > *quantile) ++beyond;
    estimate.Record(4096, took);
  }
  EXPECT_NEAR(beyond / 18000.0, 0.05, 0.02);
}

struct OwnedHedge {
  std::unique_ptr<Executor> executor = NewThreadExecutor(RealClock(), 4);
  std::unique_ptr<ObjectStore> store;
};

// From the first read on, with real threads, fewer of them than the suite's readers.
INSTANTIATE_TEST_SUITE_P(HedgeStore, ObjectStoreConformanceTest,
                         testing::Values(StoreFactory{
                             "hedge",
                             [] {
                               auto owned = std::make_shared<OwnedHedge>();
                               HedgePolicy policy{.samples_min = 0, .extra_share = 1, .wait_min = Duration(0)};
                               policy.threads = 4;
                               owned->store = std::make_unique<HedgeStore>(NewMemoryStore(RealClock()), policy,
                                                                           RealClock(), *owned->executor);
                               return std::shared_ptr<ObjectStore>(owned, owned->store.get());
                             }}),
                         [](const auto& param_info) { return param_info.param.name; });

}  // namespace
}  // namespace akidb
