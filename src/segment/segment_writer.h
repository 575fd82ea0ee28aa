// Writes one immutable SEGv1 segment to the store, streaming: memory does not grow with the segment beyond the
// section directory, the payload columns, which ColumnOptions bounds, and what is to be kept.
//
// Threads:    one writer, one thread.
// Errors:     those of the store; kInvalidArgument for rows out of id order (our bug upstream, checked).
// Durability: nothing is visible before Finish returns OK.
// Format:     docs/formats/segment.md
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/context.h"
#include "base/huge_arena.h"
#include "base/ids.h"
#include "base/status.h"
#include "base/vector_types.h"
#include "filter/column_builder.h"
#include "format/manifest_format.h"
#include "objstore/object_store.h"

namespace akidb {

struct SegmentOptions {
  uint32_t dim = 0;
  VectorType type = VectorType::kF32;
  Distance distance = Distance::kCosine;
  int zstd_level = 3;
  uint32_t payload_block_bytes = 16u << 10;  // unpacked; a point read unpacks one block
  // Header and vectors are kept in one piece, for whoever opens the segment, if they are not more than this.
  uint64_t kept_bytes_max = 0;
  // Nothing: no payload columns, as before they existed.
  std::optional<ColumnOptions> columns = ColumnOptions();
};

// Where a writer takes its rows from, in bytewise ascending order of id. The writer makes one pass a column and may go
// over the rows several times; row numbers are the positions in that order.
class SegmentSource {
 public:
  virtual ~SegmentSource() = default;
  virtual uint32_t row_count() const = 0;
  // Views stay valid until the next call of the same method.
  virtual Result<std::string_view> Id(OpContext& ctx, RowIndex row) = 0;
  // dim * ElementBytes(type) bytes.
  virtual Result<std::string_view> Vector(OpContext& ctx, RowIndex row) = 0;
  // kInt8 only.
  virtual float Scale(RowIndex row) = 0;
  // As ann/exact_score.h has it, from whoever knows it of all rows already; 0: unknown.
  virtual float InverseNorm(RowIndex /*row*/) { return 0; }
  // JSON object; empty means {}.
  virtual Result<std::string_view> Payload(OpContext& ctx, RowIndex row) = 0;
  // Greatest LSN over all rows.
  virtual Lsn lsn_max() const = 0;
};

// What is done with the entry, still without a version id, once all bytes were handed to the store and before they are
// an object: time that the upload would be waited for. `kept` are header and vectors for OpenKeptSegment, or null.
// An error ends the writing.
using BeforeCommit = std::function<Status(const SegmentEntry& entry, const std::shared_ptr<const HugeArena>& kept)>;

// Writes `source` as the new object `key` (create-if-absent) and returns its manifest entry with object.id = `id`.
Result<SegmentEntry> WriteSegment(OpContext& ctx, ObjectStore& store, const std::string& key, const std::string& id,
                                  const SegmentOptions& options, SegmentSource& source,
                                  const BeforeCommit& before_commit = nullptr);

}  // namespace akidb
