// Three threads that take pieces as they come, for tests of what must not depend on them.
//
// Threads: one Run at a time.
// Errors:  none.
#pragma once

#include <atomic>
#include <thread>

#include "ann/parallel.h"

namespace akidb {

class ThreeThreads final : public Parallel {
 public:
  void Run(size_t count, const std::function<void(size_t)>& body) override {
    std::atomic<size_t> next = 0;
    const auto work = [&] {
      for (size_t i = next++; i < count; i = next++) body(i);
    };
    std::thread a(work), b(work);
    work();
    a.join();
    b.join();
  }
};

}  // namespace akidb
