// An open segment as a search unit: its reader, its index, and when each row was deleted.
//
// Threads: reads are thread-safe; Mark needs the collection's write lock.
// Errors:  those of SegmentReader.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

#include "engine/delete_marks.h"
#include "engine/snapshot.h"

namespace akidb {

class SegmentUnit final : public SearchUnit {
 public:
  // `deleted`: rows that the manifest's deletion vector names; dead for every reader.
  // `committed_at`: when this process saw it committed.
  SegmentUnit(std::shared_ptr<const SegmentReader> reader, const std::vector<RowIndex>& deleted,
              MonotonicTime committed_at)
      : reader_(std::move(reader)),
        index_(NewFlatIndex(reader_->vectors(), reader_->distance())),
        marks_(reader_->row_count()),
        committed_at_(committed_at) {
    for (const RowIndex row : deleted) marks_.Mark(row, Lsn(0));
  }

  uint32_t row_count() const override { return reader_->row_count(); }
  const VectorIndex& index() const override { return *index_; }
  const VectorRows& vectors() const override { return reader_->vectors(); }
  std::string_view Id(RowIndex row) const override { return reader_->Id(row); }
  Result<PayloadView> Payload(OpContext& ctx, RowIndex row) const override { return reader_->Payload(ctx, row); }
  Status ScanPayloads(OpContext& ctx, const std::function<Status(RowIndex, std::string_view)>& visit) const override {
    return reader_->ScanPayloads(ctx, 0, reader_->row_count(), visit);
  }
  bool LiveAt(RowIndex row, Lsn lsn) const override { return marks_.LiveAt(row, lsn); }
  bool AllLiveAt(Lsn /*lsn*/) const override { return marks_.count() == 0; }
  bool SortedById() const override { return true; }
  Lsn newest_lsn() const override { return reader_->entry().lsn_max; }

  const SegmentReader& reader() const { return *reader_; }
  const std::string& id() const { return reader_->entry().object.id; }
  const DeleteMarks& marks() const { return marks_; }
  DeleteMarks& marks() { return marks_; }
  std::optional<RowIndex> FindLatest(std::string_view id) const {
    const auto row = reader_->Find(id);
    return row && marks_.DeletedAt(*row) == Lsn::Max() ? row : std::nullopt;
  }

  MonotonicTime committed_at() const { return committed_at_; }
  // Whether the object was read back whole, long enough after it was committed (section "trim" of durability.md).
  bool verified() const { return verified_.load(std::memory_order_acquire); }
  void set_verified() { verified_.store(true, std::memory_order_release); }
  // Built by a merge of this process: its inputs are kept until it is verified.
  bool merged() const { return merged_.load(std::memory_order_acquire); }
  void set_merged() { merged_.store(true, std::memory_order_release); }

 private:
  std::shared_ptr<const SegmentReader> reader_;
  std::unique_ptr<VectorIndex> index_;
  DeleteMarks marks_;
  MonotonicTime committed_at_;
  std::atomic<bool> verified_{false};
  std::atomic<bool> merged_{false};
};

}  // namespace akidb
