// The place of a segment's index. It is empty while the rows are scanned, and filled once, by whoever built or opened
// the index first; every view of the segment shares it. Until then it keeps what helps to build one; from then on, what
// the index was measured with.
//
// Threads: thread-safe; get() is lock-free.
// Errors:  MeasureWith: those of the index.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ann/index_kinds.h"
#include "ann/vector_index.h"
#include "base/check.h"
#include "base/mutex.h"
#include "engine/seen_queries.h"

namespace akidb {

class IndexSlot {
 public:
  // Null while there is none.
  const VectorIndex* get() const { return ready_.load(std::memory_order_acquire); }
  // The first one stays: searches may be in it.
  void Fill(std::unique_ptr<VectorIndex> index) {
    AKI_CHECK(index != nullptr);
    MutexLock lock(mutex_);
    if (index_) return;
    index_ = std::move(index);
    inherited_ = nullptr;
    ready_.store(index_.get(), std::memory_order_release);
  }

  // Measures the index, which must be there, with `seen`, and does not try that again before many more were seen.
  Status MeasureWith(OpContext& ctx, const SeenQueries& seen, Parallel& parallel) {
    MutexLock one_at_a_time(measure_mutex_);
    VectorIndex* index = nullptr;
    {
      MutexLock lock(mutex_);
      index = index_.get();
    }
    const uint64_t count = seen.seen();
    const Result<bool> changed = index->MeasureWith(ctx, seen.Sample(), parallel);
    AKI_RETURN_IF_ERROR(ctx.Check());
    measured_with_.store(count, std::memory_order_relaxed);
    if (!changed) return changed.error();
    if (*changed) changes_.fetch_add(1);
    return OkStatus();
  }
  bool ToMeasureWith(const SeenQueries& seen) const {
    constexpr uint64_t kManyMore = 8;
    const uint64_t count = seen.seen();
    return count >= SeenQueries::kKept && count / kManyMore >= measured_with_.load(std::memory_order_relaxed);
  }
  // How often measuring made the index another than was opened.
  uint64_t changes() const { return changes_.load(); }
  // The index is, after so many changes, what the object of that id stores.
  void NoteStored(std::string object_id, uint64_t changes) {
    MutexLock lock(mutex_);
    stored_as_ = std::move(object_id);
    stored_changes_ = changes;
  }
  // An object of that id may come to be named, or not.
  void NoteTried(std::string object_id) {
    MutexLock lock(mutex_);
    tried_as_ = std::move(object_id);
  }
  // Whether the object of that id is of this index as it was before the last change; not if somebody else stored it.
  bool IsOutdated(std::string_view object_id) const {
    MutexLock lock(mutex_);
    return (stored_as_ == object_id || tried_as_ == object_id) && stored_changes_ != changes_.load();
  }

  using Sources = std::vector<IndexSource>;
  // From the segments that this one was merged from.
  void Inherit(Sources sources) {
    MutexLock lock(mutex_);
    if (!index_ && !sources.empty()) inherited_ = std::make_shared<const Sources>(std::move(sources));
  }
  // Null if there is nothing.
  std::shared_ptr<const Sources> inherited() const {
    MutexLock lock(mutex_);
    return inherited_;
  }

 private:
  Mutex measure_mutex_;
  std::atomic<uint64_t> measured_with_{0};  // of so many that were seen
  std::atomic<uint64_t> changes_{0};
  std::atomic<const VectorIndex*> ready_{nullptr};
  mutable Mutex mutex_;
  std::unique_ptr<VectorIndex> index_ AKI_GUARDED_BY(mutex_);
  std::shared_ptr<const Sources> inherited_ AKI_GUARDED_BY(mutex_);
  std::string stored_as_ AKI_GUARDED_BY(mutex_);
  std::string tried_as_ AKI_GUARDED_BY(mutex_);
  uint64_t stored_changes_ AKI_GUARDED_BY(mutex_) = 0;
};

}  // namespace akidb
