// The rows that are in the log but not yet in a segment: append-only chunks that are searched while they grow, large
// ones through a graph that follows the rows (docs/internals/growing-rows.md).
// Every row carries the LSN that inserted it and the one that deleted it, so that a reader at LSN s sees exactly the
// state at s while later rows arrive.
//
// Threads:    one writer at a time (the collection's write lock), one caller of IndexSome beside it; readers see
//             published rows.
// Errors:     IndexSome: those of GrowingIndex::Advance.
// Invariants: 1. A published row never moves and never changes, except that it may be marked deleted once.
//             2. Rows lie in the order of their LSNs.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/context.h"
#include "base/mutex.h"
#include "base/status.h"
#include "engine/delete_marks.h"
#include "engine/snapshot.h"
#include "format/collection_spec.h"

namespace akidb {

class GrowingChunk;

// When rows get a graph, and who counts its memory.
struct GrowingIndexing {
  uint32_t rows_min = UINT32_MAX;  // chunks with fewer rows are scanned
  uint32_t scans_per_row = 0;      // see GrowingOptions
  std::shared_ptr<std::atomic<uint64_t>> bytes;
};

class GrowingRows {
 public:
  explicit GrowingRows(const CollectionSpec& spec, GrowingIndexing indexing = {});
  ~GrowingRows();

  struct NewRow {
    std::string_view id;
    const std::byte* vector = nullptr;  // dim elements of the collection's type
    float scale = 0;                    // kInt8
    std::string_view payload;
  };
  // Rows are numbered from 0 across chunks.
  void Append(const NewRow& row, Lsn lsn);
  void MarkDeleted(RowIndex row, Lsn lsn);

  uint32_t row_count() const { return published_.load(std::memory_order_acquire); }
  uint64_t memory_bytes() const { return memory_bytes_.load(std::memory_order_relaxed); }
  // Of graphs, beyond the rows.
  uint64_t index_bytes() const;
  uint32_t indexed_rows() const;
  Lsn first_lsn() const { return first_lsn_; }

  // Looks at up to `rows_max` rows that a graph lags behind, or lists of those that were deleted; returns how many. 0:
  // there is nothing to do.
  Result<uint32_t> IndexSome(OpContext& ctx, uint32_t rows_max) AKI_EXCLUDES(indexing_mutex_);

  // The newest row with this id that has not been deleted by anyone, visible or not.
  std::optional<RowIndex> FindLatest(std::string_view id) const;
  // The row with this id that is live at `lsn`.
  std::optional<RowIndex> FindAt(std::string_view id, Lsn lsn) const;

  std::string_view Id(RowIndex row) const;
  Lsn InsertedAt(RowIndex row) const;
  Lsn DeletedAt(RowIndex row) const;

  // One search unit a chunk, over the rows published now. Units keep their chunk alive.
  void AddUnits(std::vector<std::shared_ptr<const SearchUnit>>* out) const;
  RowLocation UnitOf(RowIndex row) const;

 private:
  friend class GrowingReader;
  struct Place {
    std::shared_ptr<GrowingChunk> chunk;
    uint32_t offset = 0;
  };
  std::vector<std::shared_ptr<GrowingChunk>> Chunks() const;
  Place Locate(RowIndex row) const;
  // Both for the writer, who looks without the lock at what nobody else changes: room for many rows takes milliseconds
  // to make, and searches do not wait for that.
  Place PlaceForAppend() AKI_NO_THREAD_SAFETY_ANALYSIS;
  void GrowSlots() AKI_NO_THREAD_SAFETY_ANALYSIS;
  void IndexRow(RowIndex row) AKI_REQUIRES(mutex_);
  Place LocateLocked(RowIndex row) const AKI_REQUIRES(mutex_);
  // Which of `slots` is that of `id`, or the free one where it would go.
  size_t SlotIn(std::span<const uint32_t> slots, std::string_view id) const AKI_REQUIRES(mutex_);

  const uint32_t dim_;
  const VectorType type_;
  const Distance distance_;
  const uint32_t chunk_rows_max_;
  const GrowingIndexing indexing_;
  std::atomic<uint32_t> published_{0};
  std::atomic<uint64_t> memory_bytes_{0};
  Lsn first_lsn_;

  Mutex indexing_mutex_;  // before mutex_
  mutable Mutex mutex_;   // what it guards is changed by the writer alone
  std::vector<std::shared_ptr<GrowingChunk>> chunks_ AKI_GUARDED_BY(mutex_);
  // id -> newest row, open addressing; a slot holds row + 1. Older rows of the same id hang on it.
  std::vector<uint32_t> slots_ AKI_GUARDED_BY(mutex_);
  uint32_t used_slots_ AKI_GUARDED_BY(mutex_) = 0;
};

// The rows that were published when it was made, for whoever goes over all of them: no lock a row.
class GrowingReader {
 public:
  explicit GrowingReader(const GrowingRows& rows);

  struct Row {
    std::string_view id;
    std::string_view payload;  // followed by at least 64 readable bytes
    const std::byte* vector;
    float scale;
    float inv_norm;  // 0 where the distance needs none
    Lsn inserted_at;
    Lsn deleted_at;
  };
  uint32_t row_count() const { return row_count_; }
  Row At(RowIndex row) const;

 private:
  uint32_t row_count_;  // first: what is published has its chunk
  std::vector<std::shared_ptr<GrowingChunk>> chunks_;
};

}  // namespace akidb
