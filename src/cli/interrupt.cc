#include "cli/interrupt.h"

#include <csignal>

#include <algorithm>
#include <atomic>
#include <thread>

namespace akidb {
namespace {

std::atomic<bool> g_interrupted{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set from a signal handler");

extern "C" void OnInterrupt(int number) {
  g_interrupted.store(true, std::memory_order_relaxed);
  std::signal(number, SIG_DFL);
}

}  // namespace

void CatchInterrupts() {
  std::signal(SIGINT, OnInterrupt);
  std::signal(SIGTERM, OnInterrupt);
}

bool Interrupted() { return g_interrupted.load(std::memory_order_relaxed); }

Status CheckInterrupt() { return Interrupted() ? Cancelled("interrupted") : OkStatus(); }

Status SleepUnlessInterrupted(Duration duration) {
  constexpr Duration kSlice = std::chrono::milliseconds(50);
  for (; duration > Duration::zero(); duration -= kSlice) {
    AKI_RETURN_IF_ERROR(CheckInterrupt());
    std::this_thread::sleep_for(std::min(duration, kSlice));
  }
  return CheckInterrupt();
}

}  // namespace akidb
