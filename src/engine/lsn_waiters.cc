#include "engine/lsn_waiters.h"

namespace akidb {

void LsnWaiters::TakeUpTo(Lsn lsn, Finished* finished) {
  const auto end = waiters_.upper_bound(lsn);
  for (auto it = waiters_.begin(); it != end; ++it) finished->emplace_back(std::move(it->second.done), OkStatus());
  waiters_.erase(waiters_.begin(), end);
}

void LsnWaiters::TakeExpired(MonotonicTime now, const Status& status, Finished* finished) {
  for (auto it = waiters_.begin(); it != waiters_.end();) {
    if (it->second.deadline > now) {
      ++it;
      continue;
    }
    finished->emplace_back(std::move(it->second.done), status);
    it = waiters_.erase(it);
  }
}

void LsnWaiters::TakeAll(const Status& status, Finished* finished) {
  for (auto& [lsn, waiter] : waiters_) finished->emplace_back(std::move(waiter.done), status);
  waiters_.clear();
}

void LsnWaiters::RunAll(Finished finished) {
  for (auto& [done, status] : finished) done(status);
}

}  // namespace akidb
