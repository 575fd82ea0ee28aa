// Work that may run on several threads, which only the caller can provide: nothing below the server starts threads.
//
// Threads: Run blocks until all of it is done; body is called from any thread, each index once.
// Errors:  none; the body keeps its own.
#pragma once

#include <cstddef>
#include <functional>

namespace akidb {

class Parallel {
 public:
  virtual ~Parallel() = default;
  virtual void Run(size_t count, const std::function<void(size_t)>& body) = 0;
};

// Everything on the calling thread, in order.
class Serial final : public Parallel {
 public:
  void Run(size_t count, const std::function<void(size_t)>& body) override {
    for (size_t i = 0; i < count; ++i) body(i);
  }
};

}  // namespace akidb
