#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "wal/wal_testing.h"

namespace akidb {
namespace {

constexpr int kThreads = 32;
constexpr int kWritesPerThread = 50;

Lsn MustAppend(WalFixture& f, OpContext& ctx, const std::string& body) {
  Result<Lsn> lsn = f.wal->Append(ctx, CollectionId(7), Epoch(3), WalRecordType::kUpsert, body);
  EXPECT_TRUE(lsn) << lsn.error().ToString();
  return lsn ? *lsn : Lsn(0);
}

void RunThreads(const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) threads.emplace_back(body, t);
  for (std::thread& thread : threads) thread.join();
}

std::set<std::string> ReplayedBodies(WalFixture& f) {
  f.Crash([] { return false; });
  EXPECT_TRUE(f.Open().ok());
  std::set<std::string> out;
  for (const auto& [lsn, body] : f.replayed) out.insert(body);
  return out;
}

TEST(WalThreadTest, EveryWaitersRecordIsDurableWhenItsWaitReturns) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  RunThreads([&](int t) {
    OpContext ctx(RealClock());
    for (int i = 0; i < kWritesPerThread; ++i) {
      const Lsn lsn = MustAppend(f, ctx, std::to_string(t) + "/" + std::to_string(i) + std::string(700, 'x'));
      ASSERT_TRUE(f.wal->WaitDurable(ctx, lsn).ok());
      ASSERT_GE(f.wal->durable_lsn(), lsn);
    }
  });
  EXPECT_EQ(ReplayedBodies(f).size(), size_t{kThreads * kWritesPerThread});
}

TEST(WalThreadTest, EveryCallbackRunsOnceWhenSomeWaitAndSomeOnlyNotify) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  std::atomic<int> called = 0;
  RunThreads([&](int t) {
    OpContext ctx(RealClock());
    for (int i = 0; i < kWritesPerThread; ++i) {
      const Lsn lsn = MustAppend(f, ctx, std::to_string(t) + "/" + std::to_string(i));
      if (t % 2 == 0) {
        ASSERT_TRUE(f.wal->WaitDurable(ctx, lsn).ok());
        ++called;
        continue;
      }
      f.wal->NotifyDurable(lsn, [&, lsn] {
        EXPECT_GE(f.wal->durable_lsn(), lsn);
        ++called;
      });
      while (f.wal->CommitStep(ctx)) {
      }
    }
  });
  EXPECT_EQ(called, kThreads * kWritesPerThread) << "nobody was left without a committing thread";
  EXPECT_EQ(ReplayedBodies(f).size(), size_t{kThreads * kWritesPerThread});
}

TEST(WalThreadTest, WritersTrimmerAndPreparerWorkAtOnce) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  std::atomic<int> left = kThreads - 2;
  RunThreads([&](int t) {
    OpContext ctx(RealClock());
    if (t == 0) {
      while (left > 0) ASSERT_TRUE(f.wal->TrimTo(ctx, f.wal->durable_lsn()).ok());
    } else if (t == 1) {
      while (left > 0) ASSERT_TRUE(f.wal->PrepareStep(ctx));
    } else {
      for (int i = 0; i < kWritesPerThread; ++i) {
        ASSERT_TRUE(f.wal->WaitDurable(ctx, MustAppend(f, ctx, std::string(5000, 'x'))).ok());
      }
      --left;
    }
  });
  OpContext ctx(RealClock());
  ASSERT_TRUE(f.wal->TrimTo(ctx, f.wal->durable_lsn()).ok());
  const WalStats stats = f.wal->stats();
  EXPECT_EQ(stats.durable, Lsn((kThreads - 2) * kWritesPerThread));
  EXPECT_EQ(stats.files, 1u);
  f.Crash([] { return false; });
  ASSERT_TRUE(f.Open().ok());
  EXPECT_EQ(f.wal->durable_lsn(), stats.durable);
}

// Says when its thread is about to sleep in WaitDurable (the second look, under the log's lock), and tells it any time
// after that.
class SleepersClock final : public Clock {
 public:
  explicit SleepersClock(std::function<MonotonicTime()> later) : later_(std::move(later)) {}
  MonotonicTime Now() override {
    const int look = ++looks_;
    looks_.notify_all();
    return look <= 2 ? MonotonicTime() : later_();
  }
  WallTime WallNow() override { return {}; }
  void AwaitSleep() {
    for (int looks = looks_; looks < 2; looks = looks_) looks_.wait(looks);
  }

 private:
  const std::function<MonotonicTime()> later_;
  std::atomic<int> looks_ = 0;
};

// A second thread appends and falls asleep while the first one syncs. Returns what the second thread's wait returned.
Status WaitWhileAnotherThreadCommits(WalFixture& f, SleepersClock& clock, Lsn* lsn) {
  Status status;
  std::thread sleeper;
  f.disk->before_op = [&](DiskOp op, const std::string&) {
    if (op != DiskOp::kSync || sleeper.joinable()) return OkStatus();
    sleeper = std::thread([&] {
      OpContext ctx(clock);
      ctx.set_deadline(MonotonicTime(std::chrono::seconds(10)));
      *lsn = MustAppend(f, ctx, "b");
      status = f.wal->WaitDurable(ctx, *lsn);
    });
    clock.AwaitSleep();
    return OkStatus();
  };
  OpContext ctx(RealClock());
  EXPECT_TRUE(f.wal->WaitDurable(ctx, MustAppend(f, ctx, "a")).ok());
  sleeper.join();
  return status;
}

TEST(WalThreadTest, ACommitterWakesASleeperToCommitTheNextGroup) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  const MonotonicTime start = RealClock().Now();
  SleepersClock clock([start] { return MonotonicTime(RealClock().Now() - start); });
  Lsn lsn;
  EXPECT_TRUE(WaitWhileAnotherThreadCommits(f, clock, &lsn).ok());
  EXPECT_EQ(f.wal->durable_lsn(), lsn);
}

TEST(WalThreadTest, AWaiterThatGivesUpStillDoesTheCommitItWasWokenFor) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  SleepersClock clock([] { return MonotonicTime::max(); });
  Lsn lsn;
  EXPECT_EQ(WaitWhileAnotherThreadCommits(f, clock, &lsn).code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(f.wal->durable_lsn(), lsn);
}

TEST(WalThreadTest, AWaitEndsAtItsDeadlineWhileAnotherThreadCommits) {
  WalFixture f;
  ASSERT_TRUE(f.Open().ok());
  std::atomic<bool> in_sync = false;
  std::atomic<bool> release = false;
  f.disk->before_op = [&](DiskOp op, const std::string&) {
    if (op == DiskOp::kSync && !release) {
      in_sync = true;
      in_sync.notify_all();
      release.wait(false);
    }
    return OkStatus();
  };
  OpContext ctx(RealClock());
  const Lsn first = MustAppend(f, ctx, "a");
  std::thread leader([&] {
    OpContext leader_ctx(RealClock());
    EXPECT_TRUE(f.wal->WaitDurable(leader_ctx, first).ok());
  });
  in_sync.wait(false);
  ctx.set_timeout(std::chrono::milliseconds(1));
  EXPECT_EQ(f.wal->WaitDurable(ctx, first).code(), StatusCode::kDeadlineExceeded);
  release = true;
  release.notify_all();
  leader.join();
  EXPECT_EQ(f.wal->durable_lsn(), first);
}

}  // namespace
}  // namespace akidb
