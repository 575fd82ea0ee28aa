// How good approximate answers are, told continuously: one in so many is asked for again exactly, on the work queue,
// and compared. The metric akidb_search_recall is the share that was found in the last hundred comparisons.
//
// Threads: thread-safe; one comparison at a time.
// Errors:  a comparison that fails counts nothing.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "query/search.h"
#include "service/core/metrics.h"
#include "service/core/work_queue.h"

namespace akidb {

class RecallCheck {
 public:
  struct Effort {
    uint32_t one_in = 0;   // 0: never
    double share_max = 0;  // of one processor's time; the rest of the searches go unchecked
  };
  RecallCheck(Clock& clock, WorkQueue& queue, MetricsRegistry& metrics, Effort effort);

  // `rows` is what an approximate search gave on `snapshot`.
  void Offer(const std::shared_ptr<const Snapshot>& snapshot, const SearchRequest& request,
             const std::vector<ResultRow>& rows);

 private:
  void Compare(const Snapshot& snapshot, const SearchRequest& request, const std::vector<double>& scores);

  Clock& clock_;
  WorkQueue& queue_;
  const Effort effort_;
  Counter& checks_;
  std::atomic<uint64_t> offered_{0};
  std::atomic<bool> busy_{false};
  std::atomic<MonotonicTime> not_before_{MonotonicTime()};
  Mutex mutex_;
  std::deque<std::pair<size_t, size_t>> last_ AKI_GUARDED_BY(mutex_);  // found, of how many
};

}  // namespace akidb
