// When each row of an immutable run of rows was deleted: one LSN a row, allocated in pages on the first delete.
// It gives every reader its own point in time without copying bitmaps (multi-version concurrency control).
//
// Threads: one writer at a time (the collection's write lock), any number of readers.
// Errors:  none.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/ids.h"

namespace akidb {

class DeleteMarks {
 public:
  explicit DeleteMarks(uint32_t row_count) : row_count_(row_count), pages_((row_count + kPageRows - 1) / kPageRows) {}
  ~DeleteMarks() {
    for (auto& page : pages_) delete page.load(std::memory_order_relaxed);
  }
  DeleteMarks(const DeleteMarks&) = delete;
  DeleteMarks& operator=(const DeleteMarks&) = delete;

  // Lsn::Max() while the row lives.
  Lsn DeletedAt(RowIndex row) const {
    const Page* page = pages_[row / kPageRows].load(std::memory_order_acquire);
    return page ? Lsn(page->deleted_at[row % kPageRows].load(std::memory_order_acquire)) : Lsn::Max();
  }
  bool LiveAt(RowIndex row, Lsn lsn) const { return DeletedAt(row) > lsn; }
  // Requires: the row lives.
  void Mark(RowIndex row, Lsn lsn) {
    std::atomic<Page*>& slot = pages_[row / kPageRows];
    Page* page = slot.load(std::memory_order_relaxed);
    if (!page) {
      page = new Page;
      slot.store(page, std::memory_order_release);
    }
    page->deleted_at[row % kPageRows].store(lsn.value(), std::memory_order_release);
    count_.fetch_add(1, std::memory_order_release);
  }
  // Marks made, at whatever LSN.
  uint32_t count() const { return count_.load(std::memory_order_acquire); }
  // Rows deleted at or before `lsn`, ascending.
  std::vector<RowIndex> RowsDeletedAt(Lsn lsn) const {
    std::vector<RowIndex> rows;
    if (count() == 0) return rows;
    for (RowIndex row = 0; row < row_count_; ++row) {
      if (!pages_[row / kPageRows].load(std::memory_order_acquire)) {
        row += kPageRows - 1 - row % kPageRows;
        continue;
      }
      if (!LiveAt(row, lsn)) rows.push_back(row);
    }
    return rows;
  }

 private:
  static constexpr uint32_t kPageRows = 4096;
  struct Page {
    Page() {
      for (auto& lsn : deleted_at) lsn.store(Lsn::Max().value(), std::memory_order_relaxed);
    }
    std::atomic<uint64_t> deleted_at[kPageRows];
  };
  uint32_t row_count_;
  std::vector<std::atomic<Page*>> pages_;
  std::atomic<uint32_t> count_{0};
};

}  // namespace akidb
