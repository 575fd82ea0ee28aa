#include "base/task.h"

#include <gtest/gtest.h>

#include <functional>
#include <latch>
#include <semaphore>
#include <stdexcept>
#include <thread>
#include <vector>

namespace akidb {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

class FunctionTask final : public Task {
 public:
  explicit FunctionTask(std::function<NextStep(int call)> step) : step_(std::move(step)) {}
  std::string_view name() const override { return "function"; }
  NextStep Step(OpContext&) override { return step_(++calls_); }
  int calls() const { return calls_; }

 private:
  std::function<NextStep(int)> step_;
  std::atomic<int> calls_ = 0;
};

std::shared_ptr<FunctionTask> MakeTask(std::function<NextStep(int)> step) {
  return std::make_shared<FunctionTask>(std::move(step));
}

TEST(ThreadExecutorTest, StepsAreBackgroundWork) {
  class PriorityTask final : public Task {
   public:
    std::string_view name() const override { return "priority"; }
    NextStep Step(OpContext& ctx) override {
      seen = ctx.priority();
      done.count_down();
      return NextStep::Done();
    }
    Priority seen = Priority::kQuery;
    std::latch done{1};
  };
  const auto task = std::make_shared<PriorityTask>();
  const auto executor = NewThreadExecutor(RealClock(), 1);
  executor->Add(task);
  task->done.wait();
  EXPECT_EQ(task->seen, Priority::kBackground);
}

TEST(ThreadExecutorTest, RunsUntilDone) {
  const auto executor = NewThreadExecutor(RealClock(), 2);
  std::latch done(1);
  const auto task = MakeTask([&](int call) {
    if (call < 100) return NextStep::Now();
    done.count_down();
    return NextStep::Done();
  });
  executor->Wake(executor->Add(task) + 1000);
  done.wait();
  EXPECT_EQ(task->calls(), 100);
}

TEST(ThreadExecutorTest, TimerRunsATaskAgain) {
  const auto executor = NewThreadExecutor(RealClock(), 1);
  std::latch done(1);
  MonotonicTime first{};
  Duration waited{};
  executor->Add(MakeTask([&](int call) {
    if (call == 1) {
      first = RealClock().Now();
      return NextStep::After(milliseconds(5));
    }
    waited = RealClock().Now() - first;
    done.count_down();
    return NextStep::Done();
  }));
  done.wait();
  EXPECT_GE(waited, milliseconds(5));
}

TEST(ThreadExecutorTest, EarlierTimerShortensTheSleepOfALaterOne) {
  const auto executor = NewThreadExecutor(RealClock(), 1);
  executor->Add(MakeTask([](int) { return NextStep::After(hours(1)); }));
  executor->Add(MakeTask([](int) { return NextStep::After(Duration::max()); }));
  std::latch done(1);
  executor->Add(MakeTask([&](int call) {
    if (call == 1) return NextStep::After(milliseconds(1));
    done.count_down();
    return NextStep::Done();
  }));
  done.wait();
}

TEST(ThreadExecutorTest, WakeEndsAWaitAndATimer) {
  const auto executor = NewThreadExecutor(RealClock(), 1);
  std::counting_semaphore<16> ran(0);
  const auto task = MakeTask([&](int call) {
    ran.release();
    return call == 1 ? NextStep::OnWake() : NextStep::After(hours(1));
  });
  const TaskId id = executor->Add(task);
  for (int i = 1; i <= 3; ++i) {
    ran.acquire();
    executor->Wake(id);
  }
  ran.acquire();
}

TEST(ThreadExecutorTest, WakesDuringAStepGiveOneMoreStep) {
  const auto executor = NewThreadExecutor(RealClock(), 2);
  std::binary_semaphore entered(0), leave(0), again(0);
  const auto task = MakeTask([&](int call) {
    if (call == 1) {
      entered.release();
      leave.acquire();
    } else {
      again.release();
    }
    return NextStep::OnWake();
  });
  const TaskId id = executor->Add(task);
  entered.acquire();
  for (int i = 0; i < 10; ++i) executor->Wake(id);
  leave.release();
  again.acquire();
  executor->Remove(id);
  EXPECT_EQ(task->calls(), 2);
}

TEST(ThreadExecutorTest, StepsOfOneTaskNeverOverlap) {
  const auto executor = NewThreadExecutor(RealClock(), 4);
  std::atomic<int> inside = 0;
  std::atomic<bool> overlapped = false;
  std::latch done(1);
  const TaskId id = executor->Add(MakeTask([&](int call) {
    if (++inside > 1) overlapped = true;
    --inside;
    if (call == 2000) done.count_down();
    return call < 2000 ? NextStep::Now() : NextStep::OnWake();
  }));
  std::vector<std::thread> wakers;
  for (int i = 0; i < 3; ++i) {
    wakers.emplace_back([&] {
      for (int k = 0; k < 1000; ++k) executor->Wake(id);
    });
  }
  for (std::thread& waker : wakers) waker.join();
  done.wait();
  executor->Remove(id);
  EXPECT_FALSE(overlapped);
}

TEST(ThreadExecutorTest, RemoveWaitsForTheRunningStep) {
  const auto executor = NewThreadExecutor(RealClock(), 1);
  std::binary_semaphore entered(0), removing(0);
  std::atomic<bool> inside = false;
  auto task = MakeTask([&](int call) {
    inside = true;
    if (call == 1) {
      entered.release();
      removing.acquire();
    }
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();  // room for a Remove that does not wait
    inside = false;
    return NextStep::Now();
  });
  const TaskId id = executor->Add(task);
  entered.acquire();
  removing.release();
  executor->Remove(id);
  EXPECT_FALSE(inside);
  EXPECT_EQ(task.use_count(), 1) << "the executor keeps no reference";
  executor->Remove(id);
}

TEST(ThreadExecutorTest, ExceptionOfAStepDoesNotEndTheWorker) {
  const auto executor = NewThreadExecutor(RealClock(), 1);
  std::latch done(1);
  executor->Add(MakeTask([](int) -> NextStep { throw std::runtime_error("broken"); }));
  executor->Add(MakeTask([&](int) {
    done.count_down();
    return NextStep::Done();
  }));
  done.wait();
}

TEST(ThreadExecutorTest, DestructionDropsWhatWaits) {
  auto task = MakeTask([](int) { return NextStep::After(hours(1)); });
  NewThreadExecutor(RealClock(), 2)->Add(task);
  EXPECT_EQ(task.use_count(), 1);
  EXPECT_LE(task->calls(), 1);
}

}  // namespace
}  // namespace akidb
