// A segment that a manifest names, as a search unit: its reader, its index, and when each row was deleted.
// It is opened when it is first used: a node that starts reads manifests, and bytes of segments only for requests.
//
// Threads: Prepare and reads are thread-safe; Mark needs the collection's write lock. Whatever touches rows comes after
//          a Prepare that returned OK.
// Errors:  Prepare: those of SegmentReader::Open and of decoding a deletion vector; it may be tried again.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "engine/delete_marks.h"
#include "engine/index_slot.h"
#include "engine/snapshot.h"

namespace akidb {

class SegmentUnit final : public SearchUnit {
 public:
  // What all units of one segment have in common: its bytes and its index.
  struct Shared {
    std::shared_ptr<const SegmentReader> reader;
    std::shared_ptr<IndexSlot> index;
  };
  // What opening brings: that, and the rows that the manifest's deletion vector names.
  struct Opened {
    Shared shared;
    std::vector<RowIndex> deleted;
  };
  using Opener = std::function<Result<Opened>(OpContext&)>;

  // `committed_at`: when this process saw it committed, or wrote it.
  SegmentUnit(const SegmentEntry& entry, Opener open, MonotonicTime committed_at)
      : entry_(entry), open_(std::move(open)), marks_(entry.row_count), committed_at_(committed_at) {}

  // Opens the segment if that was not done yet.
  Status Prepare(OpContext& ctx) AKI_EXCLUDES(open_mutex_) {
    if (ready()) return OkStatus();
    MutexLock lock(open_mutex_);
    if (ready()) return OkStatus();
    AKI_ASSIGN_OR_RETURN(Opened opened, open_(ctx));
    for (const RowIndex row : opened.deleted) marks_.Mark(row, Lsn(0));  // dead for every reader
    shared_ = std::move(opened.shared);
    flat_ = NewFlatIndex(shared_.reader->vectors(), shared_.reader->distance());
    ready_.store(true, std::memory_order_release);
    open_ = nullptr;
    return OkStatus();
  }
  bool ready() const { return ready_.load(std::memory_order_acquire); }

  uint32_t row_count() const override { return entry_.row_count; }
  const VectorIndex& index() const override {
    const VectorIndex* built = shared_.index->get();
    return built != nullptr ? *built : *flat_;
  }
  const VectorRows& vectors() const override { return shared_.reader->vectors(); }
  std::string_view Id(RowIndex row) const override { return shared_.reader->Id(row); }
  Result<PayloadView> Payload(OpContext& ctx, RowIndex row) const override { return shared_.reader->Payload(ctx, row); }
  Status Payloads(OpContext& ctx, std::span<const RowIndex> rows, std::span<PayloadView> out) const override {
    return shared_.reader->Payloads(ctx, rows, out);
  }
  void PrefetchIds(std::span<const RowIndex> rows) const override { shared_.reader->PrefetchIds(rows); }
  Status ScanPayloads(OpContext& ctx, const std::function<Status(RowIndex, std::string_view)>& visit) const override {
    return shared_.reader->ScanPayloads(ctx, 0, row_count(), visit);
  }
  Result<std::shared_ptr<const RowSet>> Matching(OpContext& ctx, const Filter& filter) const override {
    return shared_.reader->Matching(ctx, filter);
  }
  Result<std::optional<ColumnMatch>> MatchColumns(OpContext& ctx, const Filter& filter) const override {
    return shared_.reader->MatchColumns(ctx, filter);
  }
  void RemoveDead(Lsn lsn, RowSet* rows) const override {
    for (const RowIndex row : marks_.RowsDeletedAt(lsn)) rows->Remove(row);
  }
  bool LiveAt(RowIndex row, Lsn lsn) const override { return marks_.LiveAt(row, lsn); }
  bool AllLiveAt(Lsn /*lsn*/) const override { return marks_.count() == 0; }
  bool SortedById() const override { return true; }
  Lsn newest_lsn() const override { return entry_.lsn_max; }

  // As the manifest that this unit was made for names it.
  const SegmentEntry& entry() const { return entry_; }
  // Whether `entry` is of the same rows, deleted ones included; the index may be another.
  bool IsOf(const SegmentEntry& entry) const {
    return entry.object == entry_.object && entry.deletes == entry_.deletes;
  }
  const std::string& id() const { return entry_.object.id; }
  // Nulls until it is ready.
  Shared shared() const { return ready() ? shared_ : Shared(); }
  bool indexed() const { return ready() && shared_.index->get() != nullptr; }
  uint64_t memory_bytes() const {
    if (!ready()) return 0;
    const VectorIndex* built = shared_.index->get();
    return shared_.reader->memory_bytes() + (built != nullptr ? built->memory_bytes() : 0);
  }
  // Dead rows, as far as is known without opening it.
  uint32_t deleted_count() const { return ready() ? marks_.count() : entry_.deleted_count; }
  const DeleteMarks& marks() const { return marks_; }
  DeleteMarks& marks() { return marks_; }
  std::optional<RowIndex> Find(std::string_view id) const {
    // A write asks every segment, and most are small ones of other ids: what it takes to see that is near.
    if (id < entry_.id_min || id > entry_.id_max) return std::nullopt;
    return shared_.reader->Find(id);
  }
  std::optional<RowIndex> FindLatest(std::string_view id) const {
    const auto row = Find(id);
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
  const SegmentEntry entry_;
  Mutex open_mutex_;
  Opener open_ AKI_GUARDED_BY(open_mutex_);
  std::atomic<bool> ready_{false};
  // Written once, before ready_.
  Shared shared_;
  std::unique_ptr<VectorIndex> flat_;
  DeleteMarks marks_;
  const MonotonicTime committed_at_;
  std::atomic<bool> verified_{false};
  std::atomic<bool> merged_{false};
};

}  // namespace akidb
