// Times in which benchmarks report.
//
// Threads: any.
// Errors:  none.
#pragma once

#include <time.h>

#include <chrono>

#include "base/clock.h"

namespace akidb {

inline double Seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

// Of the calling thread or the whole process, as the clock says, without the time in which it did not run: other
// programs are compared in this on busy machines.
inline double CpuSeconds(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace akidb
