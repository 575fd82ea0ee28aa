#include "base/thread_priority.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <thread>

namespace akidb {
namespace {

int Nice() { return ::getpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid))); }

TEST(ThreadPriorityTest, GivesWayWithItsOwnThreadsAndLeavesTheOthersAlone) {
  const int before = Nice();
  int own = 0;
  int started = 0;
  int policy = 0;
  std::thread([&] {
    GiveWayToOtherThreads();
    own = Nice();
    std::thread([&] {
      started = Nice();
      policy = ::sched_getscheduler(0);
    }).join();
  }).join();
  EXPECT_EQ(own, std::min(before + 10, 19));
  EXPECT_EQ(started, own);
  EXPECT_EQ(policy, SCHED_BATCH);
  EXPECT_EQ(Nice(), before);
}

TEST(ThreadPriorityTest, ShortSlicesChangeNothingElse) {
  const int before = Nice();
  std::array<uint64_t, 6> attributes{};  // the fourth word is the slice; 0 before Linux 6.12
  std::thread([&] {
    PreferShortSlices();
    EXPECT_EQ(Nice(), before);
    EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER);
    ASSERT_EQ(::syscall(SYS_sched_getattr, 0, attributes.data(), sizeof(attributes), 0), 0);
  }).join();
  EXPECT_LE(attributes[3], 100'000u);
}

// Whether it may is for the system to say; the threads it starts never are.
TEST(ThreadPriorityTest, WhoComesFirstIsRealTimeWhereItMayBe) {
  bool first = false;
  int policy = -1, started = -1;
  std::thread([&] {
    first = ComeFirst();
    policy = ::sched_getscheduler(0);
    std::thread([&] { started = ::sched_getscheduler(0); }).join();
  }).join();
  EXPECT_EQ(policy, first ? SCHED_FIFO | SCHED_RESET_ON_FORK : SCHED_OTHER);
  EXPECT_EQ(started, SCHED_OTHER);
}

TEST(ThreadPriorityTest, WhoGivesWayIsNotPreferred) {
  std::thread([] {
    GiveWayToOtherThreads();
    const int before = Nice();
    PreferShortSlices();
    EXPECT_EQ(Nice(), before);
    EXPECT_EQ(::sched_getscheduler(0), SCHED_BATCH);
  }).join();
}

}  // namespace
}  // namespace akidb
