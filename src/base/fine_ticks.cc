#include "base/fine_ticks.h"

#include <sched.h>
#include <sys/prctl.h>

#include <algorithm>
#include <ctime>

#include "base/thread_priority.h"

namespace akidb {
namespace {

// Each costs two to four microseconds, and twelve on some virtual machines. Those that are let in always can be fewer:
// at 150 microseconds p99 beside a load is the same, at 500 a quarter longer.
constexpr int64_t kRealTimeTickNs = 300'000;
constexpr int64_t kTickNs = 150'000;
constexpr int kProcessorsMax = 8;
// Shorter work is over about as soon as ticks would let others in, unless more of it follows soon.
constexpr int64_t kLastsNs = 2'000'000;
constexpr int64_t kForgetsOneOf = 8;
constexpr int64_t kWorkedMaxNs = 10'000'000;
// So long after the last request, or the last work, the ticks end. Who sends bulk requests from this machine works
// between them, too.
constexpr int64_t kRequestsEndNs = 1'000'000'000;
constexpr int64_t kWorkEndsNs = 250'000'000;

void SleepFor(int64_t nanoseconds) {
  const timespec time{.tv_sec = 0, .tv_nsec = nanoseconds};
  ::clock_nanosleep(CLOCK_MONOTONIC, 0, &time, nullptr);
}

std::vector<int> OwnProcessors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> processors;
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return processors;
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &set)) processors.push_back(i);
  }
  return processors;
}

}  // namespace

FineTicks::FineTicks(Clock& clock) : clock_(clock) {
  const std::vector<int> processors = OwnProcessors();
  if (processors.size() > kProcessorsMax) return;
  for (const int processor : processors) threads_.emplace_back([this, processor] { Run(processor); });
}

FineTicks::~FineTicks() {
  {
    MutexLock lock(mutex_);
    ended_.store(true);
    asked_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
}

void FineTicks::NoteRequest() {
  if (working_.load(std::memory_order_relaxed) == 0) return;
  const int64_t now = NowNs();
  if (!WorkLasts(now)) return;
  asked_at_.store(now, std::memory_order_relaxed);
  if (asleep_.load(std::memory_order_relaxed) == 0) return;
  MutexLock lock(mutex_);
  asked_.NotifyAll();
}

bool FineTicks::WorkLasts(int64_t now) const {
  return working_.load(std::memory_order_acquire) > 0 &&
         now - began_at_.load(std::memory_order_relaxed) + Worked(now) >= kLastsNs;
}

int64_t FineTicks::Worked(int64_t now) const {
  const int64_t passed = now - worked_at_.load(std::memory_order_relaxed);
  return std::max<int64_t>(0, worked_.load(std::memory_order_relaxed) - passed / kForgetsOneOf);
}

void FineTicks::NoteWorked() {
  const int64_t now = NowNs();
  const int64_t all = Worked(now) + now - began_at_.load(std::memory_order_relaxed);
  worked_.store(std::min(all, kWorkedMaxNs), std::memory_order_relaxed);
  worked_at_.store(now, std::memory_order_relaxed);
}

bool FineTicks::Await() {
  MutexLock lock(mutex_);
  asleep_.fetch_add(1, std::memory_order_relaxed);
  while (!ended_.load() && NowNs() - asked_at_.load(std::memory_order_relaxed) > kWorkEndsNs) asked_.Wait(mutex_);
  asleep_.fetch_sub(1, std::memory_order_relaxed);
  return !ended_.load();
}

void FineTicks::Run(int processor) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(processor, &set);
  if (::sched_setaffinity(0, sizeof(set), &set) != 0) return;
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  const int64_t tick_ns = ComeFirst() ? kRealTimeTickNs : kTickNs;
  while (Await()) {
    int64_t worked_at = NowNs();
    for (int64_t now = worked_at; !ended_.load(std::memory_order_relaxed) && now - worked_at < kWorkEndsNs &&
                                  now - asked_at_.load(std::memory_order_relaxed) < kRequestsEndNs;
         now = NowNs()) {
      if (WorkLasts(now)) worked_at = now;
      SleepFor(tick_ns);
      count_.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

}  // namespace akidb
