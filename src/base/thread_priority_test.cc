#include "base/thread_priority.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
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
  EXPECT_EQ(own, std::min(before + 5, 19));
  EXPECT_EQ(started, own);
  EXPECT_EQ(policy, SCHED_BATCH);
  EXPECT_EQ(Nice(), before);
}

}  // namespace
}  // namespace akidb
