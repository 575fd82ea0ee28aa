#include "base/context.h"

#include <algorithm>

namespace akidb {

Status OpContext::Check() const {
  if (cancelled_.load(std::memory_order_relaxed)) return Cancelled("the operation was cancelled");
  if (deadline_ != MonotonicTime::max() && clock_->Now() >= deadline_) {
    return DeadlineExceeded("the deadline of the operation has passed");
  }
  return OkStatus();
}

OpGroup::Member::Member(OpGroup& group, OpContext& ctx) : group_(group), ctx_(ctx) {
  MutexLock lock(group_.mutex_);
  if (group_.cancelled_) ctx_.Cancel();
  group_.members_.push_back(&ctx_);
}

OpGroup::Member::~Member() {
  MutexLock lock(group_.mutex_);
  group_.members_.erase(std::ranges::find(group_.members_, &ctx_));
}

void OpGroup::Cancel() {
  MutexLock lock(mutex_);
  cancelled_ = true;
  for (OpContext* ctx : members_) ctx->Cancel();
}

}  // namespace akidb
