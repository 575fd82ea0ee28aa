// When the requests of a benchmark are sent. Without a rate each connection sends its next one when the last was
// answered; with one they are due at fixed instants, whatever became of those before, so that a server that stands
// still is seen by all that wait for it.
//
// Threads: thread-safe.
// Errors:  none.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/clock.h"

namespace akidb {

class BenchSchedule {
 public:
  // `per_second` 0: no rate. The first request is due when the object is made.
  BenchSchedule(uint64_t requests, double per_second, Clock& clock);

  struct Turn {
    uint64_t number = 0;
    MonotonicTime due{};  // latency counts from here; now, without a rate
  };
  // The next request nobody took yet; nullopt after the last, and after Stop.
  std::optional<Turn> Take();
  void Stop() { next_.store(requests_); }

 private:
  const uint64_t requests_;
  const double interval_s_;
  Clock& clock_;
  const MonotonicTime start_;
  std::atomic<uint64_t> next_{0};
};

}  // namespace akidb
