// Makes the kernel look every 150 to 300 microseconds who should run. It exists because of how Linux shares a busy
// processor from 6.6 on (EEVDF): who wakes up just after it had the processor is put last until the others have
// caught up, a few microseconds later, but that is noticed at the next tick of the kernel, up to 4 ms later,
// whatever the priorities. The kernel looks too when a thread falls asleep; here one on each processor does, for as
// long as work runs in the background that does not end soon, and requests come: a processor that a tick wakes all the
// time does not take over who waits for the other. They are real-time threads where the process may have such:
// another one is let in when it wakes up only if it is the very one to be chosen, and may wait for the kernel's tick
// itself (docs/benchmarks/2026-11-27-rest.md has what that is worth).
//
// Threads: all functions from any thread; the ticks must outlive all work.
// Errors:  none. With more than eight processors one is idle for who wakes up, and nothing is done; likewise where the
//          system refuses.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"

namespace akidb {

class FineTicks {
 public:
  explicit FineTicks(Clock& clock = RealClock());
  ~FineTicks();
  FineTicks(const FineTicks&) = delete;
  FineTicks& operator=(const FineTicks&) = delete;

  // While one lives, work that gives way to others is under way.
  class Work {
   public:
    explicit Work(FineTicks& ticks) : ticks_(ticks) {
      if (ticks_.working_.load(std::memory_order_relaxed) == 0) {
        ticks_.began_at_.store(ticks_.NowNs(), std::memory_order_relaxed);
      }
      ticks_.working_.fetch_add(1, std::memory_order_release);
    }
    ~Work() {
      if (ticks_.working_.fetch_sub(1, std::memory_order_relaxed) == 1) ticks_.NoteWorked();
    }
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;

   private:
    FineTicks& ticks_;
  };

  // A request came that should be answered at once. Cheap.
  void NoteRequest();

  uint64_t count() const { return count_.load(std::memory_order_relaxed); }

 private:
  void Run(int processor);
  int64_t NowNs() const { return clock_.Now().time_since_epoch().count(); }
  // Whether work goes on that did not end soon, or not for long before it went on.
  bool WorkLasts(int64_t now) const;
  // Of work that has ended: what it took less what has passed since, which counts an eighth.
  int64_t Worked(int64_t now) const;
  void NoteWorked();
  // Sleeps until requests come beside such. False: it ends.
  bool Await();

  Clock& clock_;
  std::atomic<int> working_{0};
  std::atomic<int64_t> began_at_{0};  // nanoseconds of the clock: since then there is work, if there is any
  std::atomic<int64_t> worked_{0};  // nanoseconds, at worked_at_; of two threads that say so at once one may be missed
  std::atomic<int64_t> worked_at_{0};
  std::atomic<int64_t> asked_at_{INT64_MIN / 2};
  std::atomic<int> asleep_{0};
  std::atomic<uint64_t> count_{0};
  Mutex mutex_;
  CondVar asked_;
  std::atomic<bool> ended_{false};
  std::vector<std::thread> threads_;
};

}  // namespace akidb
