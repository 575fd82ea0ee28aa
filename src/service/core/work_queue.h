// Where handlers send what would hold a connection's thread for long: waiting flushes, merges, big scans, large writes.
//
// Threads: Post from any thread; work runs once, on a thread that may block.
// Errors:  none; work reports its own.
#pragma once

#include <functional>

namespace akidb {

class WorkQueue {
 public:
  virtual ~WorkQueue() = default;
  virtual void Post(std::move_only_function<void()> work) = 0;
  virtual size_t threads() const = 0;
  // Ends when all that was posted was done, and lets go of what is posted from now on without doing it: queues that
  // post to each other are finished before any of them is destroyed.
  virtual void Finish() = 0;
};

}  // namespace akidb
