#include "base/thread_priority.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace akidb {
namespace {

// Each step of `nice` is a factor of 1.25.
constexpr int kStepsOfNice = 10;
// The shortest that Linux takes.
constexpr uint64_t kShortSliceNs = 100'000;

// As the kernel wants it; Debian's headers of it and of the C library exclude each other.
struct SchedulingAttributes {
  uint32_t size = sizeof(SchedulingAttributes);
  uint32_t policy = 0;
  uint64_t flags = 0;
  int32_t nice = 0;
  uint32_t priority = 0;
  uint64_t runtime_ns = 0;  // of threads that are not real-time: the slice, from Linux 6.12 on
  uint64_t deadline_ns = 0;
  uint64_t period_ns = 0;
};

}  // namespace

void GiveWayToOtherThreads() {
  // In Linux nice belongs to a thread, whatever POSIX says.
  const auto thread = static_cast<id_t>(::syscall(SYS_gettid));
  ::setpriority(PRIO_PROCESS, thread, ::getpriority(PRIO_PROCESS, thread) + kStepsOfNice);
  // It does not take a processor away from another when it wakes up.
  const sched_param none{};
  ::sched_setscheduler(0, SCHED_BATCH, &none);
}

bool ComeFirst() {
  const sched_param lowest{.sched_priority = ::sched_get_priority_min(SCHED_FIFO)};
  if (::sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &lowest) == 0) return true;
  PreferShortSlices();
  return false;
}

void PreferShortSlices() {
  SchedulingAttributes attributes;
  if (::syscall(SYS_sched_getattr, 0, &attributes, sizeof(attributes), 0) != 0) return;
  if (attributes.policy != SCHED_OTHER) return;
  attributes.flags = 0;
  attributes.runtime_ns = kShortSliceNs;
  ::syscall(SYS_sched_setattr, 0, &attributes, 0);
}

}  // namespace akidb
