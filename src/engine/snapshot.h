// One consistent state of a collection, cheap to take: segments, growing rows, and the LSN up to which they count.
// Searches, point reads, scrolls and counts all run on a Snapshot; it never changes.
//
// Threads: immutable; thread-safe. Hold it as short as the answer needs: it keeps merged-away segments in memory.
// Errors:  see each method.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ann/vector_index.h"
#include "engine/write.h"
#include "segment/segment_reader.h"

namespace akidb {

// One run of rows that is searched as a unit: an open segment, or a chunk of growing rows.
class SearchUnit {
 public:
  virtual ~SearchUnit() = default;
  virtual uint32_t row_count() const = 0;
  virtual const VectorIndex& index() const = 0;
  virtual const VectorRows& vectors() const = 0;
  virtual std::string_view Id(RowIndex row) const = 0;
  virtual Result<PayloadView> Payload(OpContext& ctx, RowIndex row) const = 0;
  // What Payload says of each of several rows; `out` has as many places.
  virtual Status Payloads(OpContext& ctx, std::span<const RowIndex> rows, std::span<PayloadView> out) const {
    for (size_t i = 0; i < rows.size(); ++i) {
      AKI_ASSIGN_OR_RETURN(out[i], Payload(ctx, rows[i]));
    }
    return OkStatus();
  }
  // A hint that Id will be asked for these rows.
  virtual void PrefetchIds(std::span<const RowIndex> /*rows*/) const {}
  virtual Status ScanPayloads(OpContext& ctx, const std::function<Status(RowIndex, std::string_view)>& visit) const = 0;
  // The rows whose id and payload match `filter`, dead ones included; null if the unit cannot say it at once and
  // payloads have to be scanned.
  virtual Result<std::shared_ptr<const RowSet>> Matching(OpContext& /*ctx*/, const Filter& /*filter*/) const {
    return nullptr;
  }
  // The rows that match for certain, and those whose payloads must be asked; null likewise. Reads no payload.
  virtual Result<std::optional<ColumnMatch>> MatchColumns(OpContext& /*ctx*/, const Filter& /*filter*/) const {
    return std::nullopt;
  }
  // Whether `row` exists at `lsn`: inserted at or before it and not deleted at or before it.
  virtual bool LiveAt(RowIndex row, Lsn lsn) const = 0;
  // True if every row is live at `lsn`, so that no bitmap is needed.
  virtual bool AllLiveAt(Lsn lsn) const = 0;
  // Takes the rows that are not live at `lsn` out of `rows`.
  virtual void RemoveDead(Lsn lsn, RowSet* rows) const {
    for (RowIndex row = 0; row < row_count(); ++row) {
      if (!LiveAt(row, lsn)) rows->Remove(row);
    }
  }
  // Whether rows lie in bytewise order of id.
  virtual bool SortedById() const = 0;
  // Greatest LSN that inserted a row here.
  virtual Lsn newest_lsn() const = 0;
};

struct RowLocation {
  std::shared_ptr<const SearchUnit> unit;
  RowIndex row = 0;
};

class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual const CollectionSpec& spec() const = 0;
  virtual const Position& position() const = 0;
  // Together they hold every live row exactly once (a row may be dead in one unit and live in another).
  virtual const std::vector<std::shared_ptr<const SearchUnit>>& units() const = 0;
  // Where `id` is live at position().lsn.
  virtual std::optional<RowLocation> Find(std::string_view id) const = 0;
  // Rows that lived when the snapshot was taken, counting writes that are not visible yet: an estimate for plans.
  virtual uint64_t live_rows() const = 0;
  // Tells the collection what is asked of it: see SeenQueries.
  virtual void NoteQuery(std::span<const float> /*query*/) const {}
};

}  // namespace akidb
