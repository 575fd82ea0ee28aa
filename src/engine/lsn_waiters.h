// Requests that wait until everything up to an LSN has happened to a log or a manifest.
//
// Threads: as a container: the owner's lock guards it. What was taken out is run without that lock (RunAll).
// Errors:  the caller's statuses.
#pragma once

#include <functional>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "base/environment.h"
#include "base/ids.h"
#include "base/status.h"

namespace akidb {

class LsnWaiters {
 public:
  using Done = std::move_only_function<void(const Status&)>;
  using Finished = std::vector<std::pair<Done, Status>>;

  bool empty() const { return waiters_.empty(); }
  size_t size() const { return waiters_.size(); }
  size_t CountAbove(Lsn lsn) const {
    return static_cast<size_t>(std::distance(waiters_.upper_bound(lsn), waiters_.end()));
  }
  void Add(Lsn lsn, MonotonicTime deadline, Done done) { waiters_.emplace(lsn, Waiter{deadline, std::move(done)}); }
  // Those that wait for `lsn` or less are finished with OK.
  void TakeUpTo(Lsn lsn, Finished* finished);
  void TakeExpired(MonotonicTime now, const Status& status, Finished* finished);
  void TakeAll(const Status& status, Finished* finished);

  static void RunAll(Finished finished);

 private:
  struct Waiter {
    MonotonicTime deadline;
    Done done;
  };
  std::multimap<Lsn, Waiter> waiters_;
};

}  // namespace akidb
