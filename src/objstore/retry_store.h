// Repeats what a store could not do just now, with jittered exponential back-off.
// It exists so that code above sees a busy or restarting store as a slow one.
//
// Repeated are kUnavailable, and kDeadlineExceeded of an attempt while the operation itself has time left. A
// conditional write whose effect is unknown is handed to the caller at once: repeating it would lose against itself.
// Writers are repeated only when they are opened; a failed Append or Commit is the caller's to start over.
//
// Threads: thread-safe if the store below is.
// Errors:  those of the store below, of the last attempt. A write has effect unknown if any attempt had.
// Cost:    up to `attempts_max` requests a call.
#pragma once

#include <functional>
#include <memory>

#include "base/random.h"
#include "objstore/object_store.h"

namespace akidb {

struct RetryPolicy {
  int attempts_max = 5;
  // The pause before the second attempt; each later one is twice as long, up to `backoff_max`. Each is drawn uniformly
  // between half of that and all of it. No pause outlasts the deadline: the error is returned instead.
  Duration backoff_first = std::chrono::milliseconds(50);
  Duration backoff_max = std::chrono::seconds(5);
};

std::unique_ptr<ObjectStore> NewRetryStore(std::unique_ptr<ObjectStore> base, const RetryPolicy& policy, Random& random,
                                           std::function<void(Duration)> sleep);

}  // namespace akidb
