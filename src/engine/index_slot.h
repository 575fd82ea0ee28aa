// The place of a segment's index. It is empty while the rows are scanned, and filled once, by whoever built or opened
// the index first; every view of the segment shares it. Until then it keeps what helps to build one.
//
// Threads: thread-safe; get() is lock-free.
// Errors:  none.
#pragma once

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "ann/index_kinds.h"
#include "ann/vector_index.h"
#include "base/check.h"
#include "base/mutex.h"

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
  std::atomic<const VectorIndex*> ready_{nullptr};
  mutable Mutex mutex_;
  std::unique_ptr<VectorIndex> index_ AKI_GUARDED_BY(mutex_);
  std::shared_ptr<const Sources> inherited_ AKI_GUARDED_BY(mutex_);
};

}  // namespace akidb
