#include "base/context.h"

namespace akidb {

Status OpContext::Check() const {
  if (cancelled_.load(std::memory_order_relaxed)) return Cancelled("the operation was cancelled");
  if (deadline_ != MonotonicTime::max() && clock_->Now() >= deadline_) {
    return DeadlineExceeded("the deadline of the operation has passed");
  }
  return OkStatus();
}

}  // namespace akidb
