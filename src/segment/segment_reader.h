// An open SEGv1 segment: ids and vectors resident, payload blocks fetched on demand through a bounded cache.
//
// Threads: immutable after Open; thread-safe. Payload reads may block on the store.
// Errors:  kDataLoss (checksum, structure; names segment, section and block), kUnavailable when what the manifest
//          names cannot be read, whatever the store answers (I11).
// Format:  docs/formats/segment.md
// Cost:    Open: 1 range GET for the footer, 1 for ids, vectors in ranges of at most 8 MiB. Payload: 1 range GET a
//          block that is not in the cache. Matching: segment_columns.h, and the payload blocks of undecided rows.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ann/row_set.h"
#include "base/context.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/vector_types.h"
#include "filter/column_filter.h"
#include "format/manifest_format.h"
#include "objstore/object_store.h"

namespace akidb {

// Decompressed payload blocks of all segments of a node, and apart from them what filters use: payload columns and the
// rows that matched. What was not used lately goes first. Thread-safe.
class PayloadBlockCache;
std::shared_ptr<PayloadBlockCache> NewPayloadBlockCache(uint64_t capacity_bytes,
                                                        uint64_t column_capacity_bytes = 64ull << 20);
uint64_t PayloadBlockCacheBytes(const PayloadBlockCache& cache);

// A payload and the block that keeps its bytes alive. `json` is followed by at least 64 readable bytes (simdjson).
struct PayloadView {
  std::string_view json;
  std::shared_ptr<const void> owner;
};

class SegmentReader {
 public:
  static Result<std::shared_ptr<const SegmentReader>> Open(OpContext& ctx, std::shared_ptr<ObjectStore> store,
                                                           const std::string& key, const SegmentEntry& entry,
                                                           std::shared_ptr<PayloadBlockCache> cache);
  virtual ~SegmentReader() = default;

  virtual const SegmentEntry& entry() const = 0;
  virtual uint32_t row_count() const = 0;
  virtual Distance distance() const = 0;
  // 64-byte aligned rows in a huge-page arena, with inverse norms under Cosine.
  virtual const VectorRows& vectors() const = 0;
  virtual std::string_view Id(RowIndex row) const = 0;
  // The row with this id, deleted or not; O(1).
  virtual std::optional<RowIndex> Find(std::string_view id) const = 0;
  virtual Result<PayloadView> Payload(OpContext& ctx, RowIndex row) const = 0;
  // Ids and payloads of several rows anywhere in the segment mostly have to come from memory that no cache holds. These
  // wait for all of it at once instead of row by row: Prefetch for ids, Payloads for what Payload would say of each.
  virtual void PrefetchIds(std::span<const RowIndex> rows) const = 0;
  virtual Status Payloads(OpContext& ctx, std::span<const RowIndex> rows, std::span<PayloadView> out) const = 0;
  // Calls visit(row, json) for rows [begin, end) in order, reading each block once; stops at the first error.
  virtual Status ScanPayloads(OpContext& ctx, RowIndex begin, RowIndex end,
                              const std::function<Status(RowIndex, std::string_view)>& visit) const = 0;
  // The rows whose id and payload match, deleted or not: by the payload columns, and by the payloads of the rows that
  // those leave undecided. Kept for the next one who asks.
  virtual Result<std::shared_ptr<const RowSet>> Matching(OpContext& ctx, const Filter& filter) const = 0;
  // What the columns alone say, for whoever needs few of the rows.
  virtual Result<ColumnMatch> MatchColumns(OpContext& ctx, const Filter& filter) const = 0;
  virtual uint64_t memory_bytes() const = 0;
};

}  // namespace akidb
