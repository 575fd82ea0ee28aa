#include "base/thread_priority.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace akidb {
namespace {

// Each step of `nice` is a factor of 1.25.
constexpr int kStepsOfNice = 5;

}  // namespace

void GiveWayToOtherThreads() {
  // In Linux nice belongs to a thread, whatever POSIX says.
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  ::setpriority(PRIO_PROCESS, thread, ::getpriority(PRIO_PROCESS, thread) + kStepsOfNice);
  // It does not take a processor away from another when it wakes up.
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_BATCH, &none);
}

}  // namespace akidb
